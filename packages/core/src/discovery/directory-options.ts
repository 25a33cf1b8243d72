import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkFunction, checkMethods, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { ReconnectBounds } from '../registry/reconnect.js';
import type { Discovery, Instance } from '../registry/registry.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { isForbiddenHost } from '../options/forbidden-host.js';
import type { SnapshotStore } from './snapshot-store.js';

export interface DirectoryOptions {
  /** Where the lists come from. It stays open when the directory is disposed of. */
  readonly discovery: Discovery;
  /** How long the last good list is served while the registry is away. Then it is given up, and calls fail until there is a new one. Default 1 h. */
  readonly staleFor?: Duration;
  /** A service that nobody asked about or subscribed to for so long, or up to an eighth longer, is no longer watched. Default 10 min. */
  readonly idleAfter?: Duration;
  /**
   * Level 2: last good lists that outlive the process, such as `fileStore()`. Asked about a service at its first lookup, together with the
   * registry; its list is served, as stale, when the registry fails or has not answered after `storeWait`, until it does. What the registry
   * tells is written there, and again every so often, so that its age shows how long ago it was true. It never fails or delays a lookup, and stays
   * open when the directory is disposed of. Default none.
   */
  readonly store?: SnapshotStore;
  /** How long the registry may take for its first list before that of the store is served. Default 250 ms. */
  readonly storeWait?: Duration;
  /** A `refresh` asks about a service no sooner after the registry was last asked for its list. Default 5 s, at least 100 ms. */
  readonly minRefreshInterval?: Duration;
  /** How many services are watched at most. One more ends the watch that was idle longest. Default 1,000. */
  readonly maxServices?: number;
  /**
   * Wait before watching again after a failure: uniform from 0 to a bound that starts with `base`, doubles and ends at `cap`, but at least
   * `floor`. Defaults 100 ms (at least 10 ms), 500 ms, 15 s.
   */
  readonly reconnect?: { readonly floor?: Duration; readonly base?: Duration; readonly cap?: Duration };
  /** Which instances may be called. Default: those whose host is neither link-local, multicast nor a cloud's metadata service. */
  readonly accept?: (instance: Instance) => boolean;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Uniform from 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

const OPTIONS = namesOf<DirectoryOptions>({
  discovery: true,
  staleFor: true,
  idleAfter: true,
  store: true,
  storeWait: true,
  minRefreshInterval: true,
  maxServices: true,
  reconnect: true,
  accept: true,
  logger: true,
  clock: true,
  random: true,
});

/** The options with their defaults, as numbers of milliseconds. */
export interface DirectorySettings {
  readonly discovery: Discovery;
  readonly staleForMs: number;
  readonly idleAfterMs: number;
  readonly store: SnapshotStore | undefined;
  readonly storeWaitMs: number;
  readonly minRefreshMs: number;
  readonly maxServices: number;
  readonly reconnect: ReconnectBounds;
  readonly accept: (instance: Instance) => boolean;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** @throws TypeError for an option that does not fit; `what` is who takes it. */
export function directorySettings(options: DirectoryOptions, what: string): DirectorySettings {
  checkOptions(what, options, OPTIONS);
  checkOptions(`${what} reconnect`, options.reconnect ?? {}, ['floor', 'base', 'cap']);
  checkSurroundings(what, options);
  checkFunction(options.accept, `${what} accept`);
  if (options.discovery === undefined) throw new TypeError(`${what} discovery: it is missing. Give a registry, for example fileRegistry().`);
  checkMethods(options.discovery, ['watch'], `${what} discovery`, 'Give a registry, for example fileRegistry()');
  checkMethods(options.store, ['load', 'save'], `${what} store`, 'Give a SnapshotStore, for example fileStore()');
  const { discovery, store, clock = systemClock, random = Math.random, logger = silentLogger, maxServices = 1_000, reconnect = {} } = options;
  const { accept = (instance) => !isForbiddenHost(instance.host) } = options;
  if (!Number.isInteger(maxServices) || maxServices < 1)
    throw new TypeError(`${what} maxServices: ${shown(maxServices)} does not fit. Give an integer from 1.`);
  const atLeast = (option: string, given: Duration | undefined, otherwise: number, leastMs: number, why = ''): number => {
    const ms = toMs(given ?? otherwise, `${what} ${option}`);
    if (ms < leastMs) throw new TypeError(`${what} ${option}: ${shown(given)} is too short${why}. Give at least ${leastMs} ms.`);
    return ms;
  };
  return {
    discovery,
    store,
    clock,
    random,
    logger,
    maxServices,
    accept,
    staleForMs: atLeast('staleFor', options.staleFor, 3_600_000, 0),
    idleAfterMs: atLeast('idleAfter', options.idleAfter, 600_000, 1),
    storeWaitMs: atLeast('storeWait', options.storeWait, 250, 0),
    minRefreshMs: atLeast('minRefreshInterval', options.minRefreshInterval, 5_000, 100, ': callers would make a hot loop'),
    reconnect: {
      floorMs: atLeast('reconnect.floor', reconnect.floor, 100, 10, ': a failing registry would meet a hot loop'),
      baseMs: atLeast('reconnect.base', reconnect.base, 500, 0),
      capMs: atLeast('reconnect.cap', reconnect.cap, 15_000, 0),
    },
  };
}
