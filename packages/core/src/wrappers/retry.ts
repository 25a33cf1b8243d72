import type { Attempt } from '../call/call.js';
import { isServiceError } from '../errors/service-error.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { toMs } from '../time/duration.js';
import { sleep } from '../time/sleep.js';
import { backoff } from './backoff.js';
import type { Backoff } from './backoff.js';
import { checkFunction, checkOptions, notify, wholeNumber } from './options.js';
import { retryBudget, tokenThrottle } from './retry-budget.js';
import type { RetryBudget } from './retry-budget.js';
import { isRetryable, isUnprocessed } from './verdict.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface RetryOptions {
  /** How often to try again. Default 2: three attempts in all. 0 never does. */
  readonly retries?: number;
  /** The waits. Default: full jitter from 25 ms, at most 250 ms. */
  readonly backoff?: Backoff;
  /** Whether the first retry is made at once: it goes to another endpoint, which has no reason to be waited for. Default true. */
  readonly immediate?: boolean;
  /** All of them are asked before a retry. Default: a new `retryBudget()` and a new `tokenThrottle()`; `[]` for none. */
  readonly budgets?: readonly RetryBudget[];
  /**
   * Whether a second try may fare better. Default: `retryable` of a ServiceError, 408, 425, 429, 502, 503 and 504 of other errors with
   * a status, and all other errors but JavaScript's own (TypeError and its like). Safety is asked beside it, and not up to it.
   */
  readonly when?: (error: unknown, attempt: Attempt) => boolean;
  /**
   * Whether there is another place to try, so that a `Retry-After` of the one that failed need not be waited for. Default: never.
   * A balancer knows.
   */
  readonly elsewhere?: (attempt: Attempt) => boolean;
  /** The longest wait that a `Retry-After` is granted; a longer one is cut to it. Default 30 s. */
  readonly maxRetryAfter?: Duration;
  /** Hears of every retry and of every one that a budget forbade. */
  readonly on?: (event: RetryEvent) => void;
  readonly clock?: Clock;
  /** Numbers in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

export interface RetryEvent {
  /** `retry`: another attempt is made in `delayMs`; `forbidden`: it would have been, but a budget is used up. */
  readonly kind: 'retry' | 'forbidden';
  readonly label: string;
  /** The number of the attempt that is or would have been next: 2 for the first retry. */
  readonly attempt: number;
  readonly delayMs: number;
  /** What the attempt before it failed with. */
  readonly error: unknown;
}

/**
 * Tries again what failed, when that may help and is safe: the work is idempotent, or it is an outbound call that certainly was not
 * processed (its own transport has sent nothing, or the other side refused it for overload with a `Retry-After`). What calls inside of
 * guarded work met with says nothing of the work itself. Never after a reply was handed on, never for cancelled work, never past
 * the deadline: when the wait would reach it, the failure is thrown at once. Each attempt is a branch with its number.
 * When all fail, the last failure is thrown as it is.
 *
 * @throws TypeError at construction, for an option that makes no sense
 */
export function retry(options: RetryOptions = {}): Policy {
  checkOptions('retry', options, ['retries', 'backoff', 'immediate', 'budgets', 'when', 'elsewhere', 'maxRetryAfter', 'on', 'clock', 'random']);
  const { immediate = true, when = isRetryable, elsewhere, on, clock = systemClock, random = Math.random } = options;
  const waits = options.backoff ?? backoff.fullJitter();
  const retries = wholeNumber(options.retries ?? 2, 'retry retries', 0);
  const maxRetryAfterMs = toMs(options.maxRetryAfter ?? '30s', 'retry maxRetryAfter');
  const budgets = options.budgets ?? [retryBudget({ clock }), tokenThrottle()];
  for (const [name, value] of Object.entries({ backoff: waits, when, elsewhere, on, random })) checkFunction(value, `retry ${name}`);
  checkBudgets(budgets);

  /** Only reached when an attempt failed, so that success pays for none of it. */
  async function tryAgain<C extends Attempt, R>(call: C, next: (call: C) => Promise<R>, firstError: unknown): Promise<R> {
    let error = firstError;
    let waitedMs = 0;
    for (let tried = 1; ; tried++) {
      if (call.aborted || !when(error, call)) throw error;
      for (const budget of budgets) budget.failed(error);
      if (tried > retries || !(call.idempotent || isUnprocessed(error, call))) throw error;

      const delayMs = delay(call, error, tried, waitedMs);
      if (call.deadline !== undefined && clock.now() + delayMs >= call.deadline) throw error;
      const attempt = call.attempt + tried;
      const allowed = budgets.every((budget) => budget.allows(error));
      notify(on, { kind: allowed ? 'retry' : 'forbidden', label: call.label, attempt, delayMs, error });
      if (!allowed) throw error;
      for (const budget of budgets) budget.spend();

      if (delayMs > 0) await sleep(delayMs, call, clock, { ref: true });
      waitedMs = delayMs;
      try {
        return succeeded(await call.branch({ attempt }).run(next));
      } catch (failure) {
        error = failure;
      }
    }
  }

  function delay(call: Attempt, error: unknown, tried: number, waitedMs: number): number {
    const wait = immediate ? tried - 1 : tried;
    const own = wait === 0 ? 0 : waits(wait, random, waitedMs);
    const asked = isServiceError(error) ? error.retryAfterMs : undefined;
    return asked === undefined || elsewhere?.(call) === true ? own : Math.max(own, Math.min(asked, maxRetryAfterMs));
  }

  function succeeded<R>(result: R): R {
    for (const budget of budgets) budget.succeeded();
    return result;
  }

  const policy: Policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    (call: C) => {
      for (const budget of budgets) budget.began();
      return call
        .branch()
        .run(next)
        .then(succeeded<R>, (error: unknown) => tryAgain(call, next, error));
    };
  return named({ name: 'retry', replays: true }, policy);
}

function checkBudgets(budgets: unknown): void {
  if (!Array.isArray(budgets) || !budgets.every(isBudget)) {
    throw new TypeError('retry budgets: not a list of budgets. Give [retryBudget(), tokenThrottle()], or [] for none.');
  }
}

function isBudget(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Partial<RetryBudget>).allows === 'function';
}
