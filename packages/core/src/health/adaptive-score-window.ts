/** What was measured of a downstream service in the last window. */
export interface ScoreMeasurements {
  readonly requests: number;
  /** Share of calls that succeeded, 0 to 1; 1 without calls. */
  readonly successRate: number;
  /** Share of calls that failed on its side, 0 to 1. A 4xx is neither. */
  readonly errorRate: number;
  /** Mean, in milliseconds. */
  readonly latencyMs: number;
  /** Failures on its side since the last other answer, whatever the window. */
  readonly consecutiveFailures: number;
}

const BUCKETS = 10;

/** Counts and latencies of the last `windowMs`, in ten buckets that leave as a whole. Recording is constant work without allocation. */
export class ScoreWindow {
  readonly #bucketMs: number;
  readonly #requests = new Float64Array(BUCKETS);
  readonly #successes = new Float64Array(BUCKETS);
  readonly #errors = new Float64Array(BUCKETS);
  readonly #latency = new Float64Array(BUCKETS);
  #bucket = -Infinity;
  #consecutive = 0;

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
  }

  record(verdict: 'succeeded' | 'answered' | 'failed', latencyMs: number, now: number): void {
    const slot = this.#moveTo(now);
    this.#requests[slot]!++;
    this.#latency[slot]! += latencyMs;
    if (verdict === 'failed') {
      this.#errors[slot]!++;
      this.#consecutive++;
      return;
    }
    this.#consecutive = 0;
    if (verdict === 'succeeded') this.#successes[slot]!++;
  }

  measure(now: number): ScoreMeasurements {
    this.#moveTo(now);
    const requests = sum(this.#requests);
    return {
      requests,
      successRate: requests === 0 ? 1 : sum(this.#successes) / requests,
      errorRate: requests === 0 ? 0 : sum(this.#errors) / requests,
      latencyMs: requests === 0 ? 0 : sum(this.#latency) / requests,
      consecutiveFailures: this.#consecutive,
    };
  }

  /** Calls of the newer half of the window for each call of the older half; 1 when the older half had none. */
  growth(now: number): number {
    this.#moveTo(now);
    let newer = 0;
    let older = 0;
    for (let age = 0; age < BUCKETS; age++) {
      const count = this.#requests[(((this.#bucket - age) % BUCKETS) + BUCKETS) % BUCKETS]!;
      if (age < BUCKETS / 2) newer += count;
      else older += count;
    }
    return older === 0 ? 1 : newer / older;
  }

  #moveTo(now: number): number {
    const bucket = Math.floor(now / this.#bucketMs);
    if (bucket > this.#bucket) {
      for (let step = Math.min(bucket - this.#bucket, BUCKETS) - 1; step >= 0; step--) {
        const slot = (((bucket - step) % BUCKETS) + BUCKETS) % BUCKETS;
        this.#requests[slot] = this.#successes[slot] = this.#errors[slot] = this.#latency[slot] = 0;
      }
      this.#bucket = bucket;
    }
    return ((this.#bucket % BUCKETS) + BUCKETS) % BUCKETS;
  }
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
