const MOST = 512;
const LEAST = 20;
const REFRESH_MS = 1_000;
/** Operations with latencies of their own; labels come from code, but nothing keeps a program from making them up. */
const MOST_LABELS = 64;

/**
 * When a second attempt is worth it: once the first takes longer than most did. Latencies are kept apart by operation, since the percentile of
 * a mixture would call every slow operation late and no fast one.
 */
export class HedgeDelays {
  readonly #byLabel = new Map<string, RecentLatencies>();
  readonly #others = new RecentLatencies();

  of(label: string): RecentLatencies {
    const known = this.#byLabel.get(label);
    if (known !== undefined) return known;
    if (this.#byLabel.size >= MOST_LABELS) return this.#others;
    const made = new RecentLatencies();
    this.#byLabel.set(label, made);
    return made;
  }
}

/** The last 512 latencies of one operation. */
export class RecentLatencies {
  #ring: Float32Array | undefined;
  #count = 0;
  #next = 0;
  #percentileMs = 0;
  #computedAt = Number.NaN;

  add(ms: number): void {
    (this.#ring ??= new Float32Array(MOST))[this.#next] = Math.max(0, ms);
    this.#next = (this.#next + 1) % MOST;
    if (this.#count < MOST) this.#count++;
  }

  /** What the `share` of them did not exceed; undefined of fewer than 20. Sorted anew once a second at most (25 µs), and up to that old. */
  percentile(share: number, now: number): number | undefined {
    if (this.#count < LEAST) return undefined;
    if (!(Math.abs(now - this.#computedAt) < REFRESH_MS)) {
      this.#computedAt = now;
      this.#percentileMs = this.#ring!.slice(0, this.#count).sort()[Math.ceil(share * this.#count) - 1]!;
    }
    return this.#percentileMs;
  }
}
