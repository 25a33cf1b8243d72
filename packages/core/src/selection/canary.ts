import type { Call } from '../call/call.js';
import { checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Instance } from '../registry/registry.js';
import { textReader } from '../call/call-field.js';
import type { CallField } from '../call/call-field.js';
import type { Router, Target, TargetStates } from './router.js';
import { fnv1a, placeOf } from '../balancing/stable-hash.js';
import { targetOf } from './target.js';
import type { TargetOptions } from './target.js';

export interface CanaryOptions {
  /** How many of a hundred keys are canaries, 0 to 100; fractions count too. */
  readonly percent: number;
  /** Who a call is made for. The same key is always on the same side. */
  readonly by: CallField | ((call: Call) => string | undefined);
  readonly canary: TargetOptions | ((instance: Instance) => boolean);
  /** Default: all instances that are no canaries. */
  readonly stable?: TargetOptions | ((instance: Instance) => boolean);
  /** A header by which testers choose their side: `always` or `never`. Whoever can set it can choose. Default: none is read. */
  readonly header?: string;
  /** Calls without a key: all to the stable side, or a random `percent` of them to the canaries. Default `stable`. */
  readonly withoutKey?: 'stable' | 'random';
  /** When nobody of its side can take a call: to the `other` side, or `refuse` it. Default `other`. */
  readonly whenEmpty?: 'other' | 'refuse';
  /** Who the canaries are depends on it. Default: the name of the service that is called, so that the same people are not always the first to meet what is new. */
  readonly salt?: string;
  /** Numbers from 0 to below 1, for `withoutKey`. Default `Math.random`. */
  readonly random?: () => number;
}

/** Counts of calls, retries left out. */
export interface CanaryStats {
  readonly canary: number;
  readonly stable: number;
  /** Of both, those whose side the header chose. */
  readonly forced: number;
  /** Of both, those without a key. */
  readonly withoutKey: number;
  /** Of both, those that were meant for the other side, where nobody could take them. */
  readonly empty: number;
}

/** What `canary()` makes. It may serve several clients; its counts are of all of them. */
export interface Canary extends Router {
  /** May be set at any time. @throws TypeError when it is no number from 0 to 100. */
  percent: number;
  stats(): CanaryStats;
}

const OPTIONS = namesOf<CanaryOptions>({
  percent: true,
  by: true,
  canary: true,
  stable: true,
  header: true,
  withoutKey: true,
  whenEmpty: true,
  salt: true,
  random: true,
});

/**
 * Sends a part of the callers to other instances: `canary({ percent: 5, by: { principal: 'id' }, canary: { version: '^2' } })`.
 *
 * A hash of the key decides, so that a caller stays on one side, in all processes, and raising the percentage only ever moves callers to the canaries:
 * who was one at 10 % is one at 20 %. 0 and 100 are exact. A retry stays with its call's side.
 * @throws TypeError for an option that is missing or does not fit.
 */
export function canary(options: CanaryOptions): Canary {
  checkOptions('canary', options, OPTIONS);
  checkSurroundings('canary', options);
  const { by, header, withoutKey = 'stable', whenEmpty = 'other', salt, random = Math.random } = options;
  if (by === undefined)
    throw new TypeError("canary by: it is missing. Say who a call is made for, such as { principal: 'id' } or { header: 'x-user-id' }.");
  if (options.canary === undefined) throw new TypeError("canary canary: it is missing. Give the canaries' target, such as { version: '^2' }.");
  if (header !== undefined && (typeof header !== 'string' || header === ''))
    throw new TypeError(`canary header: ${shown(header)} is no name. Give one, such as 'x-canary', or leave it out.`);
  if (withoutKey !== 'stable' && withoutKey !== 'random')
    throw new TypeError(`canary withoutKey: ${shown(withoutKey)} is unknown. Use 'stable' or 'random'.`);
  if (whenEmpty !== 'other' && whenEmpty !== 'refuse')
    throw new TypeError(`canary whenEmpty: ${shown(whenEmpty)} is unknown. Use 'other' or 'refuse'.`);
  if (salt !== undefined && typeof salt !== 'string') throw new TypeError(`canary salt: ${shown(salt)} is no text. Give one, or leave it out.`);
  const canaries = targetOf(options.canary, 'canary canary');
  const stable =
    options.stable === undefined
      ? { key: `not ${canaries.key}`, keep: (instance: Instance) => !canaries.keep(instance) }
      : targetOf(options.stable, 'canary stable');
  return new HashCanary({
    canaries,
    stable,
    keyOf: textReader(by, 'canary by'),
    wishOf: header === undefined ? undefined : textReader({ header }, 'canary header'),
    randomly: withoutKey === 'random' ? random : undefined,
    refuses: whenEmpty === 'refuse',
    salt,
    percent: options.percent,
  });
}

interface Settings {
  readonly canaries: Target;
  readonly stable: Target;
  readonly keyOf: (call: Call) => string | undefined;
  readonly wishOf: ((call: Call) => string | undefined) | undefined;
  readonly randomly: (() => number) | undefined;
  readonly refuses: boolean;
  readonly salt: string | undefined;
  readonly percent: number;
}

class HashCanary implements Canary {
  readonly name = 'canary';
  readonly targets: readonly Target[];
  readonly #settings: Settings;
  readonly #counts = { canary: 0, stable: 0, forced: 0, withoutKey: 0, empty: 0 };
  #percent = 0;
  #service: string | undefined;
  #seed = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.targets = [settings.canaries, settings.stable];
    this.percent = settings.percent;
  }

  get percent(): number {
    return this.#percent;
  }

  set percent(percent: number) {
    if (typeof percent !== 'number' || !(percent >= 0 && percent <= 100))
      throw new TypeError(`canary percent: ${shown(percent)} is none. Give a number from 0 to 100; 0.5 is one in two hundred.`);
    this.#percent = percent;
  }

  route(call: Call, states: TargetStates): Target {
    const { canaries, stable, refuses } = this.#settings;
    let chosen = this.#isCanary(call) ? canaries : stable;
    if (!refuses && states.isEmpty(chosen, call)) {
      const other = chosen === canaries ? stable : canaries;
      // With nobody on either side, the one that was chosen says why.
      if (!states.isEmpty(other, call)) {
        chosen = other;
        this.#counts.empty++;
      }
    }
    if (chosen === canaries) this.#counts.canary++;
    else this.#counts.stable++;
    return chosen;
  }

  stats(): CanaryStats {
    return { ...this.#counts };
  }

  #isCanary(call: Call): boolean {
    const { keyOf, wishOf, randomly } = this.#settings;
    const wish = wishOf?.(call)?.trim().toLowerCase();
    if (wish === 'always' || wish === 'never') {
      this.#counts.forced++;
      return wish === 'always';
    }
    const key = keyOf(call);
    const share = this.#percent / 100;
    if (key !== undefined && key !== '') return placeOf(key, this.#seedOf(call.operation.service)) < share;
    this.#counts.withoutKey++;
    return randomly !== undefined && randomly() < share;
  }

  #seedOf(service: string): number {
    if (service !== this.#service) {
      this.#service = service;
      this.#seed = fnv1a(`${this.#settings.salt ?? service}/`);
    }
    return this.#seed;
  }
}
