import { p2c } from '@ferrule/core';
import type { Balancer, Ending, Load, Meter } from '@ferrule/core/adapter';
import type { Rule } from '../rule.js';
import { least } from './oracle.js';

/** A moving mean of latency, and nothing that ever forgives: the textbook version. An endpoint that was never measured has 0. */
class PlainMeter implements Meter {
  ewmaMs = 0;
  #at = -Infinity;
  readonly #timesWaiting: boolean;
  readonly #decayMs: number;

  constructor(timesWaiting: boolean, decayMs: number) {
    this.#timesWaiting = timesWaiting;
    this.#decayMs = decayMs;
  }

  cost(endpoint: { readonly waiting: number }): number {
    return this.#timesWaiting ? this.ewmaMs * (endpoint.waiting + 1) : this.ewmaMs;
  }

  observe(latencyMs: number, _ending: Ending, now: number): void {
    const kept = this.#at === -Infinity ? 0 : Math.exp((this.#at - now) / this.#decayMs);
    this.ewmaMs = this.ewmaMs * kept + latencyMs * (1 - kept);
    this.#at = now;
  }
}

function plain(timesWaiting: boolean, decayMs: number): Load {
  return { name: 'plain-ewma', fleet: () => ({ meter: () => new PlainMeter(timesWaiting, decayMs) }) };
}

/** Without idle decay: a node that was slow once is never tried again. */
export const plainEwma: Rule = { name: 'p2c plain EWMA', make: ({ random }) => p2c({ random, load: plain(true, 10_000) }) };

/** The lowest latency of all, of which every client thinks the same: herding. */
export const leastLatency: Rule = {
  name: 'least latency',
  make({ random }): Balancer {
    return { name: 'least-latency', load: plain(false, 10_000), pick: ({ endpoints }) => least(endpoints, (one) => one.meter.cost(one, 0), random) };
  },
};
