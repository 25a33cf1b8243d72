import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { client, fileRegistry, silentLogger } from '@ferrule/core';

const SCRIPT = fileURLToPath(new URL('./service-process.js', import.meta.url));

/** The small form of `npm run bench -- rolling`: two instances in processes of their own, each replaced under load from a client without retries. */
describe('a rolling restart', function () {
  this.timeout(30_000);
  const children: ChildProcess[] = [];
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ferrule-rolling-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
    await rm(directory, { recursive: true, force: true });
  });

  async function start(framework: string): Promise<ChildProcess> {
    const child = fork(SCRIPT, ['orders', framework, directory], { execArgv: [], stdio: ['pipe', 'pipe', 'ignore', 'ipc'] });
    children.push(child);
    await once(child.stdout!, 'data');
    return child;
  }

  it('costs a client that does not retry no request', async () => {
    const fleet = await Promise.all([start('express'), start('koa')]);
    await using registry = fileRegistry({ directory });
    await using orders = client('orders', { registry, retry: false, logger: silentLogger });
    const failures: unknown[] = [];
    const pids = new Set<number>();
    let going = true;
    const caller = async (): Promise<void> => {
      while (going)
        await orders.get('/orders/:id', { params: { id: '1' } }).then(
          (answer) => pids.add((answer as { pid: number }).pid),
          (error: unknown) => failures.push(error),
        );
    };
    const callers = Promise.all(Array.from({ length: 16 }, caller));
    for (const [index, framework] of ['koa', 'express'].entries()) {
      const next = await start(framework);
      const old = fleet[index]!;
      old.kill('SIGTERM');
      expect(await once(old, 'exit')).to.deep.equal([0, null]);
      fleet[index] = next;
    }
    going = false;
    await callers;
    expect(failures).to.deep.equal([]);
    expect(pids.size, 'processes that answered').to.equal(4);
  });
});
