import type { Logger } from '../logging/logger.js';
import { checkInstance } from '../registry/instance.js';
import { reconnectDelay } from '../registry/reconnect.js';
import type { ReconnectBounds } from '../registry/reconnect.js';
import type { Discovery, Instance } from '../registry/registry.js';
import type { Clock, Timer } from '../time/clock.js';
import { abortableOf, sleep } from '../time/sleep.js';
import type { DirectoryEvent, Snapshot } from './directory.js';
import { reconcile } from './reconcile.js';
import type { Change } from './reconcile.js';

export interface ServiceWatchOptions {
  readonly discovery: Discovery;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly staleForMs: number;
  readonly reconnect: ReconnectBounds;
  readonly accept: (instance: Instance) => boolean;
  readonly onEvent: (event: DirectoryEvent) => void;
}

/** A watch that lasted this long had succeeded: the next failure is a first one. One that breaks right after its list keeps its backoff. */
const SUCCESS_MS = 5_000;

const NOBODY: readonly Instance[] = Object.freeze([]);

/** One service of a Directory: the watch that is always under way, and what is known. */
export class ServiceWatch {
  readonly service: string;
  readonly listeners: Set<(snapshot: Snapshot) => void> = new Set();
  /** When somebody last asked, on the clock's scale. */
  usedAt: number;
  #snapshot: Snapshot;
  readonly #options: ServiceWatchOptions;
  readonly #ending = new AbortController();
  readonly #skipped = new Set<string>();
  #failures = 0;
  #staleTimer: Timer | undefined;

  constructor(service: string, options: ServiceWatchOptions) {
    this.service = service;
    this.usedAt = options.clock.now();
    this.#options = options;
    this.#snapshot = Object.freeze({ service, state: 'pending', instances: NOBODY, revision: 0, stale: false });
    void this.#run();
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Ends the watch; no listener hears anything any more. */
  end(): void {
    this.#ending.abort();
    this.#staleTimer?.cancel();
    this.listeners.clear();
  }

  /** Ends the watch for good: listeners hear a last snapshot, failed with `error` and without instances. */
  close(error: unknown): void {
    this.#ending.abort();
    this.#staleTimer?.cancel();
    this.#publish({ state: 'failed', instances: NOBODY, stale: false, error }, []);
    this.end();
  }

  async #run(): Promise<void> {
    const { clock, random, reconnect } = this.#options;
    const { signal } = this.#ending;
    const abortable = abortableOf(signal);
    // Not before the caller has its first snapshot: a Discovery may throw at once.
    await Promise.resolve();
    while (!signal.aborted) {
      const since = clock.now();
      const error = await this.#watch(signal);
      if (signal.aborted) return;
      this.#failures = clock.now() - since >= SUCCESS_MS ? 1 : this.#failures + 1;
      const delayMs = reconnectDelay(this.#failures, random, reconnect);
      this.#fail(error, delayMs);
      try {
        await sleep(delayMs, abortable, clock);
      } catch {
        return;
      }
    }
  }

  /** Takes lists until the watch breaks; resolves with the reason, whatever the Discovery does. */
  async #watch(signal: AbortSignal): Promise<unknown> {
    try {
      for await (const list of this.#options.discovery.watch(this.service, signal)) {
        if (signal.aborted) return undefined;
        this.#take(list);
      }
      return new Error('The watch ended by itself');
    } catch (error) {
      return error;
    }
  }

  #take(list: readonly Instance[]): void {
    this.#staleTimer?.cancel();
    this.#staleTimer = undefined;
    const before = this.#snapshot;
    const { instances, changes } = reconcile(before.instances, list.length === 0 ? NOBODY : this.#usable(list));
    const state = instances.length === 0 ? 'empty' : 'bound';
    if (before.stale || before.state === 'failed')
      this.#options.logger.info({ service: this.service, instances: instances.length }, 'The registry answers again');
    if (changes.length === 0 && before.state === state && !before.stale) return;
    this.#publish({ state, instances, stale: false }, changes);
  }

  #fail(error: unknown, delayMs: number): void {
    const { logger, clock, staleForMs } = this.#options;
    const { state, instances } = this.#snapshot;
    logger.warn(
      { service: this.service, error, failures: this.#failures, retryInMs: Math.round(delayMs) },
      'Watching the service failed; trying again',
    );
    if (state === 'pending' || state === 'failed') return this.#publish({ state: 'failed', instances: NOBODY, stale: false, error }, []);
    this.#publish({ state, instances, stale: true, error }, []);
    this.#staleTimer ??= clock.schedule(staleForMs, () => {
      logger.error({ service: this.service, error, instances: instances.length }, 'The registry was away for too long; its last list is given up');
      const { changes } = reconcile(this.#snapshot.instances, NOBODY);
      this.#publish({ state: 'failed', instances: NOBODY, stale: false, error: this.#snapshot.error }, changes);
    });
  }

  #publish(next: Pick<Snapshot, 'state' | 'instances' | 'stale' | 'error'>, changes: readonly Change[]): void {
    const before = this.#snapshot;
    // The first list is a change too, even an empty one: whoever compares revisions has to hear of it.
    const revision = before.revision + (changes.length > 0 || before.state !== next.state ? 1 : 0);
    const snapshot: Snapshot = Object.freeze({ service: this.service, revision, ...next });
    this.#snapshot = snapshot;
    // Another failure of the same kind is no news.
    if (revision === before.revision && next.stale === before.stale) return;
    for (const listener of [...this.listeners]) {
      if (!this.listeners.has(listener)) continue;
      try {
        listener(snapshot);
      } catch (error) {
        this.#options.logger.error({ service: this.service, error }, 'A listener of the directory threw');
      }
    }
    const at = this.#options.clock.wallTime();
    for (const { type, instance } of changes) this.#options.onEvent(Object.freeze({ type, service: this.service, instance, revision, at }));
  }

  /** Those that may be called. A Discovery may be anybody's: one bad entry must not cost the others. */
  #usable(list: readonly Instance[]): readonly Instance[] {
    const known = new Set<unknown>(this.#snapshot.instances);
    const skipped = new Set<string>();
    const usable: Instance[] = [];
    for (const instance of list) {
      if (known.has(instance)) {
        usable.push(instance);
        continue;
      }
      try {
        const checked = checkInstance(instance);
        if (!this.#options.accept(checked)) throw new Error(`requests to ${checked.host} are not allowed`);
        usable.push(checked);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        skipped.add(why);
        if (!this.#skipped.has(why)) this.#options.logger.warn({ service: this.service, why }, 'An instance from the registry is skipped');
      }
    }
    this.#skipped.clear();
    for (const why of skipped) this.#skipped.add(why);
    return usable;
  }
}
