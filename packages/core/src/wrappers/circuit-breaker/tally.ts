import { LatencyHistogram } from '../latency-histogram.js';

/** What a circuit has counted since it was made, and the latencies of late. Of several circuits, one stands above for all of them. */
export class Tally {
  readonly #all: Tally | undefined;
  readonly latencies: LatencyHistogram = new LatencyHistogram();
  succeeded = 0;
  failed = 0;
  slow = 0;
  ignored = 0;
  rejected = 0;
  transitions = 0;

  /** @param all counts with this one, and goes on when this one is given up */
  constructor(all?: Tally) {
    this.#all = all;
  }

  /** Counts a call that has settled, with its latency unless that is NaN. */
  count(outcome: 'succeeded' | 'failed', latencyMs: number, isSlow: boolean, now: number): void {
    if (outcome === 'failed') this.failed++;
    else this.succeeded++;
    if (isSlow) this.slow++;
    if (!Number.isNaN(latencyMs)) this.latencies.record(latencyMs, now);
    this.#all?.count(outcome, latencyMs, isSlow, now);
  }

  countIgnored(): void {
    this.ignored++;
    this.#all?.countIgnored();
  }

  countRejected(): void {
    this.rejected++;
    this.#all?.countRejected();
  }

  countTransition(): void {
    this.transitions++;
    this.#all?.countTransition();
  }

  counts(now: number): {
    readonly succeeded: number;
    readonly failed: number;
    readonly slow: number;
    readonly ignored: number;
    readonly rejected: number;
    readonly transitions: number;
    readonly p50Ms: number | undefined;
    readonly p95Ms: number | undefined;
  } {
    const { succeeded, failed, slow, ignored, rejected, transitions, latencies } = this;
    const [p50Ms, p95Ms] = [latencies.percentile(0.5, now), latencies.percentile(0.95, now)];
    return { succeeded, failed, slow, ignored, rejected, transitions, p50Ms, p95Ms };
  }
}
