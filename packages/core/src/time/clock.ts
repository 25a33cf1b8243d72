/** A pending timer. `cancel` is idempotent and forgets the callback. */
export interface Timer {
  cancel(): void;
}

/**
 * Where time comes from. Everything in Ferrule that waits or measures takes a clock, so that tests are exact.
 * `now` never goes backwards; deadlines and latencies are points and differences of it.
 */
export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary start. */
  now(): number;
  /** Milliseconds since the Unix epoch, for what leaves the process. */
  wallTime(): number;
  /** Calls back once, not before `delayMs` have passed. The timer never keeps the process alive. */
  schedule(delayMs: number, callback: () => void): Timer;
}

/** Node's delay is a signed 32-bit integer: a longer one would fire after one millisecond. */
export const MAX_DELAY_MS: number = 2 ** 31 - 1;

/** The clock of this process: `performance.now()` and unref'd timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
