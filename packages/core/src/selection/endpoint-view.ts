import { weightOf } from '../balancing/endpoint.js';
import type { Endpoint } from '../balancing/endpoint.js';
import type { View } from '../balancing/balancer.js';
import type { Instance } from '../registry/registry.js';
import { DenseSet } from './dense-set.js';

/**
 * The endpoints for one routing target, always ready to pick from. Each change of membership or state costs constant time.
 *
 * Members are what the filters keep, weight 0 left out. Ready are members that pass their registry's check and are not ejected or
 * overloaded. With too few ready ones it panics: then all members are picked, as the ready ones would drown, except those that
 * refuse connections: nobody listens there. Priorities and zones, when they come, choose between several of these.
 */
export class EndpointView implements View {
  endpoints: readonly Endpoint[];
  version = 0;
  now = 0;
  /** Half-open members: the next call may probe one. */
  readonly due: DenseSet<Endpoint> = new DenseSet<Endpoint>();
  /** Whether it was asked for again since it was made, or last considered for eviction from the cache. */
  used = false;
  readonly #members = new DenseSet<Endpoint>();
  readonly #listening = new DenseSet<Endpoint>();
  readonly #ready = new DenseSet<Endpoint>();

  constructor(
    readonly keep: (instance: Instance) => boolean,
    readonly panicBelow: number,
  ) {
    this.endpoints = this.#ready.items;
  }

  /** An endpoint has come, or its instance has changed: the filter is asked. */
  place(endpoint: Endpoint): void {
    if (weightOf(endpoint.instance) > 0 && this.keep(endpoint.instance)) {
      this.#members.set(endpoint, true);
      this.refresh(endpoint);
    } else {
      this.remove(endpoint);
    }
  }

  /** The state of an endpoint has changed. */
  refresh(endpoint: Endpoint): void {
    if (!this.#members.has(endpoint)) return;
    const { state, refused } = endpoint.health;
    const passing = endpoint.instance.status !== 'fail';
    this.#listening.set(endpoint, !refused);
    this.#ready.set(endpoint, passing && state === 'ready');
    this.due.set(endpoint, passing && state === 'half-open');
    this.#choose();
  }

  remove(endpoint: Endpoint): void {
    if (!this.#members.has(endpoint)) return;
    for (const set of [this.#members, this.#listening, this.#ready, this.due]) set.set(endpoint, false);
    this.#choose();
  }

  #choose(): void {
    this.version++;
    const ready = this.#ready.size;
    const listening = this.#listening.size;
    if (ready > 0 && ready >= this.panicBelow * listening) this.endpoints = this.#ready.items;
    else if (this.#members.size === 0) this.endpoints = this.#ready.items;
    else this.endpoints = listening > 0 ? this.#listening.items : this.#members.items;
  }
}
