import { ServiceError } from '../errors/service-error.js';
import { checkList, checkOptions, checkSignal, namesOf } from '../options/check.js';
import { checkServiceName } from '../registry/instance.js';
import type { Instance } from '../registry/registry.js';
import type { Timer } from '../time/clock.js';
import { onAbort } from '../time/on-abort.js';
import { ChangeQueue } from './change-queue.js';
import { directorySettings } from './directory-options.js';
import type { DirectoryOptions } from './directory-options.js';
import type { ChangesOptions, Directory, DirectoryEvent, DirectoryStateEvent, Snapshot } from './directory.js';
import { Listeners } from './listeners.js';
import { ServiceWatch } from './service-watch.js';
import type { ServiceWatchOptions } from './service-watch.js';
import { StoreLevel } from './store-level.js';
import { warmUp } from './warm-up.js';
import { WatchCounts } from './watch-counts.js';

export type { DirectoryOptions } from './directory-options.js';

const CHANGES = namesOf<ChangesOptions>({ services: true, signal: true });
const NOBODY: readonly Instance[] = Object.freeze([]);
/** How often a list that has not changed is written to the store again, at most. */
const RENEW_MS = 600_000;
/** How often the idle ones are looked for within `idleAfter`. */
const SWEEPS = 8;

/**
 * The cache in front of a Discovery: one watch a service however many ask, the last good list while the registry is away, and the same
 * object for an instance until it changes.
 *
 * Instances with status `fail` stay in the snapshot: they are there, and what was learnt about them must survive; whoever picks skips them.
 * @throws TypeError for an option that does not fit.
 */
export function createDirectory(options: DirectoryOptions): Directory {
  const settings = directorySettings(options, 'createDirectory');
  const { store, staleForMs, idleAfterMs, maxServices, clock, random, logger } = settings;

  const watches = new Map<string, ServiceWatch>();
  const waiting = new Set<(error: unknown) => void>();
  const changeListeners = new Listeners<DirectoryEvent>(logger);
  const stateListeners = new Listeners<DirectoryStateEvent>(logger);
  const queues = new Set<ChangeQueue>();
  /** Of the watches that have ended. */
  const ended = new WatchCounts();
  let sweep: Timer | undefined;
  let renewal: Timer | undefined;
  let closed = false;

  const level = store && new StoreLevel({ store, staleForMs, clock, logger }, (service) => void (closed || watches.get(service)?.reload()));
  const renew = (): void => {
    // Spread, so that the processes of a fleet do not write together.
    renewal = clock.schedule(Math.min(RENEW_MS, staleForMs / 4) * (0.8 + 0.2 * random()), () => {
      for (const watch of watches.values()) watch.save();
      renew();
    });
  };
  if (level !== undefined) renew();

  const watchOptions: ServiceWatchOptions = {
    ...settings,
    store: level,
    onEvent: (event) => changeListeners.tell(event),
    onState: (event) => stateListeners.tell(event),
  };

  const end = (watch: ServiceWatch): void => {
    watches.delete(watch.service);
    watch.end();
    ended.add(watch.counts, watch.snapshot.state);
  };

  const idlest = (): ServiceWatch | undefined => {
    let found: ServiceWatch | undefined;
    for (const watch of watches.values()) if (watch.listeners.size === 0 && (found === undefined || watch.usedAt < found.usedAt)) found = watch;
    return found;
  };

  /** A lookup does not look at the clock, which costs as much as the rest of it and allocates: it leaves a mark. */
  const readMarks = (): number => {
    const now = clock.now();
    for (const watch of watches.values()) {
      if (watch.used) watch.usedAt = now;
      watch.used = false;
    }
    return now;
  };

  const endIdle = (): void => {
    sweep = undefined;
    const now = readMarks();
    for (const watch of watches.values()) if (watch.listeners.size === 0 && now - watch.usedAt >= idleAfterMs) end(watch);
    if (idlest() !== undefined) sweepLater();
  };

  const sweepLater = (): void => {
    sweep ??= clock.schedule(Math.max(1, idleAfterMs / SWEEPS), endIdle);
  };

  const closedError = (): ServiceError => new ServiceError('UNAVAILABLE', 'The directory is closed; make a new one', { retryable: false });

  /** The watch of a service, begun if need be. @throws ServiceError when the directory is closed or full, TypeError for a bad name. */
  const watchOf = (service: string): ServiceWatch => {
    let watch = watches.get(service);
    if (watch === undefined) {
      if (closed) throw closedError();
      checkServiceName(service);
      if (watches.size >= maxServices) {
        readMarks();
        const oldest = idlest();
        if (oldest === undefined) {
          const message = `The directory already watches ${maxServices} services that are all in use; raise maxServices`;
          throw new ServiceError('RESOURCE_EXHAUSTED', message, { retryable: false, status: 503 });
        }
        end(oldest);
      }
      watch = new ServiceWatch(service, watchOptions);
      watches.set(service, watch);
      sweepLater();
    } else {
      watch.usedAt = clock.now();
    }
    return watch;
  };

  const subscribe = (service: string, listener: (snapshot: Snapshot) => void): (() => void) => {
    const watch = watchOf(service);
    const forget = watch.listeners.add(listener);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      forget();
      watch.usedAt = clock.now();
      if (!closed) sweepLater();
    };
  };

  /** Settles as `work` does, or rejects when the signal aborts or the directory closes first. */
  const unlessOver = <T>(signal: AbortSignal | undefined, begin: (resolve: (value: T) => void) => () => void): Promise<T> =>
    new Promise((resolve, reject) => {
      const settle = (): void => {
        leave();
        waiting.delete(fail);
        forget();
      };
      const fail = (error: unknown): void => {
        settle();
        reject(error);
      };
      const leave = begin((value) => {
        settle();
        resolve(value);
      });
      waiting.add(fail);
      const forget = signal === undefined ? () => {} : onAbort(signal, fail);
    });

  const ready = async (service: string, signal?: AbortSignal): Promise<Snapshot> => {
    checkSignal(signal, 'directory.ready signal');
    signal?.throwIfAborted();
    const watch = watchOf(service);
    watch.counts.lookups++;
    if (watch.snapshot.state !== 'pending') return watch.snapshot;
    return unlessOver(signal, (resolve) => subscribe(service, resolve));
  };

  return {
    lookup(service) {
      let watch = watches.get(service);
      if (watch === undefined) watch = watchOf(service);
      else watch.used = true;
      watch.counts.lookups++;
      return watch.snapshot;
    },
    subscribe,
    ready,
    instances: (service) => watches.get(service)?.snapshot.instances ?? NOBODY,
    async refresh(service, signal) {
      checkSignal(signal, 'directory.refresh signal');
      signal?.throwIfAborted();
      const watch = watchOf(service);
      return unlessOver(signal, (resolve) => {
        // A subscription keeps the watch from ending meanwhile.
        const leave = subscribe(service, () => {});
        void watch.refresh().then(resolve);
        return leave;
      });
    },
    warmUp: (services, warmUpOptions) => warmUp({ ready }, clock, services, warmUpOptions),
    onChange: (listener) => changeListeners.add(listener),
    onState: (listener) => stateListeners.add(listener),
    changes(changesOptions = {}) {
      checkOptions('directory.changes', changesOptions, CHANGES);
      const { services, signal } = changesOptions;
      checkList(services, 'directory.changes services', "names of services, such as ['orders']");
      checkSignal(signal, 'directory.changes signal');
      if (closed) throw closedError();
      const followed = services && new Set(services);
      const leaving: (() => void)[] = [];
      const queue = new ChangeQueue(() => {
        queues.delete(queue);
        for (const leave of leaving) leave();
      });
      queues.add(queue);
      try {
        for (const service of followed ?? []) leaving.push(subscribe(service, () => {}));
      } catch (error) {
        queue.end();
        throw error;
      }
      const at = clock.wallTime();
      for (const { snapshot } of watches.values()) {
        if (followed !== undefined && !followed.has(snapshot.service)) continue;
        const { service, revision } = snapshot;
        for (const instance of snapshot.instances) queue.push(Object.freeze({ type: 'register', service, instance, revision, at }));
      }
      leaving.push(changeListeners.add((event) => void (followed?.has(event.service) === false || queue.push(event))));
      if (signal !== undefined) leaving.push(onAbort(signal, () => queue.end()));
      if (signal?.aborted === true) queue.end();
      return queue;
    },
    stats() {
      const counts = new WatchCounts();
      counts.add(ended, 'pending');
      for (const watch of watches.values()) counts.add(watch.counts, watch.snapshot.state);
      const services = Array.from(watches.values(), (watch) => watch.stats);
      return {
        levels: { memory: counts.memory, ...(level !== undefined && { store: level.stats }), registry: counts.registry },
        watches: services.filter(({ watching }) => watching).length,
        refreshes: counts.refreshes,
        reconnects: counts.reconnects,
        services,
      };
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      sweep?.cancel();
      renewal?.cancel();
      for (const fail of [...waiting]) fail(closedError());
      // Whoever subscribed may have callers who wait for a first list: they have to hear that none will come.
      for (const watch of [...watches.values()]) watch.close(closedError());
      for (const queue of [...queues]) queue.end();
      watches.clear();
      changeListeners.clear();
      stateListeners.clear();
      await level?.close();
    },
  };
}
