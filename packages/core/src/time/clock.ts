/** A pending timer. `cancel` is idempotent and forgets the callback. */
export interface Timer {
  cancel(): void;
  /** From now on the process stays alive for it. A clock whose timers never keep a process alive leaves both out. */
  ref?(): void;
  /** From now on the process may end before it. */
  unref?(): void;
}

export interface TimerOptions {
  /** Whether the process stays alive for it: for a timer that settles a promise somebody awaits. Default false. */
  readonly ref?: boolean;
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
  /** Calls back once, not before `delayMs` have passed. The timer does not keep the process alive unless it is asked to. */
  schedule(delayMs: number, callback: () => void, options?: TimerOptions): Timer;
}

/** Node's delay is a signed 32-bit integer: a longer one would fire after one millisecond. */
export const MAX_DELAY_MS: number = 2 ** 31 - 1;

/** The clock of this process: `performance.now()` and Node's timers, unref'd unless asked. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  schedule: (delayMs, callback, options) => new SystemTimer(delayMs, callback, options?.ref === true),
};

class SystemTimer implements Timer {
  readonly #timeout: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void, ref: boolean) {
    this.#timeout = setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    if (!ref) this.#timeout.unref();
  }

  cancel(): void {
    clearTimeout(this.#timeout);
  }

  ref(): void {
    this.#timeout.ref();
  }

  unref(): void {
    this.#timeout.unref();
  }
}
