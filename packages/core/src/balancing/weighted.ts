import { checkFunction, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Instance } from '../registry/registry.js';
import { perView } from './balancer.js';
import type { Balancer, View } from './balancer.js';
import { weightOf } from './endpoint.js';
import type { Endpoint } from './endpoint.js';
import { ReportedMeter, reportedLoad, reportedSettings } from './reported-weight.js';
import type { ReportedLoadOptions, ReportedSettings } from './reported-weight.js';
import { TimedHeap } from './timed-heap.js';
import type { Timed } from './timed-heap.js';

export interface WeightedOptions {
  /**
   * true, or options: the weight is what the servers report, in the header `endpoint-load-metrics` of their replies (`loadReport()` writes it), and
   * `weightOf` is refused beside it. Those of which none is known have the mean of the others; with fewer than two known, all are alike.
   */
  readonly reported?: boolean | ReportedLoadOptions;
  /** The weight of an instance, asked when the list changes; 0, NaN, negative or infinite: it gets nothing. Must not throw. Default: its own `weight`, 1 without one. */
  readonly weightOf?: (instance: Instance) => number;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

const OPTIONS = namesOf<WeightedOptions>({ reported: true, weightOf: true, random: true });

/**
 * Shares by `instance.weight`, or by what `weightOf` says: each endpoint's turn comes every 1/weight of virtual time, the earliest turn is next (earliest
 * deadline first, as in gRPC's proposal A58). Smooth at any weights, O(log n) a pick; a changed list costs O(n) once.
 * First turns are random within the period, so that clients started together do not march in step. Weight 0 gets nothing;
 * when all are 0, it declines. An endpoint that starts slowly has its weight reduced for so long.
 * @throws TypeError for an option that does not fit
 */
export function weighted(options: WeightedOptions = {}): Balancer {
  checkOptions('weighted', options, OPTIONS);
  checkSurroundings('weighted', options);
  checkFunction(options.weightOf, 'weighted weightOf');
  const { random = Math.random, weightOf: given, reported = false } = options;
  if (reported !== false && given !== undefined)
    throw new TypeError('weighted weightOf: with reported, servers say their weight themselves. Leave one of the two out.');
  if (typeof reported !== 'boolean' && (typeof reported !== 'object' || reported === null))
    throw new TypeError(`weighted reported: ${shown(reported)} does not fit. Give true, or { blackout, expiration, errorPenalty, update }.`);
  const settings = reported === false ? undefined : reportedSettings(reported);
  const weigh = given === undefined ? weightOf : (instance: Instance) => usable(given(instance));
  const scheduleOf = perView(() => new Schedule(random, weigh, settings));
  return {
    name: 'weighted',
    ...(settings !== undefined && { load: reportedLoad(settings) }),
    pick: (view) => scheduleOf(view).next(view),
  };
}

function usable(weight: number): number {
  return weight > 0 && weight < Infinity ? weight : 0;
}

interface Turn extends Timed {
  readonly endpoint: Endpoint;
  weight: number;
}

class Schedule {
  readonly #turns = new TimedHeap<Turn>();
  #known = new Map<Endpoint, Turn>();
  #version = -1;
  #virtualNow = -0;
  /** When reported weights are taken over again. */
  #due: number;

  constructor(
    readonly random: () => number,
    readonly weigh: (instance: Instance) => number,
    readonly reported: ReportedSettings | undefined,
  ) {
    this.#due = reported === undefined ? Infinity : -Infinity;
  }

  next(view: View): Endpoint | undefined {
    if (view.version !== this.#version) this.#follow(view);
    if (view.now >= this.#due) this.#hear(view.now);
    const turn = this.#turns.top;
    if (turn === undefined) return undefined;
    this.#virtualNow = turn.at;
    turn.at += 1 / (turn.weight * turn.endpoint.ramp(view.now));
    this.#turns.put(turn);
    return turn.endpoint;
  }

  /** Takes over a changed list: those that stay keep their turn, unless their weight changed. */
  #follow(view: View): void {
    this.#version = view.version;
    const before = this.#known;
    this.#known = new Map();
    this.#turns.clear();
    const mean = this.reported === undefined ? 0 : meanOf(before);
    for (const endpoint of view.endpoints) {
      const known = before.get(endpoint);
      // Of weight 0 is nobody in the list, and what one of 0.5 has announced is not what it reports.
      const weight = this.reported === undefined ? this.weigh(endpoint.instance) : (known?.weight ?? mean);
      if (weight === 0) continue;
      const turn = known?.weight === weight ? known : { endpoint, weight, at: this.#virtualNow + this.random() / weight, slot: -1 };
      this.#known.set(endpoint, turn);
      this.#turns.put(turn);
    }
  }

  /** Takes over what is reported by now. What is left of a turn is stretched or shortened as its period is, so that nobody is served twice or passed over. */
  #hear(now: number): void {
    this.#due = now + this.reported!.updateMs;
    let sum = 0;
    let known = 0;
    for (const { meter } of this.#known.keys()) {
      const weight = meter instanceof ReportedMeter ? meter.weight(now) : 0;
      if (weight === 0) continue;
      sum += weight;
      known++;
    }
    this.#turns.clear();
    for (const turn of this.#known.values()) {
      const { meter } = turn.endpoint;
      let weight = known < 2 ? 1 : meter instanceof ReportedMeter ? meter.weight(now) : 0;
      if (weight === 0) weight = sum / known;
      turn.at = this.#virtualNow + ((turn.at - this.#virtualNow) * turn.weight) / weight;
      turn.weight = weight;
      this.#turns.put(turn);
    }
  }
}

function meanOf(turns: ReadonlyMap<Endpoint, Turn>): number {
  if (turns.size === 0) return 1;
  let sum = 0;
  for (const { weight } of turns.values()) sum += weight;
  return sum / turns.size;
}
