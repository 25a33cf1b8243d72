import type { Balancer } from '../balancing/balancer.js';
import type { Ejector } from '../balancing/ejector.js';
import type { Fleet, Load } from '../balancing/load.js';
import { subset } from '../balancing/subset.js';
import { checkFunction, checkList, checkMethods, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { SelectorOptions } from './service-selector.js';

const OPTIONS = namesOf<SelectorOptions>({
  service: true,
  directory: true,
  balancer: true,
  fallback: true,
  ejector: true,
  filters: true,
  routing: true,
  zone: true,
  subset: true,
  health: true,
  clock: true,
  random: true,
  logger: true,
  onPriority: true,
  onArrival: true,
  onDeparture: true,
});

/** @throws TypeError when an option of `createSelector` is missing or wrong. */
export function checkSelectorOptions(options: SelectorOptions): void {
  checkOptions('createSelector', options, OPTIONS);
  checkSurroundings('createSelector', options);
  checkList(options.filters, 'createSelector filters', 'filters { key?(call), keep(instance, key) }');
  checkFunction(options.subset, 'createSelector subset');
  // It is a function too, and would fail at the first list, behind everybody's back.
  if ((options.subset as unknown) === subset)
    throw new TypeError("createSelector subset: the function subset itself chooses nothing. Call it first, such as subset({ client: 'gateway-7' }).");
  checkFunction(options.onPriority, 'createSelector onPriority');
  checkFunction(options.onArrival, 'createSelector onArrival');
  checkFunction(options.onDeparture, 'createSelector onDeparture');
  const { service, directory, balancer, fallback, ejector = false, zone, filters = [] } = options;
  if (typeof service !== 'string' || service === '')
    throw new TypeError(`createSelector service: ${shown(service)} is no name. Give the service's name, such as 'orders'.`);
  if (directory === undefined) throw new TypeError('createSelector directory: it is missing. Give what createDirectory() made.');
  checkMethods(directory, ['lookup', 'subscribe'], 'createSelector directory', 'Give what createDirectory() made');
  if (ejector !== false && typeof (ejector as Partial<Ejector> | null)?.windowMs !== 'number')
    throw new TypeError(`createSelector ejector: ${shown(ejector)} is none. Give what ejector({ … }) made, or false.`);
  checkBalancer(balancer, 'createSelector balancer');
  checkBalancer(fallback, 'createSelector fallback');
  checkEach(filters, ['keep'], 'filters', 'Give objects { key?(call), keep(instance, key) }');
  checkEach(listOf(options.routing), ['route'], 'routing', 'Give what routing() or canary() made, or an object { name, route(call, states) }');
  checkEach(listOf(options.health), ['healthOf', 'onChange'], 'health', 'Give an object { healthOf(instance), onChange(listener) }');
  if (zone !== undefined && (typeof zone !== 'string' || zone === ''))
    throw new TypeError(`createSelector zone: ${shown(zone)} is no zone. Give the name that instances here are registered with, such as 'eu-1'.`);
}

/** A balancer, or nothing. @throws TypeError */
export function checkBalancer(value: Balancer | undefined, option: string): void {
  checkMethods(value, ['pick'], option, 'Give a balancer such as p2c(); a factory has to be called');
  checkMethods(value?.load, ['fleet'], `${option}.load`, 'Give a Load such as relativeLatency(), or leave it out');
}

function checkEach(values: readonly (object | undefined)[], methods: readonly string[], option: string, remedy: string): void {
  for (const value of values) checkMethods(value ?? null, methods, `createSelector ${option}`, remedy);
}

/** The fleet of a load, of which one meter is made to see whether it is one: in a list's listener or a reply's it would fail behind everybody's back. @throws TypeError */
export function checkedFleet(load: Load): Fleet {
  const fleet = load.fleet();
  checkMethods(fleet ?? null, ['meter'], `load ${shown(load.name)} fleet()`, 'Return a Fleet { meter() }');
  checkMethods(
    fleet.meter() ?? null,
    ['cost', 'observe'],
    `load ${shown(load.name)} meter()`,
    'Return a Meter { cost(endpoint, now), observe(latencyMs, ending, now) }',
  );
  return fleet;
}

/** One, many or none, as a list. */
export function listOf<T extends object>(given: T | readonly T[] | undefined): readonly T[] {
  return given === undefined ? [] : Array.isArray(given) ? (given as readonly T[]) : [given as T];
}
