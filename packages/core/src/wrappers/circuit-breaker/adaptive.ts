import type { Duration } from '../../time/duration.js';
import { checkOptions, positiveMs, share, wholeNumber } from '../options.js';

export interface AdaptiveThresholdOptions {
  /** After how many results it looks back on them. Default 100. */
  readonly calls?: number;
  /** Above this share of failures among them the limits are halved. Default 0.8. */
  readonly errorRate?: number;
  /** When they took more than twice as long on average, the limits are halved too. Default: latency is not looked at. */
  readonly latency?: Duration;
  /** `consecutive` never falls below. Default 2. */
  readonly minimumConsecutive?: number;
  /** `threshold` never falls below. Default 0.1. */
  readonly minimumThreshold?: number;
}

export interface AdaptiveSettings {
  readonly calls: number;
  readonly errorRate: number;
  readonly latencyMs: number;
  readonly minimumConsecutive: number;
  readonly minimumThreshold: number;
}

/** @throws TypeError */
export function adaptiveSettings(options: AdaptiveThresholdOptions | boolean | undefined): AdaptiveSettings | undefined {
  if (options === undefined || options === false) return undefined;
  const given = options === true ? {} : options;
  const where = 'circuitBreaker adaptive';
  checkOptions(where, given, ['calls', 'errorRate', 'latency', 'minimumConsecutive', 'minimumThreshold']);
  return {
    calls: wholeNumber(given.calls ?? 100, `${where} calls`, 1),
    errorRate: share(given.errorRate ?? 0.8, `${where} errorRate`),
    latencyMs: given.latency === undefined ? Infinity : positiveMs(given.latency, `${where} latency`),
    minimumConsecutive: wholeNumber(given.minimumConsecutive ?? 2, `${where} minimumConsecutive`, 1),
    minimumThreshold: share(given.minimumThreshold ?? 0.1, `${where} minimumThreshold`),
  };
}

export type AdaptationReason = 'error-rate' | 'latency' | 'recovered';

/**
 * How soon one circuit opens, by what it has been through. After every `calls` results it judges them: very bad ones (failures above
 * `errorRate`, or an average above twice `latency`) halve its limits; good ones (less than half of that error rate, and an average within `latency`) double
 * them again, up to what was configured; in between nothing changes, so that it does not swing.
 */
export class AdaptiveThreshold {
  readonly #settings: AdaptiveSettings;
  readonly #threshold: number;
  readonly #consecutive: number;
  #level = 0;
  #calls = 0;
  #failed = 0;
  #latencyMs = 0;

  /** @param consecutive Infinity when failures in a row are not looked at */
  constructor(settings: AdaptiveSettings, threshold: number, consecutive: number) {
    this.#settings = settings;
    this.#threshold = threshold;
    this.#consecutive = consecutive;
  }

  /** How often the limits are halved. */
  get level(): number {
    return this.#level;
  }

  get threshold(): number {
    return Math.min(this.#threshold, Math.max(this.#settings.minimumThreshold, this.#threshold / 2 ** this.#level));
  }

  get consecutive(): number {
    if (this.#consecutive === Infinity) return Infinity;
    return Math.min(this.#consecutive, Math.max(this.#settings.minimumConsecutive, Math.floor(this.#consecutive / 2 ** this.#level)));
  }

  /** Records a result; tells why the limits have changed with it. `latencyMs` is NaN when it was not measured. */
  add(failed: boolean, latencyMs: number): AdaptationReason | undefined {
    const { calls, errorRate } = this.#settings;
    this.#calls++;
    if (failed) this.#failed++;
    this.#latencyMs += latencyMs;
    if (this.#calls < calls) return undefined;
    const failures = this.#failed / this.#calls;
    // Without `latency` nothing needs measuring, so that the sum is NaN, which is neither above nor within.
    const latency = this.#latencyMs / this.#calls / this.#settings.latencyMs;
    this.#begin();
    if (failures > errorRate) return this.#move(1) ? 'error-rate' : undefined;
    if (latency > 2) return this.#move(1) ? 'latency' : undefined;
    const isFast = this.#settings.latencyMs === Infinity || latency <= 1;
    return failures < errorRate / 2 && isFast && this.#move(-1) ? 'recovered' : undefined;
  }

  restore(level: number): void {
    this.#begin();
    this.#level = 0;
    while (this.#level < level && this.#move(1));
  }

  /** Whether the limits have changed: at the ends there is nowhere to go. */
  #move(by: 1 | -1): boolean {
    const { threshold, consecutive } = this;
    const level = this.#level;
    this.#level = Math.max(0, level + by);
    if (this.threshold !== threshold || this.consecutive !== consecutive) return true;
    if (by > 0) this.#level = level;
    return false;
  }

  #begin(): void {
    this.#calls = this.#failed = this.#latencyMs = 0;
  }
}
