import { performance } from 'node:perf_hooks';

/** A pending timer. `cancel` is idempotent and forgets the callback. */
export interface Timer {
  cancel(): void;
  /** From now on the process stays alive for it. A clock whose timers never keep a process alive leaves both out. */
  ref?(): void;
  /** From now on, or soon after, the process may end before it. */
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
  /**
   * As `now`, but may be 10 ms behind, and more while the event loop is blocked: for what only has to know into which second something falls.
   * A clock that has nothing cheaper than `now` leaves it out.
   */
  recent?(): number;
  /** Calls back once, not before `delayMs` have passed. The timer does not keep the process alive unless it is asked to. */
  schedule(delayMs: number, callback: () => void, options?: TimerOptions): Timer;
}

/** Node's delay is a signed 32-bit integer: a longer one would fire after one millisecond. */
export const MAX_DELAY_MS: number = 2 ** 31 - 1;

/** The clock of this process: `performance.now()` and Node's timers, unref'd unless asked. */
export const systemClock: Clock = {
  now: () => performance.now(), // imported: the global is a getter, which is a quarter of the price
  wallTime: () => Date.now(),
  recent() {
    if (!isRecent) {
      isRecent = true;
      recent = Math.floor(performance.now());
      tickSoon();
    }
    return recent;
  },
  schedule: (delayMs, callback, options) => new SystemTimer(delayMs, callback, options?.ref === true),
};

/** How long a reading serves as a recent one. Reading costs 40 to 55 ns, which is more than all else that a window of counts does. */
const TICK_MS = 10;
let recent = 0;
let isRecent = false;
/** Timers that nobody waits for any more, but which still hold the process. */
const released: SystemTimer[] = [];
let isTicking = false;

/** One tick, and no more when nothing has happened since. */
function tickSoon(): void {
  if (isTicking) return;
  isTicking = true;
  setTimeout(tick, TICK_MS).unref();
}

function tick(): void {
  isTicking = false;
  isRecent = false;
  for (const timer of released.splice(0)) timer.letGo();
}

class SystemTimer implements Timer {
  readonly #timeout: NodeJS.Timeout;
  #isWanted: boolean;
  #holds: boolean;
  #isReleased = false;

  constructor(delayMs: number, callback: () => void, ref: boolean) {
    this.#timeout = setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    this.#isWanted = this.#holds = ref;
    if (!ref) this.#timeout.unref();
  }

  cancel(): void {
    clearTimeout(this.#timeout);
  }

  ref(): void {
    this.#isWanted = true;
    if (this.#holds) return;
    this.#holds = true;
    this.#timeout.ref();
  }

  /** Within a tick: a queue lets go and takes hold with each call where there is one at a time, and Node's part of it is 25 ns. */
  unref(): void {
    this.#isWanted = false;
    if (this.#isReleased || !this.#holds) return;
    this.#isReleased = true;
    released.push(this);
    tickSoon();
  }

  /** The tick has come. */
  letGo(): void {
    this.#isReleased = false;
    if (this.#isWanted) return;
    this.#holds = false;
    this.#timeout.unref();
  }
}
