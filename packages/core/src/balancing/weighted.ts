import { checkFunction, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import type { Instance } from '../registry/registry.js';
import { perView } from './balancer.js';
import type { Balancer, View } from './balancer.js';
import { weightOf } from './endpoint.js';
import type { Endpoint } from './endpoint.js';
import { TimedHeap } from './timed-heap.js';
import type { Timed } from './timed-heap.js';

export interface WeightedOptions {
  /** The weight of an instance, asked when the list changes; 0, NaN, negative or infinite: it gets nothing. Must not throw. Default: its own `weight`, 1 without one. */
  readonly weightOf?: (instance: Instance) => number;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

const OPTIONS = namesOf<WeightedOptions>({ weightOf: true, random: true });

/**
 * Shares by `instance.weight`, or by what `weightOf` says: each endpoint's turn comes every 1/weight of virtual time, the earliest turn is next (earliest
 * deadline first, as in gRPC's proposal A58). Smooth at any weights, O(log n) a pick; a changed list costs O(n) once.
 * First turns are random within the period, so that clients started together do not march in step. Weight 0 gets nothing;
 * when all are 0, it declines. An endpoint that starts slowly has its weight reduced for so long.
 */
export function weighted(options: WeightedOptions = {}): Balancer {
  checkOptions('weighted', options, OPTIONS);
  checkSurroundings('weighted', options);
  checkFunction(options.weightOf, 'weighted weightOf');
  const { random = Math.random, weightOf: given } = options;
  const weigh = given === undefined ? weightOf : (instance: Instance) => usable(given(instance));
  const scheduleOf = perView(() => new Schedule(random, weigh));
  return {
    name: 'weighted',
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
  #virtualNow = 0;

  constructor(
    readonly random: () => number,
    readonly weigh: (instance: Instance) => number,
  ) {}

  next(view: View): Endpoint | undefined {
    if (view.version !== this.#version) this.#follow(view);
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
    for (const endpoint of view.endpoints) {
      const weight = this.weigh(endpoint.instance);
      if (weight === 0) continue;
      const known = before.get(endpoint);
      const turn = known?.weight === weight ? known : { endpoint, weight, at: this.#virtualNow + this.random() / weight, slot: -1 };
      this.#known.set(endpoint, turn);
      this.#turns.put(turn);
    }
  }
}
