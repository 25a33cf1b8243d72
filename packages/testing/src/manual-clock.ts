import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, Timer } from '@ferrule/core/adapter';

/** A clock that stands still until it is told to move. Milliseconds throughout. */
export interface ManualClock extends Clock {
  /** How many timers are waiting: 0 at the end of a test shows that nothing leaks. */
  readonly pending: number;
  /**
   * Moves time forward, not before the promises that are ready now have settled. Timers fire in the order of their due time,
   * equal ones in the order they were made; `now()` is the due time while one fires; between two of them everything that its
   * callback set off (promises, `process.nextTick`) runs to its end, so that a timer made meanwhile and due within the span
   * fires too. Real I/O is not waited for: await its event. Calls made while one is under way queue up.
   * @throws RangeError when `ms` is negative or no finite number; whatever a timer's callback throws.
   */
  advance(ms: number): Promise<void>;
}

export interface ManualClockOptions {
  /** Where `now()` starts. Default 0. */
  readonly now?: number;
  /** Where `wallTime()` starts, ms since the epoch. Default 2026-01-01T00:00:00Z. */
  readonly wallTime?: number;
}

interface Waiting extends Timer {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time as a parameter of a test: give it as `clock` to whatever waits or measures, then `await clock.advance(500)`. */
export function manualClock(options: ManualClockOptions = {}): ManualClock {
  const start = options.now ?? 0;
  const startWall = options.wallTime ?? Date.UTC(2026, 0, 1);
  const waiting = new Set<Waiting>();
  let now = start;
  let made = 0;
  let queue: Promise<void> = Promise.resolve();

  const move = async (ms: number): Promise<void> => {
    await nextTurn();
    const target = now + ms;
    for (let timer = earliest(waiting, target); timer !== undefined; timer = earliest(waiting, target)) {
      waiting.delete(timer);
      now = timer.due;
      timer.callback();
      await nextTurn();
    }
    now = target;
  };

  return {
    now: () => now,
    wallTime: () => startWall + now - start,
    schedule(delayMs, callback) {
      const timer: Waiting = { due: now + Math.max(0, delayMs), order: made++, callback, cancel: () => void waiting.delete(timer) };
      waiting.add(timer);
      return timer;
    },
    get pending() {
      return waiting.size;
    },
    advance(ms) {
      if (!Number.isFinite(ms) || ms < 0)
        return Promise.reject(new RangeError(`advance: ${String(ms)} is no span of time. Give milliseconds from 0.`));
      const moved = queue.then(() => move(ms));
      queue = moved.catch(() => {});
      return moved;
    },
  };
}

function earliest(waiting: ReadonlySet<Waiting>, latest: number): Waiting | undefined {
  let first: Waiting | undefined;
  for (const timer of waiting) {
    if (timer.due <= latest && (first === undefined || timer.due < first.due || (timer.due === first.due && timer.order < first.order)))
      first = timer;
  }
  return first;
}
