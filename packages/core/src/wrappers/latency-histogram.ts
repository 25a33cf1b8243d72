/** Units of the scale in a millisecond: what is finer counts as one. */
const PER_MS = 16;
/** Whole octaves are cut into so many buckets, which bounds the error of a percentile to 1/16. */
const PARTS = 8;
const LINEAR = 2 * PARTS;
const TOP_OCTAVE = 24;
const LONGEST = 2 ** (TOP_OCTAVE + 1) - 1;
const BUCKETS = LINEAR + (TOP_OCTAVE - 3) * PARTS;
const SPAN_MS = 60_000;
const ALL_OF_FIRST = 64;

/**
 * Percentiles of the latencies of the last one to two minutes, within 6.25 %: log-linear buckets (as HdrHistogram's), in two generations of
 * which the older one is dropped as a whole. Recording is constant work and allocates nothing but, once, its 1.5 KB; up to 35 minutes.
 *
 * A clock is read for each latency, which costs more than all else here: `wants` says which are worth it, all of the first 64 of a minute,
 * then one in sixteen.
 */
export class LatencyHistogram {
  #young: Uint32Array | undefined;
  #old: Uint32Array | undefined;
  #youngCount = 0;
  #oldCount = 0;
  #began = 0;
  #passed = 0;

  /** Whether the call that begins now shall be measured, when nobody else needs its latency. */
  wants(): boolean {
    if (this.#youngCount < ALL_OF_FIRST) return true;
    this.#passed = (this.#passed + 1) & 15;
    return this.#passed === 0;
  }

  record(ms: number, now: number): void {
    this.#moveTo(now);
    const young = (this.#young ??= new Uint32Array(BUCKETS));
    young[bucketOf(ms)]!++;
    this.#youngCount++;
  }

  /** The latency below which a share of them lies, 0 to 1; undefined when there was none. Walks through all buckets. */
  percentile(share: number, now: number): number | undefined {
    this.#moveTo(now);
    const count = this.#youngCount + this.#oldCount;
    if (count === 0) return undefined;
    let left = Math.max(1, Math.ceil(share * count));
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= (this.#young?.[bucket] ?? 0) + (this.#old?.[bucket] ?? 0);
      if (left <= 0) return middleOf(bucket);
    }
    return undefined;
  }

  clear(): void {
    this.#young?.fill(0);
    this.#old?.fill(0);
    this.#youngCount = this.#oldCount = 0;
  }

  #moveTo(now: number): void {
    const age = now - this.#began;
    if (age < SPAN_MS && age >= 0) return;
    this.#began = now;
    if (age >= 2 * SPAN_MS) this.clear();
    if (this.#youngCount === 0 && this.#oldCount === 0) return;
    const old = this.#old;
    this.#old = this.#young;
    this.#oldCount = this.#youngCount;
    old?.fill(0);
    this.#young = old;
    this.#youngCount = 0;
  }
}

function bucketOf(ms: number): number {
  const units = Math.min(Math.max(0, ms * PER_MS), LONGEST) | 0;
  if (units < LINEAR) return units;
  const octave = 31 - Math.clz32(units);
  return LINEAR + (octave - 4) * PARTS + ((units >>> (octave - 3)) & (PARTS - 1));
}

function middleOf(bucket: number): number {
  if (bucket < LINEAR) return (bucket + 0.5) / PER_MS;
  const octave = Math.floor((bucket - LINEAR) / PARTS) + 4;
  const width = 2 ** (octave - 3);
  return (2 ** octave + (((bucket - LINEAR) % PARTS) + 0.5) * width) / PER_MS;
}
