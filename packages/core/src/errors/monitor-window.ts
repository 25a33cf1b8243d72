/**
 * How many events happened in the last `spanMs`: a ring of buckets, moved on by whoever reads or writes, without a timer. The oldest bucket leaves
 * as a whole, so that the window covers between `spanMs` less one bucket and `spanMs`. When time goes back, the events count as of the newest bucket.
 */
export class SlidingCount {
  readonly #bucketMs: number;
  readonly #counts: Uint32Array;
  #bucket = -Infinity;
  #sum = 0;

  constructor(spanMs: number, buckets: number) {
    this.#bucketMs = spanMs / buckets;
    this.#counts = new Uint32Array(buckets);
  }

  add(now: number): void {
    this.#moveTo(now);
    this.#counts[this.#slot(0)]!++;
    this.#sum++;
  }

  sum(now: number): number {
    this.#moveTo(now);
    return this.#sum;
  }

  /** Of `sum`, what the newer half of the buckets holds. */
  newer(now: number): number {
    this.#moveTo(now);
    let newer = 0;
    for (let age = 0; age < this.#counts.length / 2; age++) newer += this.#counts[this.#slot(age)]!;
    return newer;
  }

  #moveTo(now: number): void {
    const bucket = Math.floor(now / this.#bucketMs);
    const { length } = this.#counts;
    if (bucket - this.#bucket >= length) {
      this.#counts.fill(0);
      this.#sum = 0;
      this.#bucket = bucket;
    }
    while (this.#bucket < bucket) {
      this.#bucket++;
      const slot = this.#slot(0);
      this.#sum -= this.#counts[slot]!;
      this.#counts[slot] = 0;
    }
  }

  #slot(age: number): number {
    const { length } = this.#counts;
    return (((this.#bucket - age) % length) + length) % length;
  }
}
