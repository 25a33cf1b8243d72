import type { Endpoint } from '../balancing/endpoint.js';

/** How many members each priority has in how many zones; those that name none are in one zone of their own. */
export class ZoneCount {
  readonly #places = new Map<Endpoint, { readonly priority: number; readonly zone: string }>();
  readonly #priorities = new Map<number, { members: number; readonly zones: Map<string, number> }>();

  /** An endpoint has come, or its instance has changed. */
  put(endpoint: Endpoint): void {
    this.remove(endpoint);
    const { priority = 0, zone = '' } = endpoint.instance;
    this.#places.set(endpoint, { priority, zone });
    let count = this.#priorities.get(priority);
    if (count === undefined) this.#priorities.set(priority, (count = { members: 0, zones: new Map() }));
    count.members++;
    count.zones.set(zone, (count.zones.get(zone) ?? 0) + 1);
  }

  remove(endpoint: Endpoint): void {
    const place = this.#places.get(endpoint);
    if (place === undefined) return;
    this.#places.delete(endpoint);
    const count = this.#priorities.get(place.priority)!;
    const left = count.zones.get(place.zone)! - 1;
    if (left === 0) count.zones.delete(place.zone);
    else count.zones.set(place.zone, left);
    if (--count.members === 0) this.#priorities.delete(place.priority);
  }

  /** The members that a zone has when all zones have equally many: what it needs to serve its own clients, when those are spread evenly. */
  fairSize(priority: number): number {
    const count = this.#priorities.get(priority);
    return count === undefined ? 0 : count.members / count.zones.size;
  }
}
