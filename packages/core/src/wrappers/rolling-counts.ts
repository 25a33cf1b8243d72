/**
 * How many events of two kinds happened in the last `spanMs`: a ring of buckets, moved on by whoever reads or writes, without a timer.
 * Recording is constant work whatever the window holds. The oldest bucket leaves as a whole, so that the window covers between
 * `spanMs` less one bucket and `spanMs`.
 */
export class RollingCounts {
  readonly #bucketMs: number;
  readonly #good: number[];
  readonly #bad: number[];
  #slot = 0;
  #bucket = -Infinity;
  #endsAt = -Infinity;
  #goodSum = 0;
  #badSum = 0;

  constructor(spanMs: number, buckets: number) {
    this.#bucketMs = spanMs / buckets;
    this.#good = Array.from({ length: buckets }, () => 0);
    this.#bad = Array.from({ length: buckets }, () => 0);
  }

  /** As of the last `moveTo` or `add…`; so is `bad`. */
  get good(): number {
    return this.#goodSum;
  }

  get bad(): number {
    return this.#badSum;
  }

  addGood(now: number): void {
    this.moveTo(now);
    this.#goodSum++;
    this.#good[this.#slot]!++;
  }

  addBad(now: number): void {
    this.moveTo(now);
    this.#badSum++;
    this.#bad[this.#slot]!++;
  }

  /** Forgets what has left the window at `now`. */
  moveTo(now: number): void {
    if (now < this.#endsAt) return;
    const bucket = Math.floor(now / this.#bucketMs);
    for (let steps = Math.min(bucket - this.#bucket, this.#good.length); steps > 0; steps--) {
      this.#slot = (this.#slot + 1) % this.#good.length;
      this.#empty(this.#slot);
    }
    this.#bucket = bucket;
    this.#endsAt = (bucket + 1) * this.#bucketMs;
  }

  clear(): void {
    for (let slot = 0; slot < this.#good.length; slot++) this.#empty(slot);
  }

  #empty(slot: number): void {
    this.#goodSum -= this.#good[slot]!;
    this.#badSum -= this.#bad[slot]!;
    this.#good[slot] = 0;
    this.#bad[slot] = 0;
  }
}
