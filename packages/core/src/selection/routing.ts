import type { Call } from '../call/call.js';
import { checkList, checkOptions, checkRecord, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Instance } from '../registry/registry.js';
import { textReader } from '../call/call-field.js';
import type { CallField, NamedValues } from '../call/call-field.js';
import { conditionOf } from './condition.js';
import type { Condition } from './condition.js';
import type { Router, Target, TargetStates } from './router.js';
import { fnv1a, placeOf } from '../balancing/stable-hash.js';
import { targetOf } from './target.js';
import type { TargetOptions } from './target.js';

/** Plain data but for functions, RegExps and keys of values, which only code can give. */
export interface RoutingRule {
  /** For people and for `stats()`; one rule each. */
  readonly name: string;
  /** Whose calls it is for. Default: those of every service that this routing is used with. */
  readonly service?: string;
  /** Rules with a higher one are asked first. Default 0. */
  readonly priority?: number;
  /** Its part of the calls that other rules of the same priority match too, 0 or more; 0 turns the rule off. Default 1. */
  readonly weight?: number;
  /** All have to hold. Default: every call matches. */
  readonly match?: readonly Condition[];
  /** Where matching calls go. */
  readonly target: TargetOptions | ((instance: Instance) => boolean);
  /** Calls that say the same there always get the same of several rules. Default: that of the routing. */
  readonly stableKey?: CallField | ((call: Call) => string | undefined);
  /**
   * When nobody of the target can take the call: `refuse` it (UNAVAILABLE, `NO_ENDPOINT`; instances that are there but fail are still called, by the
   * rules of panic), `next`: as if the rule did not match, `any`: as if no rule did. Default `refuse`.
   */
  readonly whenEmpty?: 'refuse' | 'next' | 'any';
}

export interface RoutingOptions {
  /** For rules that name none: see there. Default: the choice among several rules is random. */
  readonly stableKey?: CallField | ((call: Call) => string | undefined);
  /** What `{ callValue: name }` in rules means. */
  readonly values?: NamedValues;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** Counts of calls, retries left out. */
export interface RuleStats {
  readonly name: string;
  /** Its conditions held. Rules below one that was chosen are not asked. */
  readonly matched: number;
  /** The call went to its target. */
  readonly chosen: number;
  /** It had to be passed over, since nobody of its target could take the call. */
  readonly empty: number;
}

/** What `routing()` makes. It may serve several clients; its counts are of all of them. */
export interface Routing extends Router {
  /** The rules in the order in which they are asked. */
  stats(): readonly RuleStats[];
}

const OPTIONS = namesOf<RoutingOptions>({ stableKey: true, values: true, random: true });
const RULE = namesOf<RoutingRule>({
  name: true,
  service: true,
  priority: true,
  weight: true,
  match: true,
  target: true,
  stableKey: true,
  whenEmpty: true,
});
const WHEN_EMPTY: readonly unknown[] = ['refuse', 'next', 'any'];

/**
 * Sends calls to some of a service's instances, by what they say:
 *
 *     routing([
 *       { name: 'testers', priority: 10, match: [{ header: 'x-env', op: 'equals', value: 'staging' }], target: { tags: ['staging'] } },
 *       { name: 'new', weight: 10, target: { version: '^2' }, stableKey: { principal: 'id' }, whenEmpty: 'any' },
 *       { name: 'old', weight: 90, target: { version: '^1' } },
 *     ])
 *
 * Of the rules that match, those of the highest priority count, and one of them is chosen by weight; a single one gets all. With a stable key the same key
 * always gets the same one, and raising a rule's weight only moves keys to it (weighted rendezvous hashing). Calls that no rule matches reach all
 * instances. A retry stays with its call's target. Each rule is compiled here, and a call costs one step for each condition that is asked.
 * @throws TypeError naming the rule and what does not fit.
 */
export function routing(rules: readonly RoutingRule[], options: RoutingOptions = {}): Routing {
  if (!Array.isArray(rules)) throw new TypeError(`routing: ${shown(rules)} is no list of rules. Give an array of { name, match, target }.`);
  checkOptions('routing', options, OPTIONS);
  checkSurroundings('routing', options);
  checkRecord(options.values, 'routing values');
  const usual = options.stableKey === undefined ? undefined : textReader(options.stableKey, 'routing stableKey', options.values);
  const compiled = rules.map((rule: RoutingRule, index) => new Rule(rule, index, options.values ?? {}, usual));
  const names = new Set<string>();
  for (const { name } of compiled) {
    if (names.has(name))
      throw new TypeError(`routing: two rules are named ${shown(name)}. Give each its own name, by which its counts are told apart.`);
    names.add(name);
  }
  // A stable sort: rules of one priority stay as they were written.
  compiled.sort((a, b) => b.priority - a.priority);
  return new RuleRouter(compiled, options.random ?? Math.random);
}

class Rule {
  readonly name: string;
  readonly service: string | undefined;
  readonly priority: number;
  readonly weight: number;
  readonly target: Target;
  readonly whenEmpty: NonNullable<RoutingRule['whenEmpty']>;
  readonly keyOf: ((call: Call) => string | undefined) | undefined;
  readonly seed: number;
  matched = 0;
  chosen = 0;
  empty = 0;
  readonly #conditions: readonly ((call: Call) => boolean)[];

  constructor(rule: RoutingRule, index: number, values: NamedValues, usualKey: ((call: Call) => string | undefined) | undefined) {
    checkOptions(`routing rules[${index}]`, rule, RULE);
    const { name, service, priority = 0, weight = 1, match = [], stableKey, whenEmpty = 'refuse' } = rule;
    if (typeof name !== 'string' || name === '')
      throw new TypeError(`routing rules[${index}] name: ${shown(name)} is no name. Give one, by which its counts are told apart.`);
    const where = `routing rule ${shown(name)}`;
    if (service !== undefined && (typeof service !== 'string' || service === ''))
      throw new TypeError(`${where} service: ${shown(service)} is no name. Give the service's, or leave it out.`);
    if (!Number.isFinite(priority)) throw new TypeError(`${where} priority: ${shown(priority)} is no number. Give one; the highest is asked first.`);
    if (typeof weight !== 'number' || !(weight >= 0 && weight < Infinity))
      throw new TypeError(`${where} weight: ${shown(weight)} is no weight. Give a number from 0.`);
    checkList(match, `${where} match`, "conditions, such as { header: 'x-tenant', op: 'equals', value: 'acme' }");
    if (rule.target === undefined)
      throw new TypeError(`${where} target: it is missing. Give one, such as { version: '^2' }; {} stands for all instances.`);
    if (!WHEN_EMPTY.includes(whenEmpty))
      throw new TypeError(`${where} whenEmpty: ${shown(whenEmpty)} is unknown. Use one of ${WHEN_EMPTY.join(', ')}.`);
    this.name = name;
    this.service = service;
    this.priority = priority;
    this.weight = weight;
    this.whenEmpty = whenEmpty;
    this.target = targetOf(rule.target, `${where} target`);
    this.keyOf = stableKey === undefined ? usualKey : textReader(stableKey, `${where} stableKey`, values);
    // The same keys are not the first to meet what is new in every service.
    this.seed = fnv1a(`${service ?? ''}/${name}`);
    this.#conditions = match.map((condition, at) => conditionOf(condition, `${where} match[${at}]`, values));
  }

  matches(call: Call): boolean {
    if (this.weight === 0 || (this.service !== undefined && this.service !== call.operation.service)) return false;
    for (const holds of this.#conditions) if (!holds(call)) return false;
    return true;
  }
}

class RuleRouter implements Routing {
  readonly name = 'routing';
  readonly targets: readonly Target[];
  readonly #rules: readonly Rule[];
  readonly #random: () => number;
  /** Those of one priority that match the call at hand: kept, so that a pick allocates nothing. */
  readonly #matching: Rule[] = [];

  constructor(rules: readonly Rule[], random: () => number) {
    this.#rules = rules;
    this.#random = random;
    this.targets = rules.map(({ target }) => target);
  }

  route(call: Call, states: TargetStates): Target | undefined {
    const rules = this.#rules;
    const matching = this.#matching;
    for (let index = 0; index < rules.length;) {
      const { priority } = rules[index]!;
      matching.length = 0;
      for (; index < rules.length && rules[index]!.priority === priority; index++) {
        const rule = rules[index]!;
        if (!rule.matches(call)) continue;
        rule.matched++;
        matching.push(rule);
      }
      while (matching.length > 0) {
        const place = matching.length === 1 ? 0 : this.#choose(matching, call);
        const rule = matching[place]!;
        if (rule.whenEmpty === 'refuse' || !states.isEmpty(rule.target, call)) {
          rule.chosen++;
          return rule.target;
        }
        rule.empty++;
        if (rule.whenEmpty === 'any') return undefined;
        matching.splice(place, 1);
      }
    }
    return undefined;
  }

  stats(): readonly RuleStats[] {
    return this.#rules.map(({ name, matched, chosen, empty }) => ({ name, matched, chosen, empty }));
  }

  #choose(matching: readonly Rule[], call: Call): number {
    let key: string | undefined;
    for (let index = 0; index < matching.length && key === undefined; index++) key = matching[index]!.keyOf?.(call);
    return key === undefined ? byWeight(matching, this.#random()) : byKey(matching, key);
  }
}

function byWeight(rules: readonly Rule[], draw: number): number {
  let sum = 0;
  for (const { weight } of rules) sum += weight;
  let left = draw * sum;
  for (let index = 0; index < rules.length - 1; index++) {
    left -= rules[index]!.weight;
    if (left < 0) return index;
  }
  return rules.length - 1;
}

/**
 * Weighted rendezvous hashing: each rule draws a number for the key, of which larger weights are likelier to draw the largest. A rule's number
 * depends on its own weight alone, so that one that is raised, lowered, added or taken away moves only keys to it or from it.
 */
function byKey(rules: readonly Rule[], key: string): number {
  let best = 0;
  let bestDraw = Infinity;
  for (let index = 0; index < rules.length; index++) {
    const { seed, weight } = rules[index]!;
    const draw = -Math.log(placeOf(key, seed) + 2 ** -33) / weight;
    if (draw < bestDraw) {
      best = index;
      bestDraw = draw;
    }
  }
  return best;
}
