import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { checkList, checkMethods, checkSurroundings } from '../options/check.js';
import { shown } from '../options/shown.js';
import { amount, checkOptions, positiveMs } from './options.js';
import { RollingCounts } from './rolling-counts.js';
import { isConnectionFailure } from './verdict.js';

/**
 * What keeps retries from making an overload worse. A maximum of tries a call cannot: when everything fails, it multiplies the load.
 * `retry` tells its budgets what happens and asks all of them before it tries again. One budget may serve several retries.
 */
export interface RetryBudget {
  /** A call has begun: its first attempt, not its retries. */
  began(): void;
  /** An attempt succeeded. */
  succeeded(): void;
  /** An attempt failed with `error`, and a retry might help, whether or not one follows. */
  failed(error: unknown): void;
  /** Whether one more retry may be made now, after `error`. */
  allows(error: unknown): boolean;
  /** It is made. */
  spend(): void;
}

export interface RetryBudgetOptions {
  /** Retries as a share of the calls of the window, 0 to 1. Default 0.1; 0 leaves the reserve alone, 1 lets retries double the load. */
  readonly ratio?: number;
  /** Retries a second that are allowed whatever the ratio says, for those who make few calls. Default 1. */
  readonly perSecond?: number;
  /** What is looked back on. Default 10 s, in ten buckets. */
  readonly window?: Duration;
  readonly clock?: Clock;
}

/**
 * Allows a share of the recent calls plus a small reserve: a client never makes more than 10 % extra load for long (Finagle's RetryBudget).
 * @throws TypeError for an option out of range; a ratio above 1 would be no budget
 */
export function retryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  checkOptions('retryBudget', options, ['ratio', 'perSecond', 'window', 'clock']);
  checkSurroundings('retryBudget', options);
  const { clock = systemClock } = options;
  const ratio = options.ratio ?? 0.1;
  if (typeof ratio !== 'number' || !(ratio >= 0 && ratio <= 1))
    throw new TypeError(
      `retryBudget ratio: ${shown(ratio)} is no share of the calls. Give a number from 0 to 1, such as 0.1 for one retry in ten calls.`,
    );
  const spanMs = positiveMs(options.window ?? '10s', 'retryBudget window');
  const reserve = (amount(options.perSecond ?? 1, 'retryBudget perSecond') * spanMs) / 1000;
  const counts = new RollingCounts(spanMs, 10); // calls are the good ones, retries the bad ones

  // Never a mixture with exact readings: by those, the recent ones go back in time, which a window takes for a new beginning.
  const now = (): number => clock.recent?.() ?? clock.now();

  return {
    began: () => counts.addGood(now()),
    succeeded: nothing,
    failed: nothing,
    allows() {
      counts.moveTo(now());
      return counts.bad + 1 <= counts.good * ratio + reserve;
    },
    spend: () => counts.addBad(now()),
  };
}

export interface TokenThrottleOptions {
  /** How many tokens there are at most, and to begin with. Default 100: a burst of 50 failures leaves retries on. */
  readonly maxTokens?: number;
  /** What a success gives back; a failure costs 1. Default 0.2: retries stay on up to about 17 % failures. */
  readonly perSuccess?: number;
}

/**
 * Allows retries while more than half of the tokens are left: failures take them, successes bring them back, so that retries stop
 * when most calls fail and come back with the successes (gRPC proposal A6, with twice its ratio: with 0.1 the failures of one
 * endpoint in ten would already switch them off). This, not a ratio, is what ends a retry storm.
 *
 * A connection that could not be made or was lost costs nothing and is not refused: a process has gone, which says nothing of the load of the
 * others, and all the calls that it held fail at once. With ten tokens that cost one each, killing one of two instances with
 * 40 calls under way lost 13 to 17 of them. A ratio still bounds such retries.
 */
export function tokenThrottle(options: TokenThrottleOptions = {}): RetryBudget {
  checkOptions('tokenThrottle', options, ['maxTokens', 'perSuccess']);
  const maxTokens = amount(options.maxTokens ?? 100, 'tokenThrottle maxTokens');
  const perSuccess = amount(options.perSuccess ?? 0.2, 'tokenThrottle perSuccess');
  if (perSuccess > 0 && perSuccess < 0.001)
    throw new TypeError(`tokenThrottle perSuccess: ${perSuccess} is counted as nothing, in whole thousandths. Give 0.001 or more, or 0 for none.`);
  // In whole thousandths: 0.2 has no exact binary form, and sums of it drift.
  const full = Math.round(maxTokens * 1000);
  const gain = Math.round(perSuccess * 1000);
  let left = full;

  return {
    began: nothing,
    succeeded() {
      if (left < full) left = Math.min(full, left + gain);
    },
    failed(error) {
      if (!isConnectionFailure(error)) left = Math.max(0, left - 1000);
    },
    allows: (error) => left > full / 2 || isConnectionFailure(error),
    spend: nothing,
  };
}

const BUDGET_METHODS: readonly (keyof RetryBudget)[] = ['began', 'succeeded', 'failed', 'allows', 'spend'];

/** @throws TypeError when it is no list of budgets */
export function checkBudgets(budgets: readonly RetryBudget[], factory: string): void {
  checkList(budgets, `${factory} budgets`, 'budgets, such as [retryBudget(), tokenThrottle()]');
  for (const budget of budgets)
    checkMethods(budget, BUDGET_METHODS, `${factory} budgets, one of them`, 'Give retryBudget(), tokenThrottle(), or [] for none');
}

function nothing(): void {}
