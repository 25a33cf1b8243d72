import { originOf } from '../registry/registry.js';
import type { Instance } from '../registry/registry.js';
import { Health } from './health.js';
import type { Fleet, Meter } from './load.js';

/** Where the ramp of an endpoint begins that has just come, or come back: not at nothing, so that it is measured soon. */
const LEAST_RAMP = 0.1;
/** How much of itself the mean of `latencyMs` keeps: it spans about sixteen calls. */
const KEPT = 15 / 16;

/**
 * Our living view of one Instance: what we have under way there, how fast it answers, and whether it is fit to be picked.
 * It survives list updates as long as id and address stay the same; another address is another endpoint, which starts cold.
 * Counted by leases, measured by its meter, judged by the ejector; balancers read it.
 */
export class Endpoint {
  readonly id: string;
  /** For example `http://127.0.0.1:8080`. */
  readonly origin: string;
  /** Of its instance: another name there is another endpoint. */
  readonly serverName: string | undefined;
  /** As it was announced last; replaced by the selector when the list changes. */
  instance: Instance;
  /** Whether nobody beside us calls it failing: neither its registry nor a `HealthSource`. Written by the selector. */
  passing = true;
  /** Calls without headers yet. They make an endpoint look slow when they grow old. */
  waiting = 0;
  /** Calls whose body has not ended. Twenty open event streams are twenty here and none in `waiting`. */
  open = 0;
  /** The sum of the start times of the waiting calls: `now - sumStart / waiting` is their mean age. */
  sumStart = -0; // this zero is a double to V8, which then keeps the field unboxed: see `Health`
  readonly meter: Meter;
  readonly health: Health;
  /** NaN before the first answer. */
  #latencyMs = Number.NaN;
  /** 0 when it is not starting slowly. */
  #rampMs = 0;
  #rampEnd = -Infinity;

  constructor(instance: Instance, fleet: Fleet = UNMEASURED) {
    this.id = instance.id;
    this.origin = originOf(instance);
    this.serverName = instance.serverName;
    this.instance = instance;
    this.meter = fleet.meter();
    this.health = new Health(this);
  }

  /** Moving mean of the time to headers, for people; undefined before the first answer. No balancer reads it. */
  get latencyMs(): number | undefined {
    return this.#latencyMs >= 0 ? this.#latencyMs : undefined;
  }

  /** Counts a call that starts now. */
  started(now: number): void {
    this.waiting++;
    this.open++;
    this.sumStart += now;
  }

  /** The call that started then waits no longer. */
  noLongerWaiting(startedAt: number): void {
    // Back to exactly zero whenever nothing waits, so that rounding never adds up.
    this.sumStart = --this.waiting === 0 ? 0 : this.sumStart - startedAt;
  }

  /** An answer arrived after `latencyMs`. */
  measured(latencyMs: number): void {
    const known = this.#latencyMs;
    this.#latencyMs = known >= 0 ? known * KEPT + latencyMs * (1 - KEPT) : latencyMs;
  }

  /** From now on its share grows to the full one over `durationMs`. */
  startSlowly(now: number, durationMs: number): void {
    this.#rampMs = durationMs;
    this.#rampEnd = now + durationMs;
  }

  /** How far it is on the way to its full share: 0.1 to 1, linear in time, 1 when it is not starting slowly. How it counts is up to the balancer. */
  ramp(now: number): number {
    return this.#rampMs === 0 ? 1 : this.#ramping(now);
  }

  #ramping(now: number): number {
    if (now < this.#rampEnd) return Math.max(LEAST_RAMP, 1 - (this.#rampEnd - now) / this.#rampMs);
    this.#rampMs = 0;
    return 1;
  }
}

const FREE: Meter = { cost: () => 1, observe: () => {} };
const UNMEASURED: Fleet = { meter: () => FREE };

/** The weight that an instance asked for: 1 without one; 0 for none, and for what is no weight (negative, NaN). */
export function weightOf(instance: Instance): number {
  const weight = instance.weight ?? 1;
  return weight > 0 && weight < Infinity ? weight : 0;
}
