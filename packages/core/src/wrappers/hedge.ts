import { Call } from '../call/call.js';
import type { Attempt } from '../call/call.js';
import { checkSurroundings } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { DeadlineWheel } from '../time/deadline-wheel.js';
import type { Duration } from '../time/duration.js';
import { HedgeBudget } from './hedge-budget.js';
import { HedgeDelays } from './hedge-delay.js';
import { HedgeRace } from './hedge-race.js';
import type { HedgeRules } from './hedge-race.js';
import { checkFunction, checkOptions, positiveMs, share } from './options.js';
import { checkBudgets } from './retry-budget.js';
import type { RetryBudget } from './retry-budget.js';
import { sendsStream } from './stream-body.js';
import { isRetryable } from './verdict.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface HedgeOptions {
  /** After how long the next attempt is made. Default: what 95 % of the last 512 calls of the operation took, at least 1 ms. */
  readonly delay?: Duration;
  /** The delay while fewer than 20 calls are known. Default 100 ms. */
  readonly initialDelay?: Duration;
  /** Which share of the calls shall be in time, above 0 and below 1: the others are hedged. Default 0.95. */
  readonly percentile?: number;
  /** How many attempts beside the first, 1 to 3. Default 1. */
  readonly max?: number;
  /**
   * Hedges as a share of the calls, above 0, at most 1: each call earns its share, of which ten hedges are saved up; there is no other reserve.
   * A late call that finds nothing left waits for what the next calls earn. Default 0.05.
   */
  readonly ratio?: number;
  /**
   * All of them are asked and charged too: give those of the retry around it, so that hedges end when retries do. That retry tells them of calls
   * and results. Default none.
   */
  readonly budgets?: readonly RetryBudget[];
  /** Which calls may be hedged, of those for which it is safe. Default: all. One that throws counts as no. */
  readonly eligible?: (attempt: Attempt) => boolean;
  /** Whether another attempt may do better after this failure. Default: as for `retry`. Any other failure ends the call at once. */
  readonly when?: (error: unknown, attempt: Attempt) => boolean;
  /** Whether there is another place to go to. Default: what the balancer below it knows of the call, and always where there is none. */
  readonly elsewhere?: (attempt: Attempt) => boolean;
  /** Hears of every hedge, of those that a budget forbade, and of those that answered first. */
  readonly on?: (event: HedgeEvent) => void;
  readonly clock?: Clock;
}

export interface HedgeEvent {
  /** `hedge`: another attempt is made; `forbidden`: it would have been, but a budget is used up, of its own until calls have earned another; `won`: it answered first. */
  readonly kind: 'hedge' | 'forbidden' | 'won';
  readonly label: string;
  /** The number of that attempt. */
  readonly attempt: number;
  /** Since the call began. */
  readonly afterMs: number;
  /** What the attempt before it failed with; undefined when it was merely late. */
  readonly error: unknown;
}

export interface HedgeStats {
  /** Extra attempts. */
  readonly hedged: number;
  /** Those that answered first. */
  readonly won: number;
  /** Those that a budget forbade, those that were made later included. */
  readonly forbidden: number;
}

export interface Hedge extends Policy {
  stats(): HedgeStats;
}

/**
 * Makes a second attempt when the first has not answered in the time that nearly all calls need, and takes what comes first (Dean and Barroso,
 * "The Tail at Scale", 2013). The other one is aborted with CANCELLED, reason `HEDGE_LOST`, which counts for nobody as a failure. A failure that
 * another attempt may mend starts the next one at once (gRPC proposal A6), but when it asks for a pause (`Retry-After`, pushback) none is made; a failure waits
 * for the attempts that are under way. When all fail, the last failure is thrown as it is.
 *
 * Only work that is idempotent, and no call with a stream as its body, which two attempts cannot share. Each attempt is a branch with its number,
 * and the call has not ended before all of them have. Below it, `balance` sends each to an endpoint that the call has not tried.
 *
 * It stands inside of `retry`, which begins anew when all attempts have failed, and shares its budgets by `budgets`; outside of what is about one
 * endpoint. Its own budget is earned by calls and has no other reserve: without one, a slow service would get twice the load just when it can bear
 * it least. A late call that finds nothing left waits for what is earned next, the first first, and after a pause of the event loop what has arrived
 * is read before anything is hedged.
 *
 * @throws TypeError at construction, for an option that makes no sense
 */
export function hedge(options: HedgeOptions = {}): Hedge {
  checkOptions('hedge', options, ['delay', 'initialDelay', 'percentile', 'max', 'ratio', 'budgets', 'eligible', 'when', 'elsewhere', 'on', 'clock']);
  const { eligible, elsewhere, when = isRetryable, on, clock = systemClock, budgets = [] } = options;
  checkSurroundings('hedge', options);
  for (const [name, value] of Object.entries({ eligible, elsewhere, when, on })) checkFunction(value, `hedge ${name}`);
  const fixedMs = options.delay === undefined ? undefined : atLeastOne(positiveMs(options.delay, 'hedge delay'));
  const initialMs = atLeastOne(positiveMs(options.initialDelay ?? 100, 'hedge initialDelay'));
  const percentile = options.percentile ?? 0.95;
  if (typeof percentile !== 'number' || !(percentile > 0 && percentile < 1))
    throw new TypeError(`hedge percentile: ${shown(percentile)} is no such share. Give a number above 0 and below 1, such as 0.95.`);
  const max = options.max ?? 1;
  if (!Number.isInteger(max) || max < 1 || max > 3) throw new TypeError(`hedge max: ${shown(max)} is no number of extra attempts. Give 1, 2 or 3.`);
  checkBudgets(budgets, 'hedge');

  const rules: HedgeRules = {
    clock,
    wheel: new DeadlineWheel(clock),
    max,
    own: new HedgeBudget(share(options.ratio ?? 0.05, 'hedge ratio')),
    budgets,
    when,
    elsewhere,
    on,
    counts: { hedged: 0, won: 0, forbidden: 0 },
  };

  /** One that throws counts as no. */
  function isEligible(call: Attempt): boolean {
    try {
      return eligible?.(call) !== false;
    } catch {
      return false;
    }
  }

  const policy = <C extends Attempt, R>(next: (call: C) => Promise<R>): ((call: C) => Promise<R>) => {
    const delays = new HedgeDelays();
    return (call) => {
      if (!call.idempotent || (call instanceof Call && sendsStream(call.body)) || !isEligible(call)) return next(call);
      rules.own.began();
      const now = clock.now();
      const latencies = delays.of(call.label);
      const delayMs = fixedMs ?? atLeastOne(latencies.percentile(percentile, now) ?? initialMs);
      return new HedgeRace(rules, latencies, call, next, now, delayMs).run();
    };
  };
  return Object.assign(named({ name: 'hedge', replays: true }, policy), { stats: () => ({ ...rules.counts }) });
}

/** Whole milliseconds, as timers count. */
function atLeastOne(ms: number): number {
  return Math.max(1, Math.ceil(ms));
}
