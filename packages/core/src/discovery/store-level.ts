import { ServiceError } from '../errors/service-error.js';
import type { Logger } from '../logging/logger.js';
import type { Instance } from '../registry/registry.js';
import type { Clock } from '../time/clock.js';
import { onAbort } from '../time/on-abort.js';
import type { LevelStats } from './directory-stats.js';
import type { SnapshotStore, StoredSnapshot } from './snapshot-store.js';

export interface StoreLevelOptions {
  readonly store: SnapshotStore;
  readonly staleForMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of every question to a store. */
const DEADLINE_MS = 2_000;
/** How far the clocks of two machines may differ. A list from later than that is of a time when a clock was wrong: nobody knows its age. */
export const SKEW_MS = 300_000;
/** How many services are written at a time: after an outage all have news at once. */
const SAVES_AT_ONCE = 8;

/**
 * Level 2 as a directory uses it: nothing it does rejects, throws or takes longer than its deadline. A store that fails is reported once, and
 * once more when it works again.
 */
export class StoreLevel {
  readonly name: string;
  readonly #options: StoreLevelOptions;
  /** What is to be written, the newest of each service. */
  readonly #unsaved = new Map<string, StoredSnapshot>();
  readonly #saving = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  readonly #unsubscribe: (() => void) | undefined;
  #complained = false;
  #hits = 0;
  #misses = 0;
  #failures = 0;
  #saves = 0;
  #failedSaves = 0;

  /** `onNews` hears the name of a service that another process has saved. */
  constructor(options: StoreLevelOptions, onNews: (service: string) => void) {
    this.#options = options;
    this.name = options.store.name;
    try {
      this.#unsubscribe = options.store.subscribe?.(onNews);
    } catch (error) {
      this.#failed('subscribe', undefined, error);
    }
  }

  get stats(): LevelStats & { readonly name: string; readonly saves: number; readonly failedSaves: number } {
    const { name } = this;
    return { name, hits: this.#hits, misses: this.#misses, failures: this.#failures, saves: this.#saves, failedSaves: this.#failedSaves };
  }

  /** The stored list if it may still be served; undefined also when the store fails or does not answer within 2 s. */
  async load(service: string): Promise<StoredSnapshot | undefined> {
    const { store, staleForMs, logger } = this.#options;
    let found: StoredSnapshot | undefined;
    try {
      found = await this.#bounded((signal) => store.load(service, signal));
    } catch (error) {
      this.#failures++;
      this.#failed('load', service, error);
      return undefined;
    }
    this.#works();
    // Whatever it is typed as, a store may be anybody's.
    if (found === undefined || (found as unknown) === null) return void this.#misses++;
    const why = this.#unfit(found, service);
    if (why === undefined && this.ageMs(found) < staleForMs) {
      this.#hits++;
      return found;
    }
    this.#misses++;
    logger.info(
      { service, store: store.name, why: why ?? `it is older than staleFor, ${staleForMs} ms` },
      'The stored list of the service is not used',
    );
    return undefined;
  }

  /** By the clock on the wall, which may have been set meanwhile: at least 0. */
  ageMs({ at }: StoredSnapshot): number {
    return Math.max(0, this.#options.clock.wallTime() - at);
  }

  /** Writes the list in the background: one at a time for each service, and of those that wait the newest. */
  save(service: string, instances: readonly Instance[], at: number): void {
    if (this.#closing.signal.aborted) return;
    this.#unsaved.set(service, { service, instances, at });
    this.#saveNext();
  }

  /** Takes no news any more; resolves when what is to be written has been, or could not be. The store stays open. */
  async close(): Promise<void> {
    try {
      this.#unsubscribe?.();
    } catch (error) {
      this.#failed('unsubscribe', undefined, error);
    }
    const end = this.#options.clock.schedule(DEADLINE_MS, () => this.#closing.abort());
    const over = new Promise<void>((resolve) => this.#closing.signal.addEventListener('abort', () => resolve(), { once: true }));
    while (this.#saving.size > 0 && !this.#closing.signal.aborted) await Promise.race([over, ...this.#saving.values()]);
    end.cancel();
    this.#closing.abort();
    this.#unsaved.clear();
  }

  #saveNext(): void {
    for (const [service, snapshot] of this.#unsaved) {
      if (this.#saving.size >= SAVES_AT_ONCE) return;
      if (this.#saving.has(service)) continue;
      this.#unsaved.delete(service);
      const saved = this.#save(snapshot).then(() => {
        this.#saving.delete(service);
        this.#saveNext();
      });
      this.#saving.set(service, saved);
    }
  }

  async #save(snapshot: StoredSnapshot): Promise<void> {
    try {
      await this.#bounded((signal) => this.#options.store.save(snapshot, signal));
      this.#saves++;
      this.#works();
    } catch (error) {
      this.#failedSaves++;
      this.#failed('save', snapshot.service, error);
    }
  }

  /** What a store gives is anybody's word. The instances themselves are checked by whoever takes them. */
  #unfit({ service, instances, at }: StoredSnapshot, wanted: string): string | undefined {
    if (service !== wanted) return 'it is of another service';
    if (!Array.isArray(instances)) return 'it has no list';
    if (!Number.isFinite(at)) return 'nobody knows its age';
    return at - this.#options.clock.wallTime() > SKEW_MS ? 'it is of a time to come, so that nobody knows its age' : undefined;
  }

  #bounded<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, store } = this.#options;
    const ending = new AbortController();
    const { signal: closing } = this.#closing;
    return new Promise<T>((resolve, reject) => {
      const end = (reason: unknown): void => {
        ending.abort(reason);
        reject(reason);
      };
      const late = (): void => end(new ServiceError('DEADLINE_EXCEEDED', `The store ${store.name} did not answer within ${DEADLINE_MS} ms`));
      const timer = clock.schedule(DEADLINE_MS, late);
      const forget = onAbort(closing, end);
      // Not called directly: it may throw.
      Promise.resolve()
        .then(() => work(ending.signal))
        .then(resolve, reject)
        .finally(() => {
          timer.cancel();
          forget();
        });
    });
  }

  #failed(what: string, service: string | undefined, error: unknown): void {
    if (this.#complained || this.#closing.signal.aborted) return;
    this.#complained = true;
    this.#options.logger.warn({ store: this.name, what, service, error }, 'The store of the directory fails; going on without it');
  }

  #works(): void {
    if (!this.#complained) return;
    this.#complained = false;
    this.#options.logger.info({ store: this.name }, 'The store of the directory works again');
  }
}
