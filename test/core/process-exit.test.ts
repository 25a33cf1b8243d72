import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const SCRIPT = fileURLToPath(new URL('../support/waiting-process.js', import.meta.url));
const run = promisify(execFile);

describe('a process that has nothing but our timers', function () {
  this.timeout(20_000);

  const waits = [
    ['timeout', 'TIMEOUT'],
    ['a nearer deadline', 'TIMEOUT'],
    ['retry', 'ECONNRESET'],
    ['client', 'CONNECT_FAILED'],
    ['check', 'TIMEOUT'],
    ['register', 'REGISTERED'],
  ] as const;
  /** Of each. They wait on real time, so all at once. */
  let outputs: readonly string[];
  before(async () => {
    outputs = await Promise.all(waits.map(async ([what]) => (await run(process.execPath, [SCRIPT, what])).stdout));
  });

  for (const [index, [what, settled]] of waits.entries()) {
    it(`does not end while somebody waits for ${what}`, () => {
      expect(outputs[index]).to.equal(`settled ${settled}\n`);
    });
  }

  it('ends when nobody does: a timer that is left over does not hold it', async () => {
    // With the timer of 30 s holding it, the limit here would end it instead.
    expect((await run(process.execPath, [SCRIPT, 'idle'], { timeout: 15_000 })).stdout).to.equal('settled IDLE\n');
  });
});
