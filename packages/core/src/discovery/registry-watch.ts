import type { Logger } from '../logging/logger.js';
import { reconnectDelay } from '../registry/reconnect.js';
import type { ReconnectBounds } from '../registry/reconnect.js';
import type { Discovery, Instance } from '../registry/registry.js';
import type { Clock, Timer } from '../time/clock.js';
import type { WatchCounts } from './watch-counts.js';

export interface RegistryWatchOptions {
  readonly discovery: Discovery;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly minRefreshMs: number;
  readonly reconnect: ReconnectBounds;
}

export interface RegistryWatchListener {
  /** @throws whatever is wrong with the list: the watch counts as broken then. */
  onList(list: readonly Instance[]): void;
  onFailure(error: unknown): void;
}

/** A watch that lasted this long had succeeded: the next failure is a first one. One that breaks right after its list keeps its backoff. */
const SUCCESS_MS = 5_000;

interface Attempt {
  readonly ending: AbortController;
  readonly since: number;
  /** Whether it has told a list. */
  listed: boolean;
}

/** Asks a registry for the lists of one service for as long as it is wanted: again after every failure, never in a hot loop. */
export class RegistryWatch {
  readonly #service: string;
  readonly #options: RegistryWatchOptions;
  readonly #counts: WatchCounts;
  readonly #hears: RegistryWatchListener;
  #attempt: Attempt;
  #begun = false;
  #ended = false;
  /** Whether the attempt has broken, and a new one waits for its time. */
  #pausing = false;
  #retry: Timer | undefined;
  #failures = 0;
  readonly #asking: (() => void)[] = [];

  constructor(service: string, options: RegistryWatchOptions, counts: WatchCounts, hears: RegistryWatchListener) {
    this.#service = service;
    this.#options = options;
    this.#counts = counts;
    this.#hears = hears;
    this.#attempt = { ending: new AbortController(), since: options.clock.now(), listed: false };
  }

  /** False in the pause after a failure. */
  get working(): boolean {
    return !this.#ended && !this.#pausing;
  }

  begin(): void {
    if (this.#begun || this.#ended) return;
    this.#begun = true;
    void this.#follow(this.#attempt);
  }

  /**
   * Asks for the whole list now: resolves after the answer or the failure. Asked within `minRefreshMs` of the last time, it joins that question,
   * or resolves at once when that was answered.
   */
  refresh(): Promise<void> {
    const { clock, minRefreshMs } = this.#options;
    const recent = clock.now() - this.#attempt.since < minRefreshMs;
    if (this.#ended || (recent && (this.#pausing || this.#attempt.listed))) return Promise.resolve();
    const answer = new Promise<void>((resolve) => this.#asking.push(resolve));
    if (!recent) {
      this.#counts.refreshes++;
      this.#again();
    }
    return answer;
  }

  end(): void {
    this.#ended = true;
    this.#attempt.ending.abort();
    this.#retry?.cancel();
    this.#answer();
  }

  /** Ends the attempt or pause of now and begins anew. */
  #again(): void {
    this.#attempt.ending.abort();
    this.#retry?.cancel();
    this.#pausing = false;
    this.#begun = true;
    this.#attempt = { ending: new AbortController(), since: this.#options.clock.now(), listed: false };
    void this.#follow(this.#attempt);
  }

  /** Takes lists until the watch breaks, whatever the Discovery does. */
  async #follow(attempt: Attempt): Promise<void> {
    let failure: unknown;
    try {
      // An `async watch()` in plain JavaScript gives a promise of the lists; its rejection, unheard, would end the process.
      for await (const list of await Promise.resolve(this.#options.discovery.watch(this.#service, attempt.ending.signal))) {
        if (this.#isOver(attempt)) return;
        this.#hears.onList(list);
        attempt.listed = true;
        this.#answer();
      }
      failure = new Error('The watch ended by itself');
    } catch (error) {
      failure = error;
    }
    if (!this.#isOver(attempt)) this.#broke(failure);
  }

  #isOver(attempt: Attempt): boolean {
    return this.#ended || this.#attempt !== attempt;
  }

  #broke(error: unknown): void {
    const { clock, random, reconnect, logger } = this.#options;
    this.#failures = clock.now() - this.#attempt.since >= SUCCESS_MS ? 1 : this.#failures + 1;
    const delayMs = reconnectDelay(this.#failures, random, reconnect);
    logger.warn(
      { service: this.#service, error, failures: this.#failures, retryInMs: Math.round(delayMs) },
      'Watching the service failed; trying again',
    );
    this.#counts.broke++;
    this.#pausing = true;
    this.#retry = clock.schedule(delayMs, () => {
      this.#counts.reconnects++;
      this.#again();
    });
    this.#hears.onFailure(error);
    this.#answer();
  }

  #answer(): void {
    for (const answered of this.#asking.splice(0)) answered();
  }
}
