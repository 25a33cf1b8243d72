import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { client, fileRegistry, silentLogger } from '@ferrule/core';
import { SCRIPT, sharedDirectory } from './shared-directory.js';

/** The small form of `npm run bench -- rolling`: two instances in processes of their own, each replaced under load from a client without retries. */
describe('a rolling restart', function () {
  this.timeout(30_000);
  const directory = sharedDirectory();

  async function start(framework: string): Promise<ChildProcess> {
    const child = directory.own(fork(SCRIPT, ['orders', framework, directory.path], { execArgv: [], stdio: ['pipe', 'pipe', 'ignore', 'ipc'] }));
    await once(child.stdout!, 'data');
    return child;
  }

  it('costs a client that does not retry no request', async () => {
    const fleet = await Promise.all([start('express'), start('koa')]);
    await using registry = fileRegistry({ directory: directory.path });
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
