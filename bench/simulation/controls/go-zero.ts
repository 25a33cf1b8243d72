import type { Ending, Endpoint, Load, Meter } from '@ferrule/core/adapter';
import type { Rule } from '../rule.js';
import { forced } from './kratos.js';

const DECAY_MS = 10_000;
const FORCED_AFTER_MS = 1_000;
const NS = 1e6;

/** go-zero `p2c_ewma`: sqrt(latency + 1 ns) × (in flight + 1); three draws for two nodes whose success is above a half; picked once a second anyhow. */
class GoZeroMeter implements Meter {
  pickedAt = 0;
  #lagMs = 0;
  #success = 1_000;
  #at = 0;

  get isHealthy(): boolean {
    return this.#success > 500;
  }

  cost(endpoint: Endpoint): number {
    return Math.sqrt(this.#lagMs * NS + 1) * (endpoint.waiting + 1);
  }

  observe(latencyMs: number, ending: Ending, now: number): void {
    const kept = this.#lagMs === 0 ? 0 : Math.exp((this.#at - now) / DECAY_MS);
    this.#at = now;
    this.#lagMs = this.#lagMs * kept + latencyMs * (1 - kept);
    this.#success = this.#success * kept + (ending === 'failed' ? 0 : 1_000) * (1 - kept);
  }
}

const load: Load = { name: 'go-zero', fleet: () => ({ meter: () => new GoZeroMeter() }) };

export const goZero: Rule = {
  name: 'go-zero p2c',
  make: ({ random }) => forced('go-zero', load, FORCED_AFTER_MS, random, (meter) => (meter as GoZeroMeter).isHealthy),
};
