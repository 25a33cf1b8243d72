import { checkOptions } from '../options/check.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { Endpoint } from './endpoint.js';
import type { Load, Meter } from './load.js';

/** What an endpoint costs that was never measured and already has a call waiting: it gets one call, and then waits for its result. */
const PENALTY = 2 ** 47;

/**
 * Peak EWMA as Finagle's balancer has it: a latency that jumps up at once and decays slowly, times waiting calls + 1.
 * It knows no failures: an endpoint that fails fast looks fast. Put an ejector beside it.
 * `decay` is the time constant; default 10 s (a half-life of 6.9 s).
 */
export function peakEwma(options: { readonly decay?: Duration } = {}): Load {
  checkOptions('peakEwma', options, ['decay']);
  const decayMs = toMs(options.decay ?? 10_000, 'peakEwma decay');
  if (decayMs === 0) throw new TypeError(`peakEwma decay: 0 would forget everything at once. Give a time constant above zero, such as '10s'.`);
  return { name: 'peak-ewma', fleet: () => ({ meter: () => new PeakMeter(decayMs) }) };
}

class PeakMeter implements Meter {
  #peakMs = -0;
  #measured = false;
  #at: number = -Infinity;
  readonly #decayMs: number;

  constructor(decayMs: number) {
    this.#decayMs = decayMs;
  }

  cost(endpoint: Endpoint, now: number): number {
    if (!this.#measured) return endpoint.waiting === 0 ? 0 : PENALTY + endpoint.waiting;
    this.#learn(0, now);
    return this.#peakMs * (endpoint.waiting + 1);
  }

  observe(latencyMs: number, _verdict: unknown, now: number): void {
    this.#measured = true;
    this.#learn(latencyMs, now);
  }

  #learn(latencyMs: number, now: number): void {
    if (latencyMs >= this.#peakMs) {
      this.#peakMs = latencyMs;
    } else {
      const kept = Math.exp((this.#at - now) / this.#decayMs);
      this.#peakMs = this.#peakMs * kept + latencyMs * (1 - kept);
    }
    this.#at = now;
  }
}
