import { sameInstance } from '../registry/instance.js';
import type { Instance } from '../registry/registry.js';
import { reconcile } from './reconcile.js';
import type { Change } from './reconcile.js';

/** What may be called of what was told, as we keep it. @throws Error saying why this one may not. */
export type Check = (instance: Instance) => Instance;

/** In place of what was told, where it could change under our hands. */
const CHANGEABLE = Symbol('changeable');
const NOBODY: readonly Instance[] = Object.freeze([]);
const NOTHING: readonly Change[] = Object.freeze([]);

/**
 * The instances of one service. Sources hand over whole lists in which most members are the objects of the list before, so what stands at
 * both ends of two lists unchanged is neither checked nor compared again: of 5,000 instances of which one changes, one is looked at.
 * Only frozen objects are trusted to be what they were.
 */
export class KnownList {
  #instances: readonly Instance[] = NOBODY;
  /** By index: what was told in the last list, and our object for it. Empty when that list held what is not kept, so that indexes do not agree. */
  #told: readonly (Instance | typeof CHANGEABLE)[] = [];
  #own: readonly Instance[] = NOBODY;
  /** `#instances` by id. */
  readonly #byId = new Map<string, Instance>();

  /** Frozen; the same array until something changes. */
  get instances(): readonly Instance[] {
    return this.#instances;
  }

  /** Takes a list over. `skip` hears of each member that does not pass `check`. @throws TypeError when it is no list. */
  take(list: readonly Instance[], check: Check, skip: (error: unknown) => void): readonly Change[] {
    if (!Array.isArray(list)) throw new TypeError('The watch gave what is no list of instances');
    return this.#takeMiddle(list, check) ?? this.#takeAll(list, check, skip);
  }

  /** The quick way; undefined when it does not lead there. */
  #takeMiddle(list: readonly Instance[], check: Check): readonly Change[] | undefined {
    const told = this.#told;
    const shorter = Math.min(told.length, list.length);
    let start = 0;
    while (start < shorter && told[start] === list[start]) start++;
    if (start === told.length && start === list.length) return this.#own.length === this.#instances.length ? NOTHING : undefined;
    let end = 0;
    while (end < shorter - start && told[told.length - 1 - end] === list[list.length - 1 - end]) end++;
    const before = this.#own.slice(start, told.length - end);
    const middle = list.slice(start, list.length - end);
    if (before.length + middle.length > (start + end) / 2) return undefined;

    const keep = this.#kept(start, before);
    const ids = new Set(before.map(({ id }) => id));
    const checked: Instance[] = [];
    for (const instance of middle) {
      try {
        const mine = keep.get(instance) ?? this.#unchanged(instance) ?? check(instance);
        if (this.#byId.has(mine.id) && !ids.has(mine.id)) return undefined;
        checked.push(mine);
      } catch {
        return undefined;
      }
    }
    const { instances, changes } = reconcile(before, checked);
    if (instances.length < middle.length) return undefined;
    this.#remember(list, [...this.#own.slice(0, start), ...instances, ...this.#own.slice(told.length - end)], changes);
    return changes;
  }

  #takeAll(list: readonly Instance[], check: Check, skip: (error: unknown) => void): readonly Change[] {
    const keep = this.#kept(0, this.#own);
    for (const instance of this.#instances) keep.set(instance, instance);
    const checked: Instance[] = [];
    for (const instance of list) {
      try {
        checked.push(keep.get(instance) ?? this.#unchanged(instance) ?? check(instance));
      } catch (error) {
        skip(error);
      }
    }
    const { instances, changes } = reconcile(this.#instances, checked);
    this.#remember(instances.length === list.length ? list : NOBODY, instances, changes);
    return changes;
  }

  /** Ours, when it says the same: then it passed the check already, and comparing costs a third of checking. */
  #unchanged(instance: Instance): Instance | undefined {
    // A member may be anything.
    const mine = this.#byId.get((instance as Instance | null)?.id ?? '');
    return mine !== undefined && sameInstance(mine, instance) ? mine : undefined;
  }

  #kept(start: number, own: readonly Instance[]): Map<unknown, Instance> {
    const kept = new Map<unknown, Instance>();
    if (this.#told.length === 0) return kept;
    for (const [index, instance] of own.entries()) kept.set(this.#told[start + index], instance);
    kept.delete(CHANGEABLE);
    return kept;
  }

  #remember(list: readonly Instance[], own: readonly Instance[], changes: readonly Change[]): void {
    this.#told = list.map((instance) => (Object.isFrozen(instance) ? instance : CHANGEABLE));
    this.#own = list.length === own.length ? own : NOBODY;
    if (changes.length === 0) return;
    this.#instances = Object.freeze([...own]);
    for (const { type, instance } of changes) {
      if (type === 'deregister') this.#byId.delete(instance.id);
      else this.#byId.set(instance.id, instance);
    }
  }
}
