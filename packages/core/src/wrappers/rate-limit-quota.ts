import { RollingCounts } from './rolling-counts.js';

/** What one key may still do. */
export interface Quota {
  /** Takes one and gives 0, or takes nothing and gives the ms until there is one. */
  take(now: number): number;
  /** How many could be taken at once. */
  left(now: number): number;
  /** The ms until `left` is more than now; 0 when it is all there can be. */
  growsInMs(now: number): number;
}

/**
 * A token bucket kept as one number, the time at which it will be full again (GCRA, ITU-T I.371). When time goes back, it is no emptier than
 * empty: the next token comes a step later, not a leap.
 */
export class TokenBucket implements Quota {
  readonly #stepMs: number;
  readonly #burstMs: number;
  #fullAt = -Infinity;

  constructor(limit: number, perMs: number, burst: number) {
    this.#stepMs = perMs / limit;
    this.#burstMs = this.#stepMs * burst;
  }

  take(now: number): number {
    this.#fullAt = Math.min(Math.max(this.#fullAt, now), now + this.#burstMs);
    const waitMs = this.#fullAt + this.#stepMs - this.#burstMs - now;
    if (waitMs > EXACT) return waitMs;
    this.#fullAt += this.#stepMs;
    return 0;
  }

  left(now: number): number {
    return Math.max(0, Math.floor((this.#burstMs - this.#missingMs(now)) / this.#stepMs + EXACT));
  }

  growsInMs(now: number): number {
    const missingMs = this.#missingMs(now);
    return missingMs <= EXACT ? 0 : Math.max(0, missingMs - this.#burstMs + this.#stepMs * (this.left(now) + 1));
  }

  #missingMs(now: number): number {
    return Math.min(Math.max(0, this.#fullAt - now), this.#burstMs);
  }
}

/** Sums of steps are not exact. */
const EXACT = 1e-6;

/**
 * At most `limit` in any span of `perMs`, wherever it begins. It counts by tenths of the span, and one of them more than the span has, so that what
 * is forgotten is certainly older than that: a place comes free up to a tenth of the span late.
 */
export class SlidingWindow implements Quota {
  readonly #limit: number;
  readonly #counts: RollingCounts;

  constructor(limit: number, perMs: number) {
    this.#limit = limit;
    const bucketMs = Math.max(1, Math.ceil(perMs / 10)); // whole ms, so that its multiples are exact
    const buckets = Math.ceil(perMs / bucketMs) + 1;
    this.#counts = new RollingCounts(bucketMs * buckets, buckets);
  }

  take(now: number): number {
    this.#counts.moveTo(now);
    if (this.#counts.good >= this.#limit) return this.growsInMs(now);
    this.#counts.addGood(now);
    return 0;
  }

  left(now: number): number {
    this.#counts.moveTo(now);
    return this.#limit - this.#counts.good;
  }

  growsInMs(now: number): number {
    const buckets = this.#counts.buckets(now);
    const age = buckets.findLastIndex(([count]) => count > 0);
    if (age === -1) return 0;
    const { bucketMs } = this.#counts;
    return (Math.floor(now / bucketMs) - age + buckets.length) * bucketMs - now;
  }
}
