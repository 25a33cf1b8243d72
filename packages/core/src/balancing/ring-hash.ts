import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Balancer, View } from './balancer.js';
import { weightOf } from './endpoint.js';
import type { Endpoint } from './endpoint.js';
import { HASH_OPTIONS, hashBalancer } from './hash-balancer.js';
import type { HashOptions, Placement } from './hash-balancer.js';
import { hashOf, mixed } from './stable-hash.js';

export interface RingHashOptions extends HashOptions {
  /**
   * Points of an endpoint on the ring, 1 to 4096; default 160: of 50 endpoints the largest share is then some 1.15 times the mean, with 10 it is 1.8 times.
   * Endpoints of other weights have more or fewer. Beyond 8 million points in all, each has fewer.
   */
  readonly points?: number;
}

const OPTIONS = namesOf<RingHashOptions>({ ...HASH_OPTIONS, points: true });
const DEFAULT_POINTS = 160;
const MOST_POINTS = 4096;
const MOST_POINTS_OF_ALL = 2 ** 23;
/** While points are sorted and merged, one is `place × OWNERS + owner`, exact in a double. */
const OWNERS = 2 ** 20;
/** Points of endpoints that are away are passed over until they are this part of the ring. */
const MOST_ABSENT = 0.25;
const SECOND_SEED = 0x5bd1e995;

/**
 * Calls with the same key go to the same endpoint: the owner of the first point on a ring of hashes that is not below the key's (Ketama; gRPC's A42).
 * When an endpoint goes, its keys alone move, to many others; when it is back, they return. All clients agree, as points depend on ids and weights alone.
 * O(log points) a pick. An endpoint that is ejected, or back, costs O(n) once; a new one a merge over the ring (1.4 ms at 1,000 endpoints, 8 ms at 10,000).
 * Slow start is not read: it would move keys twice.
 * @throws TypeError for an option that does not fit
 */
export function ringHash(options: RingHashOptions): Balancer {
  checkOptions('ringHash', options, OPTIONS);
  const { points = DEFAULT_POINTS } = options;
  if (!Number.isInteger(points) || points < 1 || points > MOST_POINTS)
    throw new TypeError(`ringHash points: ${shown(points)} does not fit. Give a whole number from 1 to ${MOST_POINTS}.`);
  return hashBalancer('ring-hash', 'ringHash', options, () => new Ring(points));
}

interface Owner {
  readonly endpoint: Endpoint;
  readonly index: number;
  readonly points: number;
  present: boolean;
}

class Ring implements Placement {
  /** The points in ascending order, and the index of the owner of each. */
  #places = new Uint32Array(0);
  #ownerAt = new Int32Array(0);
  readonly #owners: (Owner | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #known = new Map<Endpoint, Owner>();
  readonly #points: number;
  #anyPresent = false;

  constructor(points: number) {
    this.#points = points;
  }

  at(hash: number): Endpoint | undefined {
    if (!this.#anyPresent) return undefined;
    const places = this.#places;
    const wanted = hash >>> 0;
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (places[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    for (;;) {
      if (low === places.length) low = 0;
      const owner = this.#owners[this.#ownerAt[low]!]!;
      if (owner.present) return owner.endpoint;
      low++;
    }
  }

  follow({ endpoints }: View): void {
    const perWeight = pointsPerWeight(endpoints, this.#points);
    for (const owner of this.#known.values()) owner.present = false;
    const added: Owner[] = [];
    this.#anyPresent = false;
    for (const endpoint of endpoints) {
      const weight = weightOf(endpoint.instance);
      if (weight === 0) continue;
      this.#anyPresent = true;
      const points = Math.min(Math.max(1, Math.round(weight * perWeight)), MOST_POINTS);
      const known = this.#known.get(endpoint);
      if (known?.points === points) {
        known.present = true;
        continue;
      }
      const owner = { endpoint, index: this.#free.pop() ?? this.#owners.length, points, present: true };
      this.#owners[owner.index] = owner;
      this.#known.set(endpoint, owner);
      added.push(owner);
    }
    let absent = 0;
    for (const owner of this.#owners) if (owner !== undefined && !owner.present) absent += owner.points;
    if (added.length > 0 || absent > this.#places.length * MOST_ABSENT) this.#rebuild(added);
  }

  /** One pass over the ring, in which those that are away leave and those that are new join. */
  #rebuild(added: readonly Owner[]): void {
    const fresh = pointsOf(added);
    const owners = this.#owners;
    let size = fresh.length;
    for (const owner of this.#known.values()) if (owner.present) size += owner.points;
    for (const { points } of added) size -= points; // they are known already
    const places = new Uint32Array(size);
    const ownerAt = new Int32Array(size);
    // An owner whose weight has changed is a new one, its former self absent: indices are not used again before the end.
    const stays = Uint8Array.from(owners, (owner) => (owner?.present === true ? 1 : 0));
    let filled = 0;
    let next = 0;
    let nextPlace = fresh.length === 0 ? Infinity : Math.floor(fresh[0]! / OWNERS);
    const join = (upTo: number): void => {
      while (next < fresh.length && nextPlace <= upTo) {
        places[filled] = nextPlace;
        ownerAt[filled++] = fresh[next]! % OWNERS;
        next++;
        nextPlace = next < fresh.length ? Math.floor(fresh[next]! / OWNERS) : Infinity;
      }
    };
    const before = this.#places;
    const ownerBefore = this.#ownerAt;
    for (let point = 0; point < before.length; point++) {
      const owner = ownerBefore[point]!;
      if (stays[owner] === 0) continue;
      const place = before[point]!;
      if (nextPlace <= place) join(place);
      places[filled] = place;
      ownerAt[filled++] = owner;
    }
    join(Infinity);
    this.#places = places;
    this.#ownerAt = ownerAt;
    for (const [index, owner] of owners.entries()) {
      if (owner === undefined || owner.present) continue;
      owners[index] = undefined;
      this.#free.push(index);
      if (this.#known.get(owner.endpoint) === owner) this.#known.delete(owner.endpoint);
    }
  }
}

/** The points of those that are new, each with its owner, ascending. */
function pointsOf(added: readonly Owner[]): Float64Array {
  const fresh = new Float64Array(added.reduce((sum, { points }) => sum + points, 0));
  let filled = 0;
  for (const { endpoint, index, points } of added) {
    const first = hashOf(endpoint.id);
    const second = hashOf(endpoint.id, SECOND_SEED);
    // Two hashes of the id, because endpoints whose one hash is alike shall not have all their points in common.
    for (let point = 0; point < points; point++) fresh[filled++] = mixed(first + mixed(second + point)) * OWNERS + index;
  }
  return fresh.sort();
}

/** Of a mean weight about `points`: the mean counts as the power of two below it, so that one endpoint that comes or goes does not move the points of all. */
function pointsPerWeight(endpoints: readonly Endpoint[], points: number): number {
  let sum = 0;
  let weighted = 0;
  for (const { instance } of endpoints) {
    const weight = weightOf(instance);
    sum += weight;
    if (weight > 0) weighted++;
  }
  if (weighted === 0) return 0;
  return Math.min(points, MOST_POINTS_OF_ALL / 2 / weighted) / 2 ** Math.floor(Math.log2(sum / weighted));
}
