import type { Call } from '../call/call.js';
import { Endpoint } from '../balancing/endpoint.js';
import type { Ejection } from '../balancing/ejection.js';
import type { Fleet } from '../balancing/load.js';
import { originOf } from '../registry/registry.js';
import type { Instance } from '../registry/registry.js';
import { EndpointView } from './endpoint-view.js';
import type { Filter } from './filter.js';

/** Whoever keeps something for each origin. */
export interface RosterListener {
  readonly onArrival?: ((origin: string) => void) | undefined;
  readonly onDeparture?: ((origin: string) => void) | undefined;
}

/** Keys come from calls, and what comes from calls is bounded. */
const MOST_VIEWS = 64;

/** The endpoints of one service and the views on them, kept in step with the list and with every change of state. */
export class Roster {
  readonly #endpoints = new Map<string, Known>();
  readonly #views = new Map<string, EndpointView>();
  readonly #everything: EndpointView | undefined;
  #hears: RosterListener;

  constructor(
    readonly fleet: Fleet,
    readonly ejection: Ejection,
    readonly filters: readonly Filter[],
    hears: RosterListener = {},
  ) {
    this.#hears = hears;
    if (filters.length === 0) {
      this.#everything = new EndpointView(() => true, ejection.settings.panicBelow);
      this.#views.set('', this.#everything);
    }
  }

  get size(): number {
    return this.#endpoints.size;
  }

  *[Symbol.iterator](): Iterator<Endpoint> {
    for (const { endpoint } of this.#endpoints.values()) yield endpoint;
  }

  /** Takes over a complete list. Endpoints with the same id and address stay what they are, with all that is known of them. */
  apply(instances: readonly Instance[], now: number): void {
    const listed = new Set<string>();
    const arrived: Endpoint[] = [];
    for (const instance of instances) {
      const key = `${instance.id} ${originOf(instance)}`;
      listed.add(key);
      const known = this.#endpoints.get(key);
      if (known === undefined) {
        const endpoint = new Endpoint(instance, this.fleet);
        this.#endpoints.set(key, { endpoint, since: now });
        arrived.push(endpoint);
        this.#hears.onArrival?.(endpoint.origin);
      } else if (known.endpoint.instance !== instance) {
        known.endpoint.instance = instance;
        for (const view of this.#views.values()) view.place(known.endpoint);
      }
    }
    for (const [key, { endpoint }] of this.#endpoints) {
      if (!listed.has(key)) this.#remove(key, endpoint);
    }
    if (arrived.length === 0) return;
    // Slow start protects a newcomer beside others that could do its work. Where all are new, it would only delay them alike.
    const { slowStartMs } = this.ejection.settings;
    let established = false;
    if (slowStartMs > 0) for (const { since } of this.#endpoints.values()) established ||= now - since >= slowStartMs;
    for (const endpoint of arrived) {
      if (established) endpoint.startSlowly(now, slowStartMs);
      this.ejection.add();
      for (const view of this.#views.values()) view.place(endpoint);
    }
  }

  /** Nothing is picked any more: the listener hears of all as departed. What is known of them stays to be looked at. */
  leave(): void {
    const { onDeparture } = this.#hears;
    this.#hears = {};
    if (onDeparture !== undefined) for (const { origin } of this) onDeparture(origin);
  }

  /** The state of an endpoint has changed. */
  refresh(endpoint: Endpoint): void {
    for (const view of this.#views.values()) view.refresh(endpoint);
  }

  /** The view for a call: made for the first one with its keys. */
  viewOf(call: Call): EndpointView {
    if (this.#everything !== undefined) return this.#everything;
    const key = this.#keyOf(call);
    const view = this.#views.get(key);
    if (view === undefined) return this.#make(key, call);
    view.used = true;
    return view;
  }

  #keyOf(call: Call): string {
    let key = '';
    // With its length before it, no part can pass for two.
    for (const filter of this.filters) {
      const part = filter.key?.(call);
      if (part !== undefined) key += `${part.length}:${part}`;
    }
    return key;
  }

  #make(key: string, call: Call): EndpointView {
    const { filters } = this;
    const parts = filters.map((filter) => filter.key?.(call) ?? '');
    const view = new EndpointView(
      (instance) => filters.every((filter, index) => filter.keep(instance, parts[index]!)),
      this.ejection.settings.panicBelow,
    );
    for (const endpoint of this) view.place(endpoint);
    if (this.#views.size >= MOST_VIEWS) this.#evict();
    this.#views.set(key, view);
    return view;
  }

  /** Second chance: the oldest view that was not used since it was last considered has to go. */
  #evict(): void {
    for (const [key, view] of this.#views) {
      this.#views.delete(key);
      if (!view.used) return;
      view.used = false;
      this.#views.set(key, view);
    }
  }

  #remove(key: string, endpoint: Endpoint): void {
    this.#endpoints.delete(key);
    this.ejection.remove(endpoint);
    for (const view of this.#views.values()) view.remove(endpoint);
    this.#hears.onDeparture?.(endpoint.origin);
  }
}

interface Known {
  readonly endpoint: Endpoint;
  readonly since: number;
}
