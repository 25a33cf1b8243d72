import type { Call } from '../call/call.js';
import { textReader } from '../call/call-field.js';
import type { CallField } from '../call/call-field.js';
import { shown } from '../options/shown.js';
import { perView } from './balancer.js';
import type { Balancer, View } from './balancer.js';
import { weightOf } from './endpoint.js';
import type { Endpoint } from './endpoint.js';
import { hashOf, mixed } from './stable-hash.js';

/** What the balancers share that send calls with the same key to the same endpoint. */
export interface HashOptions {
  /** What the calls have in common that are to meet the same endpoint. A call without it is declined, so that the fallback balancer takes it. */
  readonly key: CallField | ((call: Call) => string | undefined);
  /**
   * No endpoint has more calls in progress than this many times its share of them, rounded up; default 1.25, above 1. A key whose endpoint is full goes
   * to another one, the same for all clients that see the same load. false: as many as come, so that one hot key can drown one endpoint.
   */
  readonly loadFactor?: number | false;
}

export const HASH_OPTIONS = { key: true, loadFactor: true } as const;

/** Where hashes belong, for one view. */
export interface Placement {
  /** Takes over a list that has changed. */
  follow(view: View): void;
  /** Whom a hash of 32 bits belongs to, given as a signed word (`hash | 0`, which V8 passes on without an object), of the view as it was followed last; undefined when all have weight 0. Free of allocation. */
  at(hash: number): Endpoint | undefined;
}

/** How many places a call is offered before all endpoints are looked at. With a load factor of 1.25, four of five are not full, or more. */
const MOST_JUMPS = 16;
/** A call is not tried more often in earnest. */
const MOST_ATTEMPTS = 16;

/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2018): an endpoint takes one more call while
 * `open < ceil(loadFactor × (all open + 1) × its share of the weights)`. From a full one the key jumps to where its hash's hash belongs, never to
 * the neighbour, who would be drowned next. The second attempt of a call starts with the first jump.
 *
 * All open calls are added up only when the endpoint that the key belongs to has calls in progress, and only until they are enough: O(n) at worst.
 */
export function hashBalancer(name: string, factory: string, options: HashOptions, placement: () => Placement): Balancer {
  const { key, loadFactor = 1.25 } = options;
  if (key === undefined) throw new TypeError(`${factory} key: it is missing. Say what calls have in common, such as { key: { header: 'x-user' } }.`);
  if (loadFactor !== false && !(typeof loadFactor === 'number' && loadFactor > 1 && loadFactor < Infinity))
    throw new TypeError(`${factory} loadFactor: ${shown(loadFactor)} does not fit. Give a number above 1, such as 1.25, or false.`);
  const read = textReader(key, `${factory} key`);
  const placesOf = perView(() => new Places(placement()));
  return {
    name,
    pick(view, call) {
      if (view.endpoints.length === 0) return undefined;
      const text = read(call);
      if (text === undefined) return undefined;
      let hash = hashOf(text) | 0;
      for (let attempt = 1; attempt < call.attempt && attempt < MOST_ATTEMPTS; attempt++) hash = jumped(hash);
      const places = placesOf(view);
      places.follow(view);
      return loadFactor === false ? places.at(hash) : places.below(loadFactor, hash, view);
    },
  };
}

/** One to one, and not its own inverse: a key does not return to where it was. */
function jumped(hash: number): number {
  return mixed(hash + 0x9e3779b9) | 0;
}

class Places {
  #version = -1;
  #weights = 0;
  readonly #placement: Placement;

  constructor(placement: Placement) {
    this.#placement = placement;
  }

  follow(view: View): void {
    if (view.version === this.#version) return;
    this.#version = view.version;
    this.#weights = 0;
    for (const { instance } of view.endpoints) this.#weights += weightOf(instance);
    this.#placement.follow(view);
  }

  at(hash: number): Endpoint | undefined {
    return this.#placement.at(hash);
  }

  below(factor: number, hash: number, { endpoints }: View): Endpoint | undefined {
    const own = this.#placement.at(hash);
    if (own === undefined || own.open === 0) return own;
    // ceil(x) is above a whole number when x is.
    const perOpen = this.#weights / factor;
    const needed = (own.open * perOpen) / weightOf(own.instance);
    let next = 1;
    for (let index = 0; index < endpoints.length; index++) {
      next += endpoints[index]!.open;
      if (next > needed) return own;
    }
    let place = hash;
    for (let jump = 0; jump < MOST_JUMPS; jump++) {
      place = jumped(place);
      const other = this.#placement.at(place)!;
      if (other.open * perOpen < next * weightOf(other.instance)) return other;
    }
    return emptiest(endpoints);
  }
}

/** The one with the fewest open calls for its weight: it is below its share, as not all can be above. */
function emptiest(endpoints: readonly Endpoint[]): Endpoint | undefined {
  let least = Infinity;
  let found: Endpoint | undefined;
  for (const endpoint of endpoints) {
    const cost = endpoint.open / weightOf(endpoint.instance); // of weight 0: Infinity, or NaN
    if (!(cost < least)) continue;
    least = cost;
    found = endpoint;
  }
  return found;
}
