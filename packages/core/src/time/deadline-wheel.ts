import { MAX_DELAY_MS, systemClock } from './clock.js';
import type { Clock } from './clock.js';
import { TimerQueue } from './timer-queue.js';
import type { QueuedTimer } from './timer-queue.js';

/**
 * Timers of any delay, for deadlines that callers hand us: no two are the same distance away, so that no single queue keeps them
 * in order. There is a queue for each power of two. An entry waits in the longest one that ends before its deadline, then in a
 * shorter one for what is left, down to the last millisecond. Most are cancelled in their first queue: adding and cancelling is
 * constant work, and the clock has at most one timer a queue, 31 in all.
 */
export class DeadlineWheel {
  readonly #clock: Clock;
  readonly #levels: (Level | undefined)[] = Array.from({ length: 31 }, () => undefined);

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** How many entries wait. */
  get size(): number {
    return this.#levels.reduce((sum, level) => sum + (level?.size ?? 0), 0);
  }

  /** Lets `entry` expire at `deadline`, a point on the clock's scale: never before it, and up to 1 ms after it. */
  add(entry: QueuedTimer, deadline: number, now: number = this.#clock.now()): void {
    entry.due = deadline;
    this.place(entry, now);
  }

  /** @internal */
  place(entry: QueuedTimer, now: number): void {
    const leftMs = Math.min(Math.max(1, entry.due - now), MAX_DELAY_MS);
    const level = 31 - Math.clz32(leftMs);
    (this.#levels[level] ??= new Level(this, 2 ** level, this.#clock)).add(entry, now);
  }
}

class Level extends TimerQueue {
  readonly #wheel: DeadlineWheel;

  constructor(wheel: DeadlineWheel, delayMs: number, clock: Clock) {
    super(delayMs, clock);
    this.#wheel = wheel;
  }

  protected override onTurn(entry: QueuedTimer, now: number): void {
    if (entry.due <= now) entry.expire();
    else this.#wheel.place(entry, now);
  }
}
