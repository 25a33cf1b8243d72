import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { rawConnection, requestBytes } from '@ferrule/testing';

const SCRIPT = fileURLToPath(new URL('../support/supervised-process.js', import.meta.url));
const STOP = ['draining', 'closing', 'hooks', 'stopped'];

describe('a service as the child of a supervisor', function () {
  this.timeout(20_000);
  let child: ChildProcess;
  let said: string[];
  let told: unknown[];
  let port: number;
  let ended: Promise<readonly unknown[]>;

  async function start(...args: string[]): Promise<void> {
    child = fork(SCRIPT, args, { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    said = [];
    told = [];
    child.on('message', (message) => told.push(message));
    const lines = createInterface(child.stdout!);
    // Not 'close': Node does not tell it after disconnect().
    ended = Promise.all([once(child, 'exit'), once(lines, 'close')]).then(([exit]) => exit as unknown[]);
    port = await new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error(`the child ended; it said ${said.join(' | ')}`)));
      lines.on('line', (line) => {
        said.push(line);
        if (line.startsWith('port ')) resolve(Number(line.slice(5)));
      });
    });
  }
  /** A request that is under way. */
  async function slow(): Promise<Awaited<ReturnType<typeof rawConnection>>> {
    const client = await rawConnection({ host: '127.0.0.1', port });
    const entered = once(child, 'message');
    client.send(requestBytes('GET', '/slow'));
    expect(await entered).to.include('entered');
    return client;
  }
  afterEach(() => void child.kill('SIGKILL'));

  it('tells it of each phase, and ends with 0 on its SIGTERM though the channel is open', async () => {
    await start();
    const client = await slow();
    child.kill('SIGTERM');
    expect((await client.reply()).text).to.equal('slow');
    expect(await ended).to.deep.equal([0, null]);
    expect(told.filter((one) => one !== 'entered')).to.deep.equal(['starting', 'ready', ...STOP]);
  });

  it('ends at once with 143 on its second SIGTERM', async () => {
    await start('hang');
    const hangs = new Promise<void>((resolve) => child.on('message', (message) => message === 'hooks' && resolve()));
    child.kill('SIGTERM');
    await hangs;
    child.kill('SIGTERM');
    expect(await ended).to.deep.equal([143, null]);
    expect(said).to.not.include('stopped');
  });

  for (const [what, ask] of [
    ['has gone', () => child.disconnect()],
    ['sends a message instead of a signal', () => child.send('shutdown')],
  ] as const)
    it(`stops in order when the supervisor ${what}`, async () => {
      await start();
      const client = await slow();
      ask();
      expect((await client.reply()).text).to.equal('slow');
      expect(await ended).to.deep.equal([0, null]);
      expect(said.slice(-STOP.length)).to.deep.equal(STOP);
    });
});
