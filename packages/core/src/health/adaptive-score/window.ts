/** What was measured of a downstream service, or of one instance, in the last window. */
export interface ScoreMeasurements {
  readonly requests: number;
  /** Share of calls that succeeded, 0 to 1; 1 without calls. */
  readonly successRate: number;
  /** Share of calls that failed on its side, 0 to 1. A 4xx is neither. */
  readonly errorRate: number;
  /** Mean, in milliseconds. */
  readonly latencyMs: number;
  /** Failures on its side since the last other answer; forgotten after a window without a call. */
  readonly consecutiveFailures: number;
}

const BUCKETS = 10;

/** Counts and latencies of the last `windowMs`, in ten buckets that leave as a whole. Recording is constant work without allocation. */
export class ScoreWindow implements ScoreMeasurements {
  readonly #bucketMs: number;
  readonly #requests = new Float64Array(BUCKETS);
  readonly #successes = new Float64Array(BUCKETS);
  readonly #errors = new Float64Array(BUCKETS);
  readonly #latency = new Float64Array(BUCKETS);
  #bucket = -Infinity;
  #slot = 0;
  #endsAt = -Infinity;
  #allRequests = -0;
  #allSuccesses = -0;
  #allErrors = -0;
  #allLatency = -0;
  #consecutive = -0;

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
  }

  /** As of the last `moveTo` or `record`, as all the others. */
  get requests(): number {
    return this.#allRequests;
  }

  get successRate(): number {
    return this.#allRequests === 0 ? 1 : this.#allSuccesses / this.#allRequests;
  }

  get errorRate(): number {
    return this.#allRequests === 0 ? 0 : this.#allErrors / this.#allRequests;
  }

  get latencyMs(): number {
    return this.#allRequests === 0 ? 0 : this.#allLatency / this.#allRequests;
  }

  get consecutiveFailures(): number {
    return this.#consecutive;
  }

  record(verdict: 'succeeded' | 'answered' | 'failed', latencyMs: number, now: number): void {
    this.moveTo(now);
    const slot = this.#slot;
    this.#requests[slot]!++;
    this.#allRequests++;
    this.#latency[slot]! += latencyMs;
    this.#allLatency += latencyMs;
    if (verdict === 'failed') {
      this.#errors[slot]!++;
      this.#allErrors++;
      this.#consecutive++;
      return;
    }
    this.#consecutive = 0;
    if (verdict !== 'succeeded') return;
    this.#successes[slot]!++;
    this.#allSuccesses++;
  }

  /** Calls of the newer half of the window for each call of the older half; 1 when the older half had none. */
  growth(now: number): number {
    this.moveTo(now);
    let newer = 0;
    let older = 0;
    for (let age = 0; age < BUCKETS; age++) {
      const count = this.#requests[slotOf(this.#bucket - age)]!;
      if (age < BUCKETS / 2) newer += count;
      else older += count;
    }
    return older === 0 ? 1 : newer / older;
  }

  /** Forgets what has left the window at `now`. A clock that goes back moves nothing. */
  moveTo(now: number): void {
    if (now < this.#endsAt) return;
    const bucket = Math.floor(now / this.#bucketMs);
    for (let step = Math.min(bucket - this.#bucket, BUCKETS) - 1; step >= 0; step--) this.#empty(slotOf(bucket - step));
    this.#bucket = bucket;
    this.#slot = slotOf(bucket);
    this.#endsAt = (bucket + 1) * this.#bucketMs;
    // Added up anew once a bucket, so that rounding never adds up.
    this.#allRequests = sum(this.#requests);
    this.#allSuccesses = sum(this.#successes);
    this.#allErrors = sum(this.#errors);
    this.#allLatency = sum(this.#latency);
    if (this.#allRequests === 0) this.#consecutive = 0;
  }

  /** Forgets everything. */
  reset(): void {
    for (let slot = 0; slot < BUCKETS; slot++) this.#empty(slot);
    this.#allRequests = this.#allSuccesses = this.#allErrors = this.#allLatency = this.#consecutive = 0;
  }

  #empty(slot: number): void {
    this.#requests[slot] = this.#successes[slot] = this.#errors[slot] = this.#latency[slot] = 0;
  }
}

function slotOf(bucket: number): number {
  return ((bucket % BUCKETS) + BUCKETS) % BUCKETS;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
