import type { Balancer, Ending, Endpoint, Load, Meter } from '@ferrule/core/adapter';
import type { Rule } from '../rule.js';

const DECAY_MS = 600;
const FORCED_AFTER_MS = 3_000;
const UNMEASURED_MS = 0.1;
const FULL = 1_000;

/**
 * go-kratos `selector/p2c`: the higher success ÷ (sqrt(latency + 5 ms) × in flight) of two; whoever was not picked for 3 s is picked, whatever
 * it costs. Where Kratos takes the mean age of those in flight that are older than the latency, when they are the majority, this takes
 * the mean age of all when it is higher.
 */
class KratosMeter implements Meter {
  pickedAt = 0;
  #lagMs = -1;
  #success = FULL;
  #at = 0;

  cost(endpoint: Endpoint, now: number): number {
    const inflight = endpoint.waiting + 1;
    if (this.#lagMs < 0) return UNMEASURED_MS * inflight;
    const ageMs = endpoint.waiting === 0 ? 0 : now - endpoint.sumStart / endpoint.waiting;
    return (Math.sqrt(Math.max(this.#lagMs, ageMs) + 5) * inflight) / Math.max(this.#success / FULL, 1e-3);
  }

  observe(latencyMs: number, ending: Ending, now: number): void {
    const kept = Math.exp((this.#at - now) / DECAY_MS);
    this.#at = now;
    this.#lagMs = this.#lagMs < 0 ? latencyMs : this.#lagMs * kept + latencyMs * (1 - kept);
    this.#success = this.#success * kept + (ending === 'failed' ? 0 : FULL) * (1 - kept);
  }
}

const load: Load = { name: 'kratos', fleet: () => ({ meter: () => new KratosMeter() }) };

export const kratos: Rule = { name: 'Kratos p2c', make: ({ random }) => forced('kratos', load, FORCED_AFTER_MS, random) };

interface Forgiving extends Meter {
  pickedAt: number;
}

/** The lower cost of two, but the other one when it was not picked for a while. */
export function forced(name: string, of: Load, afterMs: number, random: () => number, fit: (meter: Meter) => boolean = () => true): Balancer {
  return {
    name,
    load: of,
    pick({ endpoints, now }) {
      const size = endpoints.length;
      if (size < 2) return endpoints[0];
      let a = endpoints[0]!;
      let b = a;
      for (let tries = 0; tries < 3; tries++) {
        const first = Math.floor(random() * size);
        let second = Math.floor(random() * (size - 1));
        if (second >= first) second++;
        a = endpoints[first]!;
        b = endpoints[second]!;
        if (fit(a.meter) && fit(b.meter)) break;
      }
      const [cheap, dear] = a.meter.cost(a, now) <= b.meter.cost(b, now) ? [a, b] : [b, a];
      const chosen = now - (dear.meter as Forgiving).pickedAt > afterMs ? dear : cheap;
      (chosen.meter as Forgiving).pickedAt = now;
      return chosen;
    },
  };
}
