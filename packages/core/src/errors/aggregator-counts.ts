import { BoundedKeys } from './monitor-keys.js';

/** How many errors there were in a span of time, by type and by service. */
export interface Totals {
  readonly total: number;
  readonly byType: Readonly<Record<string, number>>;
  readonly byService: Readonly<Record<string, number>>;
}

interface Bucket {
  /** Which one it is, counted from the epoch. */
  index: number;
  total: number;
  types: BoundedKeys<{ n: number }>;
  services: BoundedKeys<{ n: number }>;
}

/** Of each kind in a bucket; the rest is `_OTHER`. */
const MAX_KEYS = 100;

/** Counts by time of day, for questions about the past: a ring of buckets as long as the window. Each holds at most 100 types and 100 services. */
export class CountsOverTime {
  readonly bucketMs: number;
  readonly #ring: (Bucket | undefined)[];

  constructor(windowMs: number, buckets: number) {
    this.bucketMs = windowMs / buckets;
    // One more: the oldest is in part inside of the window.
    this.#ring = Array.from({ length: buckets + 1 }, () => undefined);
  }

  /** How many buckets hold something. */
  get size(): number {
    return this.#ring.filter((bucket) => bucket !== undefined).length;
  }

  add(at: number, type: string, service: string): void {
    const index = Math.floor(at / this.bucketMs);
    const slot = index % this.#ring.length;
    let bucket = this.#ring[slot];
    // Whichever way the clock was moved, what is asked for is told by index.
    if (bucket?.index !== index) this.#ring[slot] = bucket = { index, total: 0, types: keys(), services: keys() };
    bucket.total++;
    bucket.types.of(type).n++;
    bucket.services.of(service).n++;
  }

  /** Of the buckets from the one that holds `from` to the one that holds `to`, both included. */
  totals(from: number, to: number): Totals {
    const first = Math.floor(from / this.bucketMs);
    const last = Math.floor(to / this.bucketMs);
    const types = new Map<string, number>();
    const services = new Map<string, number>();
    let total = 0;
    for (const bucket of this.#ring) {
      if (bucket === undefined || bucket.index < first || bucket.index > last) continue;
      total += bucket.total;
      for (const [key, { n }] of bucket.types.entries()) types.set(key, (types.get(key) ?? 0) + n);
      for (const [key, { n }] of bucket.services.entries()) services.set(key, (services.get(key) ?? 0) + n);
    }
    return { total, byType: sorted(types), byService: sorted(services) };
  }
}

function keys(): BoundedKeys<{ n: number }> {
  return new BoundedKeys(
    MAX_KEYS,
    () => ({ n: 0 }),
    () => false,
  );
}

/** The most frequent first; without a prototype, since others may name the keys. */
function sorted(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  const entries = [...counts].sort(([, a], [, b]) => b - a);
  return Object.assign(Object.create(null), Object.fromEntries(entries)) as Record<string, number>;
}
