import type { Logger } from '../logging/logger.js';
import type { Clock, Timer } from '../time/clock.js';
import { abortableOf, sleep } from '../time/sleep.js';
import type { LayerView } from './layer-mode.js';
import { reconnectDelay } from './reconnect.js';
import type { Discovery, Instance } from './registry.js';

/** `idle`: it is not asked; `pending`: it was asked and has told nothing yet; `known`; `failed`: it fails, its last list may still be served. */
export type LayerState = 'idle' | 'pending' | 'known' | 'failed';

export interface LayerWatchOptions {
  readonly layer: 'first' | 'second';
  readonly discovery: Discovery;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly staleForMs: number;
}

/** As in the directory: a watch that lasted this long had succeeded. */
const SUCCESS_MS = 5_000;

/** One service of one layer: follows it, again and again while it fails, and keeps its last list for as long as it may be served. */
export class LayerWatch implements LayerView {
  state: LayerState = 'idle';
  list: readonly Instance[] | undefined;
  /** The list before it told that nobody is there any more, for as long as a list may be served that is not renewed. */
  lastFull: readonly Instance[] | undefined;
  error: unknown;
  /** Somebody has waited long enough for its first list. */
  givenUpOn = false;
  readonly #service: string;
  readonly #options: LayerWatchOptions;
  readonly #changed: () => void;
  #ending: AbortController | undefined;
  #staleTimer: Timer | undefined;
  #fullTimer: Timer | undefined;

  constructor(service: string, options: LayerWatchOptions, changed: () => void) {
    this.#service = service;
    this.#options = options;
    this.#changed = changed;
  }

  get awaited(): boolean {
    return (this.state === 'pending' || this.state === 'idle') && !this.givenUpOn;
  }

  start(): void {
    if (this.#ending !== undefined) return;
    this.#ending = new AbortController();
    this.state = 'pending';
    this.givenUpOn = false;
    void this.#run(this.#ending.signal);
  }

  /** Ends the watch. What it told last stays, for as long as it may be served. */
  stop(): void {
    if (this.#ending === undefined) return;
    this.#ending.abort();
    this.#ending = undefined;
    this.state = 'idle';
    this.#ageList();
  }

  /** Nothing of it is needed any more. */
  forget(): void {
    this.stop();
    this.#staleTimer?.cancel();
    this.#staleTimer = undefined;
    this.#dropFull();
    this.list = undefined;
    this.error = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger, layer } = this.#options;
    const abortable = abortableOf(signal);
    let failures = 0;
    // Not before the caller has subscribed: a Discovery may throw at once.
    await Promise.resolve();
    while (!signal.aborted) {
      const since = clock.now();
      const error = await this.#follow(signal);
      if (signal.aborted) return;
      failures = clock.now() - since >= SUCCESS_MS ? 1 : failures + 1;
      const delayMs = reconnectDelay(failures, random);
      logger.warn({ service: this.#service, layer, error, failures, retryInMs: Math.round(delayMs) }, 'A layer fails; its last list is kept');
      this.state = 'failed';
      this.error = error;
      this.#ageList();
      this.#changed();
      try {
        await sleep(delayMs, abortable, clock);
      } catch {
        return;
      }
    }
  }

  async #follow(signal: AbortSignal): Promise<unknown> {
    try {
      // A promise of lists is taken too, as by the directory.
      for await (const list of await Promise.resolve(this.#options.discovery.watch(this.#service, signal))) {
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
    this.state = 'known';
    this.error = undefined;
    const before = this.list;
    this.list = list;
    if (list.length > 0) this.#dropFull();
    else if (before !== undefined && before.length > 0) this.#keepFull(before);
    this.#changed();
  }

  #keepFull(list: readonly Instance[]): void {
    const { clock, staleForMs } = this.#options;
    this.#dropFull();
    this.lastFull = list;
    this.#fullTimer = clock.schedule(staleForMs, () => {
      this.#dropFull();
      this.#changed();
    });
  }

  #dropFull(): void {
    this.#fullTimer?.cancel();
    this.#fullTimer = undefined;
    this.lastFull = undefined;
  }

  /** From now on nobody renews the list. */
  #ageList(): void {
    if (this.list === undefined) return;
    const { clock, staleForMs, logger, layer } = this.#options;
    this.#staleTimer ??= clock.schedule(staleForMs, () => {
      this.#staleTimer = undefined;
      if (this.state === 'failed')
        logger.error({ service: this.#service, layer, error: this.error }, 'A layer was away for too long; its last list is given up');
      this.list = undefined;
      this.#changed();
    });
  }
}
