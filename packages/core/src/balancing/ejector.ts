import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';

/** Each limit is a trade of how soon a bad endpoint is left alone against how many good ones are lost to bad luck. */
export interface EjectorOptions {
  /** So many failures in a row eject. Default 5. */
  readonly consecutive?: number;
  /** A success ratio below this ejects, 0 to 1. Default 0.8; 0 turns the rule off. */
  readonly successBelow?: number;
  /** It takes so many results within the window to judge the ratio. Default 20. */
  readonly minResults?: number;
  /** The time constant with which results fade; also how long in service forgives one past ejection. Default 10 s. */
  readonly window?: Duration;
  /** The first ejection; each further one in a row is twice as long, unless all other endpoints are out as well. Default 5 s. */
  readonly base?: Duration;
  /** The longest ejection. Default 300 s. */
  readonly max?: Duration;
  /** Ejections are longer or shorter by up to this ratio, so that clients do not probe in step. Default 0.2. */
  readonly jitter?: number;
  /**
   * At most this share of the endpoints is ejected for failures, 0 to 1, but one of two or more may always be. Default 0.5.
   * Those that refuse connections are not counted on either side: nobody listens there, so that holding on to them helps nobody.
   */
  readonly maxEjected?: number;
  /** With fewer than this share of a view ready, 0 to 1, all that listen are picked. Default 0.5; 0 never panics while one is ready. */
  readonly panicBelow?: number;
  /** The attempt timeout. A probe without result for a tenth longer is given up, and another call may probe. Default 5 s. */
  readonly probeTimeout?: Duration;
  /** How long an endpoint that returns, or is new among others, grows to its full share. Default 10 s; 0 turns it off. */
  readonly slowStart?: Duration;
  /** An overloaded endpoint is left alone for its Retry-After, but no longer than this. Default 30 s. */
  readonly longestRetryAfter?: Duration;
}

/** The checked settings of `ejector()`, shared by all services that use it. What happens is in `Ejection`, one per service. */
export interface Ejector {
  readonly consecutive: number;
  readonly successBelow: number;
  readonly minResults: number;
  readonly windowMs: number;
  readonly baseMs: number;
  readonly maxMs: number;
  readonly jitter: number;
  readonly maxEjected: number;
  readonly panicBelow: number;
  readonly probeTimeoutMs: number;
  readonly slowStartMs: number;
  readonly longestRetryAfterMs: number;
}

const OPTIONS = namesOf<EjectorOptions>({
  consecutive: true,
  successBelow: true,
  minResults: true,
  window: true,
  base: true,
  max: true,
  jitter: true,
  maxEjected: true,
  panicBelow: true,
  probeTimeout: true,
  slowStart: true,
  longestRetryAfter: true,
});

/**
 * Takes an endpoint out of service that fails, and lets exactly one call at a time find out whether it works again.
 * @throws TypeError when an option is out of range.
 */
export function ejector(options: EjectorOptions = {}): Ejector {
  checkOptions('ejector', options, OPTIONS);
  const settings: Ejector = {
    consecutive: count(options.consecutive ?? 5, 'consecutive'),
    successBelow: ratio(options.successBelow ?? 0.8, 'successBelow'),
    minResults: count(options.minResults ?? 20, 'minResults'),
    windowMs: span(options.window ?? 10_000, 'window'),
    baseMs: span(options.base ?? 5_000, 'base'),
    maxMs: span(options.max ?? 300_000, 'max'),
    jitter: ratio(options.jitter ?? 0.2, 'jitter'),
    maxEjected: ratio(options.maxEjected ?? 0.5, 'maxEjected'),
    panicBelow: ratio(options.panicBelow ?? 0.5, 'panicBelow'),
    probeTimeoutMs: span(options.probeTimeout ?? 5_000, 'probeTimeout'),
    slowStartMs: toMs(options.slowStart ?? 10_000, 'ejector slowStart'),
    longestRetryAfterMs: toMs(options.longestRetryAfter ?? 30_000, 'ejector longestRetryAfter'),
  };
  if (settings.maxMs < settings.baseMs)
    throw new TypeError(`ejector max: ${settings.maxMs} ms is shorter than base, ${settings.baseMs} ms. Make it at least as long.`);
  return Object.freeze(settings);
}

/** Takes nobody out of service and starts nobody slowly. */
export const noEjector: Ejector = Object.freeze({
  ...ejector({ slowStart: 0, longestRetryAfter: 0, successBelow: 0, panicBelow: 0 }),
  consecutive: Infinity,
});

function count(value: number, option: string): number {
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`ejector ${option}: ${shown(value)} is no count. Give an integer from 1.`);
  return value;
}

function ratio(value: number, option: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1))
    throw new TypeError(`ejector ${option}: ${shown(value)} is no ratio. Give a number from 0 to 1.`);
  return value;
}

function span(duration: Duration, option: string): number {
  const ms = toMs(duration, `ejector ${option}`);
  if (ms === 0) throw new TypeError(`ejector ${option}: 0 is too short. Give a duration above zero, such as '5s'.`);
  return ms;
}
