// What ends every run of mocha, with whatever reporter: .mocharc.json loads it. Mocha's own timeout needs the event loop, and mocha
// waits for ever when a test has left something open. CommonJS, as mocha loads such files before all others.
const { Worker } = require('node:worker_threads');

/** Longer than any test may take by itself, so that only what never ends is ended. */
const STUCK_S = 60;
const GRACE_MS = 10_000;
/** Neither 0 nor a number of failures that is likely. */
const EXIT_LEFTOVERS = 75;

const turns = new Int32Array(new SharedArrayBuffer(4));
const title = new Uint8Array(new SharedArrayBuffer(512));
setInterval(() => Atomics.add(turns, 0, 1), 1_000).unref();

// It counts its own seconds instead of asking a clock: a machine that was suspended is no loop.
const watch = new Worker(
  `const { turns, title, STUCK_S } = require('node:worker_threads').workerData;
  let seen = -1;
  let still = 0;
  setInterval(() => {
    const now = Atomics.load(turns, 0);
    still = now === seen ? still + 1 : 0;
    seen = now;
    if (still < STUCK_S) return;
    const name = Buffer.from(title).toString().replaceAll('\\0', '');
    require('node:fs').writeSync(2, '\\nThe event loop has not turned for ' + STUCK_S + ' s: a loop without an end. The run is killed in: ' + name + '\\n');
    process.kill(process.pid, 'SIGKILL');
  }, 1_000);`,
  { eval: true, name: 'bounded-run', workerData: { turns, title, STUCK_S } },
);
watch.unref();

exports.mochaHooks = {
  beforeEach() {
    title.fill(0);
    new TextEncoder().encodeInto(this.currentTest.fullTitle(), title);
  },
  afterAll() {
    // Does not keep the process alive itself: it fires only where something else does.
    setTimeout(() => {
      const kept = process.getActiveResourcesInfo().filter((name) => !/^(?:Timeout|Immediate|TTYWrap|PipeWrap|MessagePort)$/.test(name));
      process.stderr.write(
        `\nThe tests have ended ${GRACE_MS / 1000} s ago and something keeps the process alive: ${kept.join(', ') || 'timers or pipes'}. Close what a test opens.\n`,
      );
      // Mocha sets the code itself on exit, and listeners run in the order in which they were added.
      process.once('exit', () => (process.exitCode = EXIT_LEFTOVERS));
      process.exit();
    }, GRACE_MS).unref();
  },
};
