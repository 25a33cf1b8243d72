import { checkInstance } from '../registry/instance.js';
import type { Instance } from '../registry/registry.js';
import type { Timer } from '../time/clock.js';
import type { ServiceStats } from './directory-stats.js';
import type { DirectoryEvent, DirectoryStateEvent, Snapshot } from './directory.js';
import { errorCode } from './error-code.js';
import { KnownList } from './known-list.js';
import { Listeners } from './listeners.js';
import type { Change } from './reconcile.js';
import { RegistryWatch } from './registry-watch.js';
import type { RegistryWatchOptions } from './registry-watch.js';
import type { StoredSnapshot } from './snapshot-store.js';
import type { StoreLevel } from './store-level.js';
import { WatchCounts } from './watch-counts.js';

export interface ServiceWatchOptions extends RegistryWatchOptions {
  readonly staleForMs: number;
  readonly accept: (instance: Instance) => boolean;
  readonly store: StoreLevel | undefined;
  /** How long the registry may take before a stored list is used. */
  readonly storeWaitMs: number;
  readonly onEvent: (event: DirectoryEvent) => void;
  readonly onState: (event: DirectoryStateEvent) => void;
}

const NOBODY: readonly Instance[] = Object.freeze([]);

/** One service of a Directory: the watch that is always under way, and what is known. */
export class ServiceWatch {
  readonly service: string;
  readonly listeners: Listeners<Snapshot>;
  readonly counts: WatchCounts = new WatchCounts();
  /** When somebody last asked, on the clock's scale, but for lookups since `used` was last read. */
  usedAt: number;
  /** Whether it was looked up since. */
  used = false;
  #snapshot: Snapshot;
  readonly #options: ServiceWatchOptions;
  readonly #watch: RegistryWatch;
  readonly #known = new KnownList();
  #ended = false;
  #skipped: ReadonlySet<string> = new Set();
  #expiry: Timer | undefined;
  /** When the list that we have was last known to be true, as the store may know it too, ms since the epoch. */
  #listAt = -Infinity;
  #servedUntil: number | undefined;
  #staleSince: number | undefined;
  #awaySince: number | undefined;
  // While nothing is known yet: what the store told while the registry may still answer, how the registry failed while the store may still
  // answer, and the end of waiting for either.
  #stored: StoredSnapshot | undefined;
  #failure: { readonly error: unknown } | undefined;
  #patience: Timer | undefined;
  readonly #decidedHears: (() => void)[] = [];
  /** `again`: there was news meanwhile. */
  #loading: 'no' | 'yes' | 'again' = 'no';
  /** Whether the store may hold a list with instances, so that an empty one has something to say. */
  #inStore = false;

  constructor(service: string, options: ServiceWatchOptions) {
    const { store, clock, storeWaitMs } = options;
    this.service = service;
    this.usedAt = clock.now();
    this.#options = options;
    this.listeners = new Listeners(options.logger);
    this.#watch = new RegistryWatch(service, options, this.counts, {
      onList: (list) => this.#take(list),
      onFailure: (error) => this.#fail(error),
    });
    this.#snapshot = Object.freeze({ service, state: 'pending', instances: NOBODY, revision: 0, stale: false });
    if (store !== undefined) {
      this.#loading = 'yes';
      this.#patience = clock.schedule(storeWaitMs, () => this.#waitedEnough());
    }
    // Not before the caller has its first snapshot: a Discovery may throw at once.
    void Promise.resolve().then(() => {
      if (this.#ended) return;
      if (store !== undefined) void this.#load(store);
      this.#watch.begin();
    });
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  get stats(): ServiceStats {
    const { service, state, instances, revision, source, stale, error } = this.#snapshot;
    const failure = this.#failure?.error ?? error;
    return {
      service,
      state,
      instances: instances.length,
      revision,
      ...(source !== undefined && { source }),
      stale,
      ...(this.#staleSince !== undefined && { staleSince: this.#staleSince }),
      ...(this.#servedUntil !== undefined && { servedUntil: this.#servedUntil }),
      ...(this.#awaySince !== undefined && { awaySince: this.#awaySince }),
      ...(failure !== undefined && { error: errorCode(failure) }),
      watching: this.#watch.working,
      lists: this.counts.lists,
      refreshes: this.counts.refreshes,
      failures: this.counts.broke,
      reconnects: this.counts.reconnects,
    };
  }

  /** Asks for the whole list now, unless that is under way or was done a moment ago; resolves with the answer or the failure. */
  async refresh(): Promise<Snapshot> {
    await this.#watch.refresh();
    // A failure may be held back until the store has answered.
    if (this.#snapshot.state === 'pending') await new Promise<void>((resolve) => this.#decidedHears.push(resolve));
    return this.#snapshot;
  }

  /** Another process has saved a list of this service: it is of use while we cannot see for ourselves. */
  reload(): void {
    const { store } = this.#options;
    const { stale, state } = this.#snapshot;
    if (store === undefined || (!stale && (state === 'bound' || state === 'empty'))) return;
    if (this.#loading !== 'no') this.#loading = 'again';
    else {
      this.#loading = 'yes';
      void this.#load(store);
    }
  }

  /** Writes the list to the store, if it is known to be true. */
  save(): void {
    const { store, clock } = this.#options;
    const { source, stale, instances } = this.#snapshot;
    if (store === undefined || this.#loading !== 'no' || source !== 'registry' || stale) return;
    // Of a service that nobody ever had, there is nothing to remember: names may be made up by who calls.
    if (instances.length === 0 && !this.#inStore) return;
    this.#inStore = instances.length > 0;
    this.#listAt = clock.wallTime();
    store.save(this.service, instances, this.#listAt);
  }

  /** Ends the watch; no listener hears anything any more. */
  end(): void {
    this.#ended = true;
    this.#watch.end();
    this.#expiry?.cancel();
    this.#decided();
    this.listeners.clear();
  }

  /** Ends the watch for good: listeners hear a last snapshot, failed with `error` and without instances. */
  close(error: unknown): void {
    this.#ended = true;
    // A first list that waits for the store's word goes without it.
    if (this.#loading !== 'no') {
      this.#loading = 'no';
      this.save();
    }
    this.#publish({ state: 'failed', instances: NOBODY, stale: false, error }, []);
    this.end();
  }

  #take(list: readonly Instance[]): void {
    const before = this.#snapshot;
    const changes = this.#known.take(list, this.#check, this.#reportSkipped());
    const { instances } = this.#known;
    const state = instances.length === 0 ? 'empty' : 'bound';
    if (before.stale || before.state === 'failed')
      this.#options.logger.info({ service: this.service, instances: instances.length }, 'The registry answers again');
    this.counts.told(state);
    this.#decided();
    this.#expiry?.cancel();
    this.#expiry = this.#servedUntil = this.#staleSince = this.#awaySince = undefined;
    this.#listAt = this.#options.clock.wallTime();
    if (changes.length === 0 && before.state === state && !before.stale) return;
    this.#publish({ state, instances, stale: false, source: 'registry' }, changes);
    this.save();
  }

  #fail(error: unknown): void {
    const { clock, staleForMs } = this.#options;
    const { state, stale } = this.#snapshot;
    const wall = clock.wallTime();
    this.#awaySince ??= wall;
    if (state === 'pending') {
      this.#failure = { error };
      if (this.#stored !== undefined) return this.#useStored(this.#stored);
      if (this.#loading !== 'no' && this.#patience !== undefined) return;
      this.#decided();
    }
    if (state === 'pending' || state === 'failed') return this.#publish({ state: 'failed', instances: NOBODY, stale: false, error }, []);
    if (!stale) this.#serveStale(wall, staleForMs);
    this.#publish({ ...this.#snapshot, stale: true, error }, []);
  }

  /** From now on the list is served only for so long. */
  #serveStale(since: number, forMs: number): void {
    const { clock, logger } = this.#options;
    this.#staleSince = since;
    this.#servedUntil = clock.wallTime() + forMs;
    this.#expiry?.cancel();
    this.#expiry = clock.schedule(forMs, () => {
      const { error } = this.#snapshot;
      logger.error(
        { service: this.service, error, instances: this.#known.instances.length },
        'The registry was away for too long; its last list is given up',
      );
      this.#expiry = this.#servedUntil = this.#staleSince = undefined;
      const changes = this.#known.take(NOBODY, this.#check, () => {});
      this.#publish({ state: 'failed', instances: NOBODY, stale: false, error: error ?? new Error('The registry does not answer') }, changes);
    });
  }

  /** Of the two who may tell a first list one has, or neither will. */
  #decided(): void {
    this.#patience?.cancel();
    this.#patience = this.#stored = this.#failure = undefined;
    // Not before what was decided is there to be seen.
    const hears = this.#decidedHears.splice(0);
    if (hears.length > 0) queueMicrotask(() => hears.forEach((heard) => heard()));
  }

  #waitedEnough(): void {
    this.#patience = undefined;
    const failure = this.#failure;
    if (this.#stored !== undefined) this.#useStored(this.#stored);
    else if (failure !== undefined) this.#fail(failure.error);
  }

  async #load(store: StoreLevel): Promise<void> {
    const stored = await store.load(this.service);
    const again = this.#loading === 'again';
    this.#loading = 'no';
    if (this.#ended) return;
    if (stored !== undefined) this.#offer(stored);
    else if (this.#failure !== undefined) this.#fail(this.#failure.error);
    if (again) this.reload();
    // A first list of the registry waited until it was known what it replaces.
    this.save();
  }

  #offer(stored: StoredSnapshot): void {
    this.#inStore = true;
    const { state, stale } = this.#snapshot;
    if (state !== 'pending') {
      if ((stale || state === 'failed') && stored.at > this.#listAt) this.#useStored(stored);
    } else if (this.#failure !== undefined || this.#patience === undefined) this.#useStored(stored);
    else this.#stored = stored;
  }

  /** Serves the list of the store, which another process, or this one in an earlier life, was told by the registry. */
  #useStored(stored: StoredSnapshot): void {
    const { clock, store, staleForMs, logger } = this.#options;
    const error = this.#failure?.error ?? this.#snapshot.error;
    this.#decided();
    const ageMs = store!.ageMs(stored);
    const check = (instance: Instance): Instance => {
      const checked = this.#check(instance);
      if (checked.service !== this.service) throw new Error('an instance of another service');
      return checked;
    };
    const changes = this.#known.take(stored.instances, check, this.#reportSkipped());
    const { instances } = this.#known;
    logger.warn(
      { service: this.service, store: store!.name, instances: instances.length, ageMs: Math.round(ageMs) },
      'The registry does not answer; serving the stored list',
    );
    this.#awaySince ??= clock.wallTime();
    this.#listAt = stored.at;
    this.#serveStale(Math.min(stored.at, clock.wallTime()), Math.max(0, staleForMs - ageMs));
    const state = instances.length === 0 ? 'empty' : 'bound';
    this.#publish({ state, instances, stale: true, source: 'store', ...(error !== undefined && { error }) }, changes);
  }

  #publish(next: Pick<Snapshot, 'state' | 'instances' | 'stale' | 'source' | 'error'>, changes: readonly Change[]): void {
    const { clock, onEvent, onState } = this.#options;
    const before = this.#snapshot;
    // The first list is a change too, even an empty one: whoever compares revisions has to hear of it.
    const revision = before.revision + (changes.length > 0 || before.state !== next.state ? 1 : 0);
    const snapshot: Snapshot = Object.freeze({ ...next, service: this.service, revision });
    this.counts.asked(before.state);
    this.#snapshot = snapshot;
    const { stale, source, error } = snapshot;
    // Another failure of the same kind is no news.
    if (revision === before.revision && stale === before.stale && source === before.source) return;
    this.listeners.tell(snapshot);
    const at = clock.wallTime();
    for (const { type, instance } of changes) onEvent(Object.freeze({ type, service: this.service, instance, revision, at }));
    const type = turn(before, snapshot);
    if (type === undefined || this.#ended) return;
    onState(
      Object.freeze({
        type,
        service: this.service,
        instances: snapshot.instances.length,
        at,
        ...(source !== undefined && { source }),
        ...(stale && this.#servedUntil !== undefined && { servedUntil: this.#servedUntil }),
        ...(error !== undefined && { error }),
      }),
    );
  }

  /** A Discovery may be anybody's. @throws Error for what may not be called. */
  readonly #check = (instance: Instance): Instance => {
    const checked = checkInstance(instance);
    if (!this.#options.accept(checked)) throw new Error(`requests to ${checked.host} are not allowed`);
    return checked;
  };

  /** One bad entry must not cost the others, and is reported once. */
  #reportSkipped(): (error: unknown) => void {
    const reported = this.#skipped;
    const skipped = new Set<string>();
    this.#skipped = skipped;
    return (error) => {
      const why = error instanceof Error ? error.message : String(error);
      if (!skipped.has(why) && !reported.has(why))
        this.#options.logger.warn({ service: this.service, why }, 'An instance from the registry is skipped');
      skipped.add(why);
    };
  }
}

/** What changed for those who ask how far a list can be trusted. */
function turn(before: Snapshot, now: Snapshot): DirectoryStateEvent['type'] | undefined {
  if (now.stale) return before.stale && before.source === now.source && now.source === 'registry' ? undefined : 'stale';
  if (now.state === 'failed') return before.state === 'failed' ? undefined : before.state === 'pending' ? 'failed' : 'expired';
  return before.stale || before.state === 'failed' ? 'fresh' : undefined;
}
