import type { Call } from '../call/call.js';
import { Endpoint } from '../balancing/endpoint.js';
import type { Ejection } from '../balancing/ejection.js';
import type { Fleet } from '../balancing/load.js';
import type { Subset } from '../balancing/subset.js';
import { originOf } from '../registry/registry.js';
import type { Instance } from '../registry/registry.js';
import { EndpointView } from './endpoint-view.js';
import type { Filter } from './filter.js';
import type { Target } from './router.js';

export interface RosterOptions {
  readonly fleet: Fleet;
  readonly ejection: Ejection;
  readonly filters: readonly Filter[];
  /** Preferred within each priority. */
  readonly zone: string | undefined;
  /** Applied in each view, to each level by itself, so that neither a routing target nor a zone loses all of its instances. */
  readonly subset: Subset | undefined;
  /** What others than the registry say of it: false when any of them calls it failing, undefined when nobody knows. */
  readonly healthOf: (instance: Instance) => boolean | undefined;
  /** Hears that a filter or a target threw about an instance, once for each; it is left out. */
  readonly onThrow: (instance: Instance, error: unknown) => void;
  /** How many targets the routers have. */
  readonly targets: number;
  /** Hear of each origin, with its server name, that comes or goes. */
  readonly onArrival: ((origin: string, serverName?: string) => void) | undefined;
  readonly onDeparture: ((origin: string, serverName?: string) => void) | undefined;
}

/** Keys come from calls, and what comes from calls is bounded. */
const MOST_VIEWS = 64;

/** The endpoints of one service and the views on them, kept in step with the list and with every change of state. */
export class Roster {
  readonly #endpoints = new Map<string, Known>();
  readonly #byId = new Map<string, Endpoint>();
  readonly #views = new Map<string, EndpointView>();
  readonly #options: RosterOptions;
  /** Whether a call's view depends on what its filters read in it. */
  readonly #keyed: boolean;
  readonly #mostViews: number;
  readonly #threw = new WeakSet<Instance>();
  #main: EndpointView | undefined;
  #left = false;

  constructor(options: RosterOptions) {
    this.#options = options;
    this.#keyed = options.filters.some(({ key }) => key !== undefined);
    this.#mostViews = MOST_VIEWS + options.targets;
    if (!this.#keyed) this.#main = this.#make(undefined, undefined);
  }

  get size(): number {
    return this.#endpoints.size;
  }

  *[Symbol.iterator](): Iterator<Endpoint> {
    for (const { endpoint } of this.#endpoints.values()) yield endpoint;
  }

  /** The view of the calls that no rule routes and whose filter keys are empty. It is never evicted. */
  get main(): EndpointView {
    return (this.#main ??= this.#make(undefined, undefined));
  }

  /** Takes over a complete list. Endpoints with the same id, address and server name stay what they are, with all that is known of them. */
  apply(instances: readonly Instance[], now: number): void {
    const { fleet, onArrival } = this.#options;
    const listed = new Set<string>();
    const arrived: Endpoint[] = [];
    const turns: [Endpoint, Turn][] = [];
    for (const instance of instances) {
      const key = `${instance.id} ${originOf(instance)} ${instance.serverName ?? ''}`;
      listed.add(key);
      const known = this.#endpoints.get(key);
      if (known === undefined) {
        const endpoint = new Endpoint(instance, fleet);
        this.#endpoints.set(key, { endpoint, since: now });
        arrived.push(endpoint);
        onArrival?.(endpoint.origin, endpoint.serverName);
      } else if (known.endpoint.instance !== instance) {
        const { endpoint } = known;
        const before = endpoint.instance;
        endpoint.instance = instance;
        const turn = this.#judge(endpoint, before);
        if (turn !== undefined) turns.push([endpoint, turn]);
        for (const view of this.#allViews()) view.place(endpoint);
      }
    }
    for (const [key, { endpoint }] of this.#endpoints) {
      if (!listed.has(key)) this.#remove(key, endpoint);
    }
    if (arrived.length > 0) this.#arrive(arrived, now);
    if (this.#options.subset !== undefined) for (const view of this.#allViews()) this.#narrow(view, this.#options.subset);
    // Last: who hears of a state that changed is to see the whole list.
    for (const [endpoint, turn] of turns) this.#turned(endpoint, turn, now);
  }

  #arrive(arrived: readonly Endpoint[], now: number): void {
    const { ejection } = this.#options;
    // Slow start protects a newcomer beside others that could do its work. Where all are new, it would only delay them alike.
    const { slowStartMs } = ejection.settings;
    let established = false;
    if (slowStartMs > 0) for (const { since } of this.#endpoints.values()) established ||= now - since >= slowStartMs;
    for (const endpoint of arrived) {
      if (established) endpoint.startSlowly(now, slowStartMs);
      ejection.add();
      this.#byId.set(endpoint.id, endpoint);
      this.#judge(endpoint, endpoint.instance);
      for (const view of this.#allViews()) view.place(endpoint);
    }
  }

  /** Somebody's opinion of an instance may have changed. Whether it has. */
  recheck(id: string, now: number): boolean {
    const endpoint = this.#byId.get(id);
    if (endpoint === undefined) return false;
    const turn = this.#judge(endpoint, endpoint.instance);
    if (turn === undefined) return false;
    this.refresh(endpoint);
    this.#turned(endpoint, turn, now);
    return true;
  }

  /** Nothing is picked any more: the listener hears of all as departed. What is known of them stays to be looked at. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    const { onDeparture } = this.#options;
    if (onDeparture !== undefined) for (const { origin, serverName } of this) onDeparture(origin, serverName);
  }

  /** The state of an endpoint has changed. */
  refresh(endpoint: Endpoint): void {
    this.#main?.refresh(endpoint);
    for (const view of this.#views.values()) view.refresh(endpoint);
  }

  /** The view for a call with that target: made for the first one with its keys. */
  viewOf(call: Call, target: Target | undefined): EndpointView {
    if (!this.#keyed) return target === undefined ? this.#main! : this.#find(target.key, target, call);
    const key = this.#keyOf(call);
    if (target !== undefined) return this.#find(`${key}>${target.key}`, target, call);
    return key === '' ? this.main : this.#find(key, target, call);
  }

  #find(key: string, target: Target | undefined, call: Call): EndpointView {
    let view = this.#views.get(key);
    if (view !== undefined) {
      view.used = true;
      return view;
    }
    view = this.#make(target, call);
    if (this.#views.size >= this.#mostViews) this.#evict();
    this.#views.set(key, view);
    return view;
  }

  /** What the filters read in the call; '' when that is nothing. */
  #keyOf(call: Call): string {
    let key = '';
    let read = false;
    // With its length before it, no part can pass for two.
    for (const filter of this.#options.filters) {
      const part = filter.key?.(call);
      if (part === undefined) continue;
      key += `${part.length}:${part}`;
      read ||= part !== '';
    }
    return read ? key : '';
  }

  #make(target: Target | undefined, call: Call | undefined): EndpointView {
    const { filters, ejection, zone } = this.#options;
    const parts = filters.map((filter) => (call === undefined ? undefined : filter.key?.(call)) ?? '');
    const view = new EndpointView((instance) => this.#keeps(instance, target, parts), ejection.settings.panicBelow, zone);
    if (this.#options.subset !== undefined) this.#narrow(view, this.#options.subset);
    else for (const endpoint of this) view.place(endpoint);
    return view;
  }

  #narrow(view: EndpointView, subset: Subset): void {
    view.narrow(
      Array.from(this, ({ instance }) => instance),
      subset,
    );
    for (const endpoint of this) view.place(endpoint);
  }

  /** One bad test about one instance must neither cost the others nor stop a list from being taken over. */
  #keeps(instance: Instance, target: Target | undefined, parts: readonly string[]): boolean {
    const { filters, onThrow } = this.#options;
    try {
      return (target?.keep(instance) ?? true) && filters.every((filter, index) => filter.keep(instance, parts[index]!));
    } catch (error) {
      if (!this.#threw.has(instance)) onThrow(instance, error);
      this.#threw.add(instance);
      return false;
    }
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

  *#allViews(): Iterable<EndpointView> {
    if (this.#main !== undefined) yield this.#main;
    yield* this.#views.values();
  }

  /** Whether what others say of it has changed, and to what. */
  #judge(endpoint: Endpoint, before: Instance): Turn | undefined {
    const { instance, passing } = endpoint;
    const said = this.#options.healthOf(instance);
    endpoint.passing = instance.status !== 'fail' && said !== false;
    if (endpoint.passing === passing) return undefined;
    if (passing) return 'failing';
    return said === true || before.status === 'fail' ? 'works' : 'unknown';
  }

  /** Unknown counts as healthy, but is nobody's word that it works: an ejection goes on. */
  #turned(endpoint: Endpoint, turn: Turn, now: number): void {
    if (turn === 'works') this.#options.ejection.recovered(endpoint, now);
    else if (turn === 'unknown') this.#options.ejection.startSlowly(endpoint, now);
  }

  #remove(key: string, endpoint: Endpoint): void {
    this.#endpoints.delete(key);
    if (this.#byId.get(endpoint.id) === endpoint) this.#byId.delete(endpoint.id);
    this.#options.ejection.remove(endpoint);
    for (const view of this.#allViews()) view.remove(endpoint);
    this.#options.onDeparture?.(endpoint.origin, endpoint.serverName);
  }
}

type Turn = 'failing' | 'works' | 'unknown';

interface Known {
  readonly endpoint: Endpoint;
  readonly since: number;
}
