import { ServiceError } from '../errors/service-error.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkServiceName } from '../registry/instance.js';
import type { Discovery, Instance } from '../registry/registry.js';
import { systemClock } from '../time/clock.js';
import type { Clock, Timer } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { checkFunction, checkMethods, checkOptions, checkSignal, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { isForbiddenHost } from './address-filter.js';
import type { Directory, DirectoryEvent, Snapshot } from './directory.js';
import { ServiceWatch } from './service-watch.js';
import type { ServiceWatchOptions } from './service-watch.js';

export interface DirectoryOptions {
  /** Where the lists come from. It stays open when the directory is disposed of. */
  readonly discovery: Discovery;
  /** How long the last good list is served while the registry is away. Then it is given up, and calls fail until there is a new one. Default 1 h. */
  readonly staleFor?: Duration;
  /** A service that nobody asked about or subscribed to for so long is no longer watched. Default 10 min. */
  readonly idleAfter?: Duration;
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
  maxServices: true,
  reconnect: true,
  accept: true,
  logger: true,
  clock: true,
  random: true,
});

/**
 * The cache in front of a Discovery: one watch a service however many ask, the last good list while the registry is away, and the same
 * object for an instance until it changes.
 *
 * Instances with status `fail` stay in the snapshot: they are there, and what was learnt about them must survive; whoever picks skips them.
 * @throws TypeError for an option that does not fit.
 */
export function createDirectory(options: DirectoryOptions): Directory {
  checkOptions('createDirectory', options, OPTIONS);
  checkOptions('createDirectory reconnect', options.reconnect ?? {}, ['floor', 'base', 'cap']);
  checkSurroundings('createDirectory', options);
  checkFunction(options.accept, 'createDirectory accept');
  if (options.discovery === undefined) throw new TypeError('createDirectory discovery: it is missing. Give a registry, for example fileRegistry().');
  checkMethods(options.discovery, ['watch'], 'createDirectory discovery', 'Give a registry, for example fileRegistry()');
  const { discovery, clock = systemClock, random = Math.random, logger = silentLogger, maxServices = 1_000, reconnect = {} } = options;
  const idleAfterMs = toMs(options.idleAfter ?? 600_000, 'createDirectory idleAfter');
  if (!Number.isInteger(maxServices) || maxServices < 1)
    throw new TypeError(`createDirectory maxServices: ${shown(maxServices)} does not fit. Give an integer from 1.`);
  if (idleAfterMs < 1) throw new TypeError(`createDirectory idleAfter: ${shown(options.idleAfter)} is too short. Give at least 1 ms.`);

  const reconnectMs = {
    floorMs: toMs(reconnect.floor ?? 100, 'createDirectory reconnect.floor'),
    baseMs: toMs(reconnect.base ?? 500, 'createDirectory reconnect.base'),
    capMs: toMs(reconnect.cap ?? 15_000, 'createDirectory reconnect.cap'),
  };
  if (reconnectMs.floorMs < 10) {
    throw new TypeError(
      `createDirectory reconnect.floor: ${shown(reconnect.floor)} is too short: a failing registry would meet a hot loop. Give at least 10 ms.`,
    );
  }

  const watches = new Map<string, ServiceWatch>();
  const waiting = new Set<(error: unknown) => void>();
  const changeListeners = new Set<(event: DirectoryEvent) => void>();
  let sweep: Timer | undefined;
  let closed = false;

  const watchOptions: ServiceWatchOptions = {
    discovery,
    clock,
    random,
    logger,
    staleForMs: toMs(options.staleFor ?? 3_600_000, 'createDirectory staleFor'),
    reconnect: reconnectMs,
    accept: options.accept ?? ((instance) => !isForbiddenHost(instance.host)),
    onEvent(event) {
      for (const listener of [...changeListeners]) {
        try {
          listener(event);
        } catch (error) {
          logger.error({ service: event.service, error }, 'A listener of the directory threw');
        }
      }
    },
  };

  const end = (watch: ServiceWatch): void => {
    watches.delete(watch.service);
    watch.end();
  };

  const idlest = (): ServiceWatch | undefined => {
    let found: ServiceWatch | undefined;
    for (const watch of watches.values()) if (watch.listeners.size === 0 && (found === undefined || watch.usedAt < found.usedAt)) found = watch;
    return found;
  };

  const endIdle = (): void => {
    sweep = undefined;
    const now = clock.now();
    for (const watch of watches.values()) if (watch.listeners.size === 0 && now - watch.usedAt >= idleAfterMs) end(watch);
    const next = idlest();
    if (next !== undefined) sweep = clock.schedule(Math.max(1, next.usedAt + idleAfterMs - now), endIdle);
  };

  const closedError = (): ServiceError => new ServiceError('UNAVAILABLE', 'The directory is closed; make a new one', { retryable: false });

  /** The watch of a service, begun if need be. @throws ServiceError when the directory is closed or full, TypeError for a bad name. */
  const watchOf = (service: string): ServiceWatch => {
    let watch = watches.get(service);
    if (watch === undefined) {
      if (closed) throw closedError();
      checkServiceName(service);
      if (watches.size >= maxServices) {
        const oldest = idlest();
        if (oldest === undefined) {
          const message = `The directory already watches ${maxServices} services that are all in use; raise maxServices`;
          throw new ServiceError('RESOURCE_EXHAUSTED', message, { retryable: false, status: 503 });
        }
        end(oldest);
      }
      watch = new ServiceWatch(service, watchOptions);
      watches.set(service, watch);
      sweep ??= clock.schedule(idleAfterMs, endIdle);
    } else {
      watch.usedAt = clock.now();
    }
    return watch;
  };

  const subscribe = (service: string, listener: (snapshot: Snapshot) => void): (() => void) => {
    const watch = watchOf(service);
    // Its own object: the same function given twice is two subscriptions.
    const heard = (snapshot: Snapshot): void => listener(snapshot);
    watch.listeners.add(heard);
    return () => {
      if (!watch.listeners.delete(heard)) return;
      watch.usedAt = clock.now();
      if (!closed) sweep ??= clock.schedule(idleAfterMs, endIdle);
    };
  };

  return {
    lookup: (service) => watchOf(service).snapshot,
    subscribe,
    async ready(service, signal) {
      checkSignal(signal, 'directory.ready signal');
      signal?.throwIfAborted();
      const known = watchOf(service).snapshot;
      if (known.state !== 'pending') return known;
      return new Promise((resolve, reject) => {
        const settle = (): void => {
          unsubscribe();
          waiting.delete(fail);
          signal?.removeEventListener('abort', aborted);
        };
        const fail = (error: unknown): void => {
          settle();
          reject(error);
        };
        const aborted = (): void => fail(signal?.reason);
        const unsubscribe = subscribe(service, (snapshot) => {
          settle();
          resolve(snapshot);
        });
        waiting.add(fail);
        signal?.addEventListener('abort', aborted, { once: true });
      });
    },
    onChange(listener) {
      const heard = (event: DirectoryEvent): void => listener(event);
      changeListeners.add(heard);
      return () => void changeListeners.delete(heard);
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      sweep?.cancel();
      for (const fail of [...waiting]) fail(closedError());
      // Whoever subscribed may have callers who wait for a first list: they have to hear that none will come.
      for (const watch of [...watches.values()]) watch.close(closedError());
      watches.clear();
      changeListeners.clear();
    },
  };
}
