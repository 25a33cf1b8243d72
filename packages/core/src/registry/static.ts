import { checkMethods, checkOptions, checkRecord, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { questions } from './dns-resolver.js';
import type { DnsResolver } from './dns-resolver.js';
import type { AddressFamily } from './find-addresses.js';
import { checkServiceName } from './instance.js';
import { inProcessRegistry } from './memory.js';
import type { NameWatchSettings } from './name-watch.js';
import { newest } from './newest.js';
import type { Registry } from './registry.js';
import { checkAddresses } from './static-address.js';
import type { StaticAddress, StaticEntry } from './static-address.js';
import { StaticService } from './static-service.js';

export interface StaticRegistry extends Registry {
  /** Adds addresses to a service; one that is there already takes the new fields (weight, status, …). @throws TypeError naming a bad address; then none was added. */
  add(service: string, ...addresses: readonly StaticAddress[]): void;
  /** Takes addresses away, by what they were added as. Returns whether all of them were there. @throws TypeError naming a bad address; then none was removed. */
  remove(service: string, ...addresses: readonly StaticAddress[]): boolean;
  /** Puts these in the place of all addresses of a service, as one change: those that stay keep their endpoints. Without any it has none left. @throws TypeError as `add` */
  replace(service: string, ...addresses: readonly StaticAddress[]): void;
}

export interface StaticRegistryOptions {
  /**
   * Whether a host name stands for its addresses, one instance each, asked for again by their time to live while somebody watches the
   * service. TLS certificate and `Host` header stay those of the name. Default true; false leaves a name to whoever connects. `localhost` always is.
   */
  readonly resolve?: boolean | ResolveOptions;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

export interface ResolveOptions {
  /** Asked alone. Default: the DNS servers of this machine, then what it knows itself (`/etc/hosts`, search domains). */
  readonly resolver?: DnsResolver;
  /** Which addresses count. Default: the IPv4 ones, and the IPv6 ones of a host that has no others. */
  readonly family?: AddressFamily;
  /** A shorter time to live counts as this. Default 1 s, at least 100 ms. */
  readonly minTtl?: Duration;
  /** A longer one as this. Default 5 min. */
  readonly maxTtl?: Duration;
  /** What comes without one (`/etc/hosts`, SRV records) is asked for again after this. Default 30 s. */
  readonly defaultTtl?: Duration;
  /** How long the last addresses are served while the name cannot be resolved. Default 1 h. */
  readonly staleFor?: Duration;
}

const OPTIONS = namesOf<StaticRegistryOptions>({ resolve: true, logger: true, clock: true, random: true });
const RESOLVE_OPTIONS = namesOf<ResolveOptions>({ resolver: true, family: true, minTtl: true, maxTtl: true, defaultTtl: true, staleFor: true });

/**
 * Fixed addresses by service, for when there is no registry to ask. An id is made of service, host and port, so that an endpoint keeps
 * what was learnt about it however often its address is added again. What a process registers here is seen by itself alone.
 *
 * A watch of a service gives its first list when all of its names have been answered or have failed. While names cannot be resolved their last
 * addresses stay (`staleFor`); when none is known at all, the watch throws. Names that have no address are told to the logger.
 * @throws TypeError naming a bad service, address or option.
 */
export function staticRegistry(
  services: Readonly<Record<string, StaticAddress | readonly StaticAddress[]>> = {},
  options: StaticRegistryOptions = {},
): StaticRegistry {
  checkRecord(services, 'staticRegistry');
  checkOptions('staticRegistry options', options, OPTIONS);
  checkSurroundings('staticRegistry', options);
  const settings = resolving(options);
  const registry = inProcessRegistry('static');
  const known = new Map<string, StaticService>();

  const serviceOf = (service: string): StaticService => {
    let found = known.get(service);
    if (found === undefined) known.set(service, (found = new StaticService(service, registry, settings)));
    return found;
  };
  const checked = (service: string, addresses: readonly StaticAddress[]): readonly StaticEntry[] => {
    const entries = checkAddresses(service, addresses);
    if (settings === undefined && entries.some(({ srv }) => srv))
      throw new TypeError(`Service ${shown(service)}: SRV records have to be resolved. Leave out resolve: false, or give host and port.`);
    return entries;
  };
  const idsOf = (entries: readonly StaticEntry[]): readonly string[] => entries.map(({ instance }) => instance.id);

  const fixed: StaticRegistry = {
    name: registry.name,
    register: (instance, given) => registry.register(instance, given),
    add: (service, ...addresses) => void serviceOf(service).change([], checked(service, addresses)),
    remove: (service, ...addresses) => serviceOf(service).change(idsOf(checked(service, addresses)), []),
    replace(service, ...addresses) {
      const entries = checked(service, addresses);
      serviceOf(service).change(serviceOf(service).except(entries), entries);
    },
    watch(service, signal) {
      checkServiceName(service);
      return newest(signal, (sink) => {
        registry.open();
        return serviceOf(service).subscribe(sink);
      });
    },
    async services(signal) {
      const registered = await registry.services(signal);
      // A name that nobody watches has no instances, but a service.
      const fixedOnes = [...known].filter(([, { size }]) => size > 0).map(([service]) => service);
      return [...new Set([...registered, ...fixedOnes])].sort();
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      for (const service of known.values()) service.close();
      known.clear();
    },
  };
  for (const [service, addresses] of Object.entries(services)) fixed.add(service, ...(isList(addresses) ? addresses : [addresses]));
  return fixed;
}

const isList = (value: StaticAddress | readonly StaticAddress[]): value is readonly StaticAddress[] => Array.isArray(value);

/** @throws TypeError for an option that does not fit; undefined when names are left alone */
function resolving({
  resolve = true,
  clock = systemClock,
  random = Math.random,
  logger = silentLogger,
}: StaticRegistryOptions): NameWatchSettings | undefined {
  if (resolve === false) return undefined;
  const given: ResolveOptions = resolve === true ? {} : resolve;
  const option = 'staticRegistry resolve';
  checkOptions(option, given, RESOLVE_OPTIONS);
  const { resolver, family } = given;
  checkMethods(resolver, ['resolve4', 'resolve6', 'resolveSrv'], `${option}.resolver`, 'Give a Resolver of node:dns/promises');
  if (family !== undefined && family !== 4 && family !== 6 && family !== 'all')
    throw new TypeError(`${option}.family: ${shown(family)} does not fit. Give 4, 6 or 'all'.`);
  const minTtlMs = toMs(given.minTtl ?? 1_000, `${option}.minTtl`);
  const maxTtlMs = toMs(given.maxTtl ?? 300_000, `${option}.maxTtl`);
  if (minTtlMs < 100)
    throw new TypeError(`${option}.minTtl: ${shown(given.minTtl)} is too short: a time to live of 0 would be a hot loop. Give at least 100 ms.`);
  if (maxTtlMs < minTtlMs) throw new TypeError(`${option}.maxTtl: ${maxTtlMs} ms is shorter than minTtl, ${minTtlMs} ms. Make it at least as long.`);
  return {
    question: questions(resolver),
    family,
    minTtlMs,
    maxTtlMs,
    defaultTtlMs: toMs(given.defaultTtl ?? 30_000, `${option}.defaultTtl`),
    staleForMs: toMs(given.staleFor ?? 3_600_000, `${option}.staleFor`),
    clock,
    random,
    logger,
  };
}
