import { weightOf } from '../balancing/endpoint.js';
import type { Endpoint } from '../balancing/endpoint.js';
import type { Subset } from '../balancing/subset.js';
import type { Instance } from '../registry/registry.js';
import { Level } from './level.js';
import { spread } from './spill.js';
import { ZoneCount } from './zone-count.js';

/**
 * The endpoints for one routing target, always ready to pick from: one level for each priority, and for each side of the zone that is
 * preferred. A change of membership or state costs constant time and as many steps as there are levels.
 */
export class EndpointView {
  /** Who a call may probe, if anybody: a half-open member of a level that is in use, or was until it had to hand over. */
  due: Endpoint | undefined;
  /** How many members are ready, in all levels. */
  ready = 0;
  /** Whether it was asked for again since it was made, or last considered for eviction from the cache. */
  used = false;
  /** Those that have members, in the order in which they are used. */
  readonly levels: Level[] = [];
  /** The level that gets all calls, when one does. */
  #only: Level | undefined;
  readonly #sharing: Level[] = [];
  readonly #bounds: number[] = [];
  readonly #zones: ZoneCount | undefined;
  /** The ids of those that a subset has left; undefined when there is none. */
  #chosen: ReadonlySet<string> | undefined;
  readonly #fairSize: (level: Level) => number;

  /** `zone`: whose instances are preferred within each priority; undefined: all zones are alike. */
  constructor(
    readonly keep: (instance: Instance) => boolean,
    readonly panicBelow: number,
    readonly zone: string | undefined,
  ) {
    const zones = (this.#zones = zone === undefined ? undefined : new ZoneCount());
    this.#fairSize = (level) => {
      const fair = zones !== undefined && level.near === true ? zones.fairSize(level.priority) : 0;
      return fair > level.members.size ? fair : 0;
    };
  }

  /** The level for one pick; undefined when there is no member. Draws only when several levels share the calls. */
  level(random: () => number): Level | undefined {
    if (this.#only !== undefined) return this.#only;
    const bounds = this.#bounds;
    const last = bounds.length - 1;
    if (last < 0) return undefined;
    const draw = random();
    let index = 0;
    while (index < last && draw >= bounds[index]!) index++;
    return this.#sharing[index];
  }

  /** The first level in use; undefined when there is no member. */
  get best(): Level | undefined {
    return this.#only ?? this.#sharing[0];
  }

  /** An endpoint has come, or its instance has changed: the filter is asked. */
  place(endpoint: Endpoint): void {
    const { instance } = endpoint;
    const before = this.#levelOf(endpoint);
    if (!this.#takes(instance) || this.#chosen?.has(instance.id) === false) {
      if (before !== undefined) this.#leave(endpoint, before);
      return;
    }
    const near = this.zone === undefined ? undefined : instance.zone === this.zone;
    const rank = this.#rankOf(instance);
    if (before !== undefined && before.rank !== rank) this.#leave(endpoint, before);
    this.#zones?.put(endpoint);
    const level = this.#levelOfRank(rank) ?? this.#add(new Level(rank, instance.priority ?? 0, near));
    level.put(endpoint);
    this.#choose();
  }

  /** Which of the instances are members from now on, each level narrowed by itself. The endpoints have to be placed anew. */
  narrow(instances: readonly Instance[], subset: Subset): void {
    const byRank = new Map<number, Instance[]>();
    for (const instance of instances) {
      if (!this.#takes(instance)) continue;
      const rank = this.#rankOf(instance);
      const alike = byRank.get(rank);
      if (alike === undefined) byRank.set(rank, [instance]);
      else alike.push(instance);
    }
    this.#chosen = new Set([...byRank.values()].flatMap((alike) => subset(alike).map(({ id }) => id)));
  }

  #takes(instance: Instance): boolean {
    return weightOf(instance) > 0 && this.keep(instance);
  }

  #rankOf({ priority = 0, zone }: Instance): number {
    return priority * 2 + (this.zone === undefined || zone === this.zone ? 0 : 1);
  }

  /** The state of an endpoint has changed. */
  refresh(endpoint: Endpoint): void {
    const level = this.#levelOf(endpoint);
    if (level === undefined) return;
    level.put(endpoint);
    this.#choose();
  }

  remove(endpoint: Endpoint): void {
    const level = this.#levelOf(endpoint);
    if (level !== undefined) this.#leave(endpoint, level);
  }

  /** One that was not tried, if there is any: of the levels in use first, then of those that stand by. A scan. */
  untried(tried: readonly Endpoint[]): Endpoint | undefined {
    for (const inUse of [true, false]) {
      for (const level of this.levels) {
        const found = level.share > 0 === inUse ? level.endpoints.find((endpoint) => !tried.includes(endpoint)) : undefined;
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** Whether one is ready that was not tried. Looks at no more endpoints than were tried, and one. */
  readyBeside(tried: readonly Endpoint[]): boolean {
    for (const { ready } of this.levels) {
      if (ready.size > tried.length || ready.items.some((endpoint) => !tried.includes(endpoint))) return true;
    }
    return false;
  }

  #leave(endpoint: Endpoint, level: Level): void {
    level.remove(endpoint);
    this.#zones?.remove(endpoint);
    if (level.members.size === 0) this.levels.splice(this.levels.indexOf(level), 1);
    this.#choose();
  }

  #levelOf(endpoint: Endpoint): Level | undefined {
    for (const level of this.levels) if (level.members.has(endpoint)) return level;
    return undefined;
  }

  #levelOfRank(rank: number): Level | undefined {
    for (const level of this.levels) if (level.rank === rank) return level;
    return undefined;
  }

  #add(level: Level): Level {
    const { levels } = this;
    let place = levels.length;
    while (place > 0 && levels[place - 1]!.rank > level.rank) place--;
    levels.splice(place, 0, level);
    return level;
  }

  #choose(): void {
    const { levels } = this;
    spread(levels, this.panicBelow, this.#fairSize);
    this.#sharing.length = this.#bounds.length = 0;
    this.due = undefined;
    this.ready = 0;
    let bound = 0;
    let last = 0;
    for (const [index, level] of levels.entries()) {
      this.ready += level.ready.size;
      if (level.share === 0) continue;
      bound += level.share;
      this.#sharing.push(level);
      this.#bounds.push(bound);
      last = index;
    }
    this.#only = this.#sharing.length === 1 ? this.#sharing[0] : undefined;
    // Nobody needs to know whether one that stands by works again, and finding out risks a call. With nobody ready, everybody is needed.
    const probed = this.ready === 0 ? levels.length : last + 1;
    for (let index = 0; index < probed && this.due === undefined; index++) this.due = levels[index]!.due.items[0];
  }
}
