import type { CongestionLevel } from './score.js';

export interface CongestionSettings {
  readonly count: 'waiting' | 'open';
  readonly minimum: number;
  readonly maximum: number;
  readonly windowMs: number;
  readonly medium: number;
  readonly high: number;
  readonly overloadMs: number;
}

/** How much of what it had at most an endpoint may have after a window in which it was overloaded. */
const KEPT = 0.8;
/** How much more it may have after a window in which it was not, at least one call. */
const GROWTH = 0.1;

/**
 * How many calls of ours an endpoint can have before it is critical: it begins at the maximum and falls, window by window, below what the
 * endpoint had when it was overloaded or degrading; it grows again by a tenth, as TCP does with its window (additive increase, multiplicative decrease).
 */
export class CongestionLimit {
  limit: number;
  /** Until then it is left out, because it said that it has too much. */
  overloadedUntil: number = -Infinity;
  readonly #settings: CongestionSettings;
  #peak = 0;
  #stressed = false;
  #windowEnd = -Infinity;

  constructor(settings: CongestionSettings) {
    this.#settings = settings;
    this.limit = settings.maximum;
  }

  /** A call ended that was one of `count`. */
  observe(count: number, overloaded: boolean, now: number): void {
    const { windowMs, overloadMs } = this.#settings;
    if (this.#windowEnd === -Infinity) this.#windowEnd = now + windowMs;
    if (count > this.#peak) this.#peak = count;
    if (!overloaded) return;
    this.#stressed = true;
    this.overloadedUntil = now + overloadMs;
  }

  /** Ends the window when it is over; `degrading` tells whether the latency grows. */
  adapt(degrading: boolean, now: number): void {
    if (now < this.#windowEnd || this.#windowEnd === -Infinity) return;
    const { minimum, maximum } = this.#settings;
    // Latency that grows while next to nothing is under way has another cause than our calls.
    const stressed = this.#stressed || (degrading && this.#peak >= minimum);
    this.limit = stressed
      ? Math.max(minimum, Math.floor(Math.min(this.limit, this.#peak) * KEPT))
      : Math.min(maximum, this.limit + Math.max(1, Math.floor(this.limit * GROWTH)));
    this.#peak = 0;
    this.#stressed = false;
    this.#windowEnd = -Infinity;
  }

  level(count: number): Exclude<CongestionLevel, 'unknown'> {
    const { medium, high } = this.#settings;
    const fullness = count / this.limit;
    return fullness < medium ? 'low' : fullness < high ? 'medium' : fullness < 1 ? 'high' : 'critical';
  }
}
