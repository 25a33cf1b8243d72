import type { AlertSink } from '../alerts/alert.js';
import type { Logger } from '../logging/logger.js';
import { checkFlag, checkList, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { ErrorPattern } from './patterns.js';

export interface ErrorAggregatorOptions {
  /** Asked before the default ones of the same priority. Default none. */
  readonly patterns?: readonly ErrorPattern[];
  /** Whether the patterns of `DEFAULT_PATTERNS` are asked too. Default true. */
  readonly defaults?: boolean;
  /** How far back reports go, in 60 buckets. Default 1 h. */
  readonly window?: Duration;
  /** How many of the last errors are kept one by one. Default 1,000. */
  readonly maxEvents?: number;
  /** How many kinds of errors are told apart; the rest is the kind `_OTHER`. Default 500. */
  readonly maxGroups?: number;
  /** A kind is written to the log once in so long, with how often it came meanwhile. Default 1 min. */
  readonly logEvery?: Duration;
  /** Errors of a type and service with the action `alert` raise an alert; it is over when none came for so long. Default 5 min. */
  readonly coolDown?: Duration;
  /** Who hears of alerts: functions and webhooks. Nobody waits for them. Default none. */
  readonly alerts?: AlertSink | readonly AlertSink[];
  /** Where `log` and `alert` write. Default silent. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<ErrorAggregatorOptions>({
  patterns: true,
  defaults: true,
  window: true,
  maxEvents: true,
  maxGroups: true,
  logEvery: true,
  coolDown: true,
  alerts: true,
  logger: true,
  clock: true,
});

export interface AggregatorSettings {
  readonly windowMs: number;
  readonly maxEvents: number;
  readonly maxGroups: number;
  readonly logEveryMs: number;
  readonly coolDownMs: number;
}

const MAX_PATTERNS = 200;

/** @throws TypeError or RangeError naming the option that does not fit */
export function aggregatorSettings(options: ErrorAggregatorOptions): AggregatorSettings {
  checkOptions('errorAggregator', options, OPTIONS);
  checkSurroundings('errorAggregator', options);
  checkFlag(options.defaults, 'errorAggregator defaults');
  checkList(options.patterns, 'errorAggregator patterns', "patterns such as { type: 'payment_error', match: { glob: '*payment*failed*' } }");
  if ((options.patterns ?? []).length > MAX_PATTERNS)
    throw new RangeError(`errorAggregator patterns: ${options.patterns!.length} are too many. Give at most ${MAX_PATTERNS}.`);
  const windowMs = toMs(options.window ?? 3_600_000, 'errorAggregator window');
  if (windowMs < 60) throw new RangeError(`errorAggregator window: ${shown(options.window)} is too short. Give 60 ms or more.`);
  return {
    windowMs,
    maxEvents: whole(options.maxEvents ?? 1_000, 'errorAggregator maxEvents'),
    maxGroups: whole(options.maxGroups ?? 500, 'errorAggregator maxGroups'),
    logEveryMs: toMs(options.logEvery ?? 60_000, 'errorAggregator logEvery'),
    coolDownMs: toMs(options.coolDown ?? 300_000, 'errorAggregator coolDown'),
  };
}

function whole(value: number, option: string): number {
  if (!Number.isSafeInteger(value) || value < 1 || value > 100_000)
    throw new RangeError(`${option}: ${shown(value)} is no count. Give a whole number from 1 to 100,000.`);
  return value;
}
