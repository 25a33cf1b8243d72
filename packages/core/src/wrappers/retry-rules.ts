import { ATTEMPT_HEADER } from '../call/attempt-header.js';
import type { Attempt } from '../call/call.js';
import { giveUp, inboundOf } from '../call/given-up.js';
import { isServiceError } from '../errors/service-error.js';
import { checkFlag, checkSurroundings } from '../options/check.js';
import { MAX_DELAY_MS, systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import { backoff } from './backoff.js';
import type { Backoff } from './backoff.js';
import { checkFunction, checkOptions, notify, positiveMs, wholeNumber } from './options.js';
import { checkBudgets, retryBudget, tokenThrottle } from './retry-budget.js';
import type { RetryBudget } from './retry-budget.js';
import type { RetryEvent, RetryOptions, RetryStats } from './retry.js';
import { isRetryable, isUnprocessed, pushbackMs } from './verdict.js';

/** Whether and when a failure is tried again: what one policy was told, what its budgets say, and what it has counted. */
export class RetryRules {
  readonly counts: { -readonly [K in keyof RetryStats]: RetryStats[K] } = {
    succeededFirst: 0,
    succeededAfterRetry: 0,
    failedFirst: 0,
    failedAfterRetry: 0,
    retries: 0,
    forbidden: 0,
  };
  readonly clock: Clock;
  readonly maxElapsedMs: number | undefined;
  readonly #retries: number;
  readonly #waits: Backoff;
  readonly #immediate: boolean;
  readonly #budgets: readonly RetryBudget[];
  readonly #when: NonNullable<RetryOptions['when']>;
  readonly #elsewhere: RetryOptions['elsewhere'];
  readonly #maxRetryAfterMs: number;
  readonly #stormGuard: boolean;
  readonly #on: RetryOptions['on'];
  readonly #random: () => number;

  constructor(options: RetryOptions) {
    checkOptions('retry', options, [
      'retries',
      'backoff',
      'immediate',
      'maxElapsed',
      'budgets',
      'when',
      'elsewhere',
      'maxRetryAfter',
      'stormGuard',
      'on',
      'clock',
      'random',
    ]);
    checkSurroundings('retry', options);
    const { immediate = true, when = isRetryable, elsewhere, stormGuard = false, on, clock = systemClock, random = Math.random } = options;
    this.#waits = options.backoff ?? backoff.fullJitter();
    for (const [name, value] of Object.entries({ backoff: this.#waits, when, elsewhere, on })) checkFunction(value, `retry ${name}`);
    checkFlag(immediate, 'retry immediate');
    checkFlag(stormGuard, 'retry stormGuard');
    this.#retries = wholeNumber(options.retries ?? 2, 'retry retries', 0);
    this.#maxRetryAfterMs = toMs(options.maxRetryAfter ?? '30s', 'retry maxRetryAfter');
    this.maxElapsedMs = options.maxElapsed === undefined ? undefined : positiveMs(options.maxElapsed, 'retry maxElapsed');
    this.#budgets = options.budgets ?? [retryBudget({ clock }), tokenThrottle()];
    checkBudgets(this.#budgets, 'retry');
    this.#immediate = immediate;
    this.#when = when;
    this.#elsewhere = elsewhere;
    this.#stormGuard = stormGuard;
    this.#on = on;
    this.#random = random;
    this.clock = clock;
  }

  /**
   * By index, here and below: an iterator for each call would be a tenth of what the policy allocates. What the application's own parts throw
   * is dropped, here and below: the caller is owed what came of the call.
   */
  begin(): void {
    const budgets = this.#budgets;
    try {
      for (let index = 0; index < budgets.length; index++) budgets[index]!.began();
    } catch {
      // See above.
    }
  }

  succeeded(retries: number): void {
    const budgets = this.#budgets;
    try {
      for (let index = 0; index < budgets.length; index++) budgets[index]!.succeeded();
    } catch {
      // See above.
    }
    if (retries === 0) this.counts.succeededFirst++;
    else this.counts.succeededAfterRetry++;
  }

  failed(retries: number): void {
    if (retries === 0) this.counts.failedFirst++;
    else this.counts.failedAfterRetry++;
  }

  /**
   * How long to wait before the attempt after the `tried`-th, which failed with `error`; undefined when there shall be none.
   * @param endsAt no attempt may begin later
   */
  next(call: Attempt, error: unknown, tried: number, waitedMs: number, endsAt: number): number | undefined {
    try {
      return this.#next(call, error, tried, waitedMs, endsAt);
    } catch {
      return undefined; // see above
    }
  }

  #next(call: Attempt, error: unknown, tried: number, waitedMs: number, endsAt: number): number | undefined {
    if (call.aborted || !this.#when(error, call)) return undefined;
    for (const budget of this.#budgets) budget.failed(error);
    if (tried > this.#retries || !(call.idempotent || isUnprocessed(error, call))) return undefined;

    const delayMs = this.#delay(call, error, tried, waitedMs);
    if (endsAt !== Infinity && this.clock.now() + delayMs >= endsAt) return undefined;
    const by = this.#forbidden(call, error);
    const event = { label: call.label, attempt: call.attempt + tried, delayMs, error };
    if (by !== undefined) {
      this.counts.forbidden++;
      // Whoever called us for this would only ask the same of us again. The storm guard speaks of our own work: its caller is the one that tries.
      if (by !== 'storm-guard') giveUp(call, error);
      notify(this.#on, { kind: 'forbidden', by, ...event });
      return undefined;
    }
    for (const budget of this.#budgets) budget.spend();
    notify(this.#on, { kind: 'retry', ...event });
    return delayMs;
  }

  #forbidden(call: Attempt, error: unknown): RetryEvent['by'] {
    const pushback = pushbackMs(error);
    if (pushback !== undefined && pushback < 0) return 'pushback';
    if (this.#stormGuard && isForSecondTry(call)) return 'storm-guard';
    return this.#budgets.every((budget) => budget.allows(error)) ? undefined : 'budget';
  }

  #delay(call: Attempt, error: unknown, tried: number, waitedMs: number): number {
    const pushback = pushbackMs(error);
    if (pushback !== undefined && pushback >= 0) return Math.min(pushback, this.#maxRetryAfterMs);
    const wait = this.#immediate ? tried - 1 : tried;
    const own = wait === 0 ? 0 : checkedWait(this.#waits(wait, this.#random, waitedMs));
    const asked = isServiceError(error) ? error.retryAfterMs : undefined;
    return asked === undefined || this.#elsewhere?.(call) === true ? own : Math.max(own, Math.min(checkedWait(asked), this.#maxRetryAfterMs));
  }
}

/** Whether it is work for a request that is not its caller's first. */
function isForSecondTry(call: Attempt): boolean {
  const request = inboundOf(call);
  return request !== undefined && Number(request.header(ATTEMPT_HEADER)) > 1;
}

/** Of a backoff or an error that somebody wrote: what is no time is none. */
function checkedWait(ms: number): number {
  return ms >= 0 ? Math.min(ms, MAX_DELAY_MS) : 0;
}
