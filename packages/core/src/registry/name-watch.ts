import type { Logger } from '../logging/logger.js';
import type { Clock, Timer } from '../time/clock.js';
import { saysNone } from './dns-resolver.js';
import type { Question } from './dns-resolver.js';
import { findAddresses, findServices } from './find-addresses.js';
import type { AddressFamily, Found, FoundPlace } from './find-addresses.js';
import { reconnectDelay } from './reconnect.js';

export interface NameWatchSettings {
  readonly question: () => Question;
  readonly family: AddressFamily | undefined;
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
  /** For what comes without a time to live: the machine's own names and SRV records. */
  readonly defaultTtlMs: number;
  readonly staleForMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/** An answer that takes longer is none. */
const PATIENCE_MS = 10_000;
/** Two in a row are believed; a server that has just lost its zone says it once. */
const NEGATIVE_ANSWERS = 2;
/** How long "there is none" holds. */
const NEGATIVE_TTL_MS = 5_000;
/** Refreshes come up to so much later than the time to live, so that a fleet does not ask in step. */
const SPREAD = 0.1;
const RETRY = { floorMs: 1_000, baseMs: 2_000, capMs: 30_000 };
const NONE: readonly FoundPlace[] = Object.freeze([]);

/**
 * One name, asked for again by its time to live while somebody watches. While nobody answers, the last good places stay, for `staleFor`;
 * the next attempt comes after a wait that doubles, with jitter. That there is none is an answer: believed when it was given twice, at once when nothing was known.
 */
export class NameWatch {
  readonly #name: string;
  readonly #srv: boolean;
  readonly #service: string;
  readonly #settings: NameWatchSettings;
  readonly #changed: () => void;
  /** What it stands for; empty while that is not known. */
  places: readonly FoundPlace[] = NONE;
  /** Whether it has been answered, or has failed, since somebody watches. */
  settled = false;
  /** Why nobody answers, while nobody does. */
  failure: unknown;
  #running = false;
  #question: Question | undefined;
  #timer: Timer | undefined;
  #patience: Timer | undefined;
  #freshUntil = -Infinity;
  #goodAt: number | undefined;
  #failures = 0;
  #negatives = 0;

  /** @param changed hears when it settles, when its places change, and when a failure begins or ends */
  constructor(service: string, name: string, srv: boolean, settings: NameWatchSettings, changed: () => void) {
    this.#service = service;
    this.#name = name;
    this.#srv = srv;
    this.#settings = settings;
    this.#changed = changed;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    const left = this.#freshUntil - this.#settings.clock.now();
    this.settled = left > 0;
    if (left > 0) this.#askAfter(left);
    else this.#ask();
  }

  /** Nobody watches: nothing is asked, and what is under way is given up. */
  stop(): void {
    this.#running = false;
    this.settled = false;
    this.#timer?.cancel();
    this.#giveUp();
  }

  #askAfter(delayMs: number): void {
    this.#timer = this.#settings.clock.schedule(delayMs, () => this.#ask());
  }

  #ask(): void {
    const { question, family, clock, defaultTtlMs } = this.#settings;
    const asked = (this.#question = question());
    const isOurs = (): boolean => this.#question === asked;
    this.#patience = clock.schedule(PATIENCE_MS, () => {
      this.#giveUp();
      this.#failed(Object.assign(new Error(`no answer for ${this.#name} within ${PATIENCE_MS} ms`), { code: 'ETIMEOUT' }));
    });
    const answer = this.#srv ? findServices(this.#name, asked, family, defaultTtlMs) : findAddresses(this.#name, asked, family);
    answer.then(
      (found) => {
        if (!isOurs()) return;
        this.#giveUp();
        this.#answered(found);
      },
      (error: unknown) => {
        if (!isOurs()) return;
        this.#giveUp();
        this.#failed(error);
      },
    );
  }

  #giveUp(): void {
    this.#patience?.cancel();
    this.#question?.cancel();
    this.#question = undefined;
  }

  #answered({ places, ttlMs }: Found): void {
    const { clock, minTtlMs, maxTtlMs, defaultTtlMs, random, logger } = this.#settings;
    if (this.#failures > 0) logger.info({ service: this.#service, host: this.#name }, 'A name of the static registry is resolved again');
    this.#failures = this.#negatives = 0;
    this.failure = undefined;
    this.places = places;
    this.#goodAt = clock.now();
    const ttl = Math.min(maxTtlMs, Math.max(minTtlMs, ttlMs ?? defaultTtlMs));
    this.#hold(ttl * (1 + SPREAD * random()));
  }

  #failed(error: unknown): void {
    const { clock, random, logger, staleForMs } = this.#settings;
    const about = { service: this.#service, host: this.#name, error };
    this.#failures++;
    this.#negatives = saysNone(error) ? this.#negatives + 1 : 0;
    if (this.#negatives >= NEGATIVE_ANSWERS || (this.#negatives > 0 && this.places.length === 0)) {
      if (this.places.length > 0 || this.#failures === 1) logger.warn(about, 'A name of the static registry has no addresses');
      this.failure = undefined;
      this.places = NONE;
      return this.#hold(NEGATIVE_TTL_MS * (1 + SPREAD * random()));
    }
    if (this.#failures === 1) logger.warn(about, 'A name of the static registry cannot be resolved; its last addresses stay');
    this.failure = error;
    if (this.places.length > 0 && clock.now() - this.#goodAt! >= staleForMs) {
      logger.error(about, 'A name of the static registry cannot be resolved for too long; its addresses are given up');
      this.places = NONE;
    }
    this.#freshUntil = -Infinity;
    this.#settle(reconnectDelay(this.#failures, random, RETRY));
  }

  #hold(forMs: number): void {
    this.#freshUntil = this.#settings.clock.now() + forMs;
    this.#settle(forMs);
  }

  /** The listener may end it, so the next question is planned before. */
  #settle(nextMs: number): void {
    this.#askAfter(nextMs);
    this.settled = true;
    this.#changed();
  }
}
