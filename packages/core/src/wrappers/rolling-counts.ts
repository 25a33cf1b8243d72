/** What one bucket of `RollingCounts` held: good, bad, and how many of the two were marked. */
export type BucketCounts = readonly [good: number, bad: number, marked: number];

/**
 * How many events of two kinds happened in the last `spanMs`: a ring of buckets, moved on by whoever reads or writes, without a timer.
 * Recording is constant work whatever the window holds. The oldest bucket leaves as a whole, so that the window covers between
 * `spanMs` less one bucket and `spanMs`. When time goes back, what is in it stays and leaves after a whole span of the new time.
 */
export class RollingCounts {
  readonly #bucketMs: number;
  readonly #good: number[];
  readonly #bad: number[];
  readonly #marked: number[];
  #slot = 0;
  #bucket = -Infinity;
  #beginsAt = Infinity;
  #endsAt = -Infinity;
  #goodSum = 0;
  #badSum = 0;
  #markedSum = 0;

  constructor(spanMs: number, buckets: number) {
    this.#bucketMs = spanMs / buckets;
    this.#good = Array.from({ length: buckets }, () => 0);
    this.#bad = Array.from({ length: buckets }, () => 0);
    this.#marked = Array.from({ length: buckets }, () => 0);
  }

  get bucketMs(): number {
    return this.#bucketMs;
  }

  /** As of the last `moveTo` or `add…`; so are `bad` and `marked`. */
  get good(): number {
    return this.#goodSum;
  }

  get bad(): number {
    return this.#badSum;
  }

  get marked(): number {
    return this.#markedSum;
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

  /** Says something more of an event that was just added. */
  mark(): void {
    this.#markedSum++;
    this.#marked[this.#slot]!++;
  }

  /** Forgets what has left the window at `now`. */
  moveTo(now: number): void {
    if (now < this.#endsAt && now >= this.#beginsAt) return;
    const bucket = Math.floor(now / this.#bucketMs);
    for (let steps = Math.min(bucket - this.#bucket, this.#good.length); steps > 0; steps--) {
      this.#slot = (this.#slot + 1) % this.#good.length;
      this.#empty(this.#slot);
    }
    this.#bucket = bucket;
    this.#beginsAt = bucket * this.#bucketMs;
    this.#endsAt = (bucket + 1) * this.#bucketMs;
  }

  clear(): void {
    for (let slot = 0; slot < this.#good.length; slot++) this.#empty(slot);
  }

  /** What the buckets hold at `now`, the newest first. */
  buckets(now: number): readonly BucketCounts[] {
    this.moveTo(now);
    return this.#good.map((_, age) => {
      const slot = this.#slotOf(age);
      return [this.#good[slot]!, this.#bad[slot]!, this.#marked[slot]!];
    });
  }

  /** Takes what `buckets` gave in place of what it holds; `ageMs` have passed since. Buckets that have left the window by then are dropped. */
  restore(buckets: readonly BucketCounts[], ageMs: number, now: number): void {
    this.moveTo(now);
    this.clear();
    const passed = Math.floor(ageMs / this.#bucketMs);
    for (const [age, [good, bad, marked]] of buckets.entries()) {
      if (age + passed >= this.#good.length) return;
      const slot = this.#slotOf(age + passed);
      this.#goodSum += this.#good[slot] = good;
      this.#badSum += this.#bad[slot] = bad;
      this.#markedSum += this.#marked[slot] = marked;
    }
  }

  #slotOf(age: number): number {
    return (this.#slot - age + this.#good.length) % this.#good.length;
  }

  #empty(slot: number): void {
    this.#goodSum -= this.#good[slot]!;
    this.#badSum -= this.#bad[slot]!;
    this.#markedSum -= this.#marked[slot]!;
    this.#good[slot] = this.#bad[slot] = this.#marked[slot] = 0;
  }
}
