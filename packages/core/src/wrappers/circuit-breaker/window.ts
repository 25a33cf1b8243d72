import type { BucketCounts } from '../rolling-counts.js';
import { RollingCounts } from '../rolling-counts.js';

/** The results from which a closed circuit judges. Recording is constant work, whatever the size. */
export interface ResultWindow {
  readonly calls: number;
  readonly failed: number;
  readonly slow: number;
  add(failed: boolean, slow: boolean, now: number): void;
  /** Forgets what has left it at `now`. */
  moveTo(now: number): void;
  clear(): void;
  snapshot(now: number): WindowSnapshot;
  /** Takes over a snapshot of `ageMs` ago, when it is one of the same kind and size; otherwise it begins empty. */
  restore(snapshot: WindowSnapshot, ageMs: number, now: number): void;
}

/** Plain values; times are spans. */
export type WindowSnapshot =
  /** The last calls, the oldest first, a digit each: 0 succeeded, 1 failed, 2 slow, 3 failed and slow. */
  | { readonly kind: 'calls'; readonly results: string }
  /** Counts of succeeded, failed and slow calls by bucket, the newest first. */
  | { readonly kind: 'time'; readonly bucketMs: number; readonly buckets: readonly BucketCounts[] };

const FAILED = 1;
const SLOW = 2;
const BUCKETS = 10;

/** The calls of the last `spanMs`, in ten buckets. */
export class TimeWindow implements ResultWindow {
  readonly #counts: RollingCounts;

  constructor(spanMs: number) {
    this.#counts = new RollingCounts(spanMs, BUCKETS);
  }

  get calls(): number {
    return this.#counts.good + this.#counts.bad;
  }

  get failed(): number {
    return this.#counts.bad;
  }

  get slow(): number {
    return this.#counts.marked;
  }

  add(failed: boolean, slow: boolean, now: number): void {
    if (failed) this.#counts.addBad(now);
    else this.#counts.addGood(now);
    if (slow) this.#counts.mark();
  }

  moveTo(now: number): void {
    this.#counts.moveTo(now);
  }

  clear(): void {
    this.#counts.clear();
  }

  snapshot(now: number): WindowSnapshot {
    return { kind: 'time', bucketMs: this.#counts.bucketMs, buckets: this.#counts.buckets(now) };
  }

  restore(snapshot: WindowSnapshot, ageMs: number, now: number): void {
    if (snapshot.kind === 'time' && snapshot.bucketMs === this.#counts.bucketMs) this.#counts.restore(snapshot.buckets, ageMs, now);
  }
}

/** The last `size` calls, however long ago: a ring of one byte each. */
export class CallWindow implements ResultWindow {
  readonly #ring: Uint8Array;
  #next = 0;
  calls = 0;
  failed = 0;
  slow = 0;

  constructor(size: number) {
    this.#ring = new Uint8Array(size);
  }

  add(failed: boolean, slow: boolean): void {
    this.#put((failed ? FAILED : 0) | (slow ? SLOW : 0));
  }

  moveTo(): void {
    // Time takes nothing out of it.
  }

  clear(): void {
    this.#next = this.calls = this.failed = this.slow = 0;
  }

  snapshot(): WindowSnapshot {
    const size = this.#ring.length;
    const first = (this.#next - this.calls + size) % size;
    const results = Array.from({ length: this.calls }, (_, index) => this.#ring[(first + index) % size]!);
    return { kind: 'calls', results: results.join('') };
  }

  restore(snapshot: WindowSnapshot): void {
    if (snapshot.kind !== 'calls') return;
    this.clear();
    for (const digit of snapshot.results.slice(-this.#ring.length)) this.#put(Number(digit));
  }

  #put(result: number): void {
    const ring = this.#ring;
    if (this.calls === ring.length) {
      const oldest = ring[this.#next]!;
      this.failed -= oldest & FAILED;
      this.slow -= oldest >> 1;
    } else {
      this.calls++;
    }
    ring[this.#next] = result;
    this.failed += result & FAILED;
    this.slow += result >> 1;
    this.#next = this.#next + 1 === ring.length ? 0 : this.#next + 1;
  }
}
