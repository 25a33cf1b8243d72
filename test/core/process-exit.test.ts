import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const SCRIPT = fileURLToPath(new URL('../support/waiting-process.js', import.meta.url));
const run = promisify(execFile);

describe('a process that has nothing but our timers', function () {
  this.timeout(20_000);

  for (const [what, settled] of [
    ['timeout', 'TIMEOUT'],
    ['a nearer deadline', 'TIMEOUT'],
    ['retry', 'ECONNRESET'],
    ['client', 'CONNECT_FAILED'],
    ['check', 'TIMEOUT'],
    ['register', 'REGISTERED'],
  ] as const) {
    it(`does not end while somebody waits for ${what}`, async () => {
      expect((await run(process.execPath, [SCRIPT, what])).stdout).to.equal(`settled ${settled}\n`);
    });
  }

  it('ends when nobody does: a timer that is left over does not hold it', async () => {
    // With the timer of 30 s holding it, the limit here would end it instead.
    expect((await run(process.execPath, [SCRIPT, 'idle'], { timeout: 15_000 })).stdout).to.equal('settled IDLE\n');
  });
});
