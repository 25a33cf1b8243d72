import type { Attempt } from '../call/call.js';
import { flowOf, handlerOf } from '../call/flow.js';
import type { Continuation } from '../call/flow.js';
import type { Clock, TimerOptions } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { sleep } from '../time/sleep.js';
import type { Backoff } from './backoff.js';
import type { RetryBudget } from './retry-budget.js';
import { RetryRules } from './retry-rules.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface RetryOptions {
  /** How often to try again. Default 2: three attempts in all. 0 never does. */
  readonly retries?: number;
  /** The waits. Default: full jitter from 25 ms, at most 250 ms. What is no number, or below 0, is no wait. */
  readonly backoff?: Backoff;
  /** Whether the first retry is made at once: it goes to another endpoint, which has no reason to be waited for. Default true. */
  readonly immediate?: boolean;
  /** No attempt begins later than this after the first one, waits included. Default: the call's deadline alone. */
  readonly maxElapsed?: Duration;
  /** All of them are asked before a retry. Default: a new `retryBudget()` and a new `tokenThrottle()`; `[]` for none. */
  readonly budgets?: readonly RetryBudget[];
  /**
   * Whether a second try may fare better. Default: `retryable` of a ServiceError, 408, 425, 429, 502, 503 and 504 of other errors with
   * a status, and all other errors but JavaScript's own (TypeError and its like). Safety is asked beside it, and not up to it; nor is what
   * the other side has said of it (`x-retry: no`). One that throws counts as no.
   */
  readonly when?: (error: unknown, attempt: Attempt) => boolean;
  /**
   * Whether there is another place to try, so that a `Retry-After` of the one that failed need not be waited for. Default: never.
   * A balancer knows.
   */
  readonly elsewhere?: (attempt: Attempt) => boolean;
  /** The longest wait that a `Retry-After` is granted; a longer one is cut to it. Default 30 s. */
  readonly maxRetryAfter?: Duration;
  /**
   * Whether work done for a request that is itself a second try (its `x-attempt-count` is above 1) is not tried again: in a chain of services
   * that each try three times, one failure at its end is 3 × 3 × 3 calls. Default false.
   */
  readonly stormGuard?: boolean;
  /** Hears of every retry and of every one that was forbidden. */
  readonly on?: (event: RetryEvent) => void;
  readonly clock?: Clock;
  /** Numbers in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

export interface RetryEvent {
  /** `retry`: another attempt is made in `delayMs`; `forbidden`: it would have been, but for what `by` says. */
  readonly kind: 'retry' | 'forbidden';
  readonly label: string;
  /** The number of the attempt that is or would have been next: 2 for the first retry. */
  readonly attempt: number;
  readonly delayMs: number;
  /** What the attempt before it failed with. */
  readonly error: unknown;
  /** What forbade it: a budget that is used up, the other side (`x-retry: no`), or the storm guard. */
  readonly by?: 'budget' | 'pushback' | 'storm-guard';
}

export interface Retry extends Policy {
  /** Counted since it was made. */
  stats(): RetryStats;
}

export interface RetryStats {
  /** Calls by how they ended: with their first attempt, or after another one. */
  readonly succeededFirst: number;
  readonly succeededAfterRetry: number;
  readonly failedFirst: number;
  readonly failedAfterRetry: number;
  /** Attempts beyond the first ones. */
  readonly retries: number;
  /** Retries that a budget, the other side or the storm guard forbade. */
  readonly forbidden: number;
}

/**
 * Tries again what failed, when that may help and is safe: the work is idempotent, or it is an outbound call that certainly was not
 * processed (its own transport has sent nothing, or the other side refused it for overload with a `Retry-After`). What calls inside of
 * guarded work met with says nothing of the work itself. Never after a reply was handed on, never for cancelled work, never past
 * the deadline: when the wait would reach it, the failure is thrown at once. Each attempt is a branch with its number.
 * When all fail, the last failure is thrown as it is; one that a budget or the other side kept from being tried again makes the reply of a
 * service that fails with it say `x-retry: no`.
 *
 * A reply that says `x-retry: no`, or pushes back as gRPC does (`grpc-retry-pushback-ms`, negative or no number), is not tried again; one that
 * pushes back by a number of ms is tried again after just that.
 *
 * @throws TypeError at construction, for an option that makes no sense
 */
export function retry(options: RetryOptions = {}): Retry {
  const rules = new RetryRules(options);
  const policy: Policy = <C extends Attempt, R>(next: (call: C) => Promise<R>) => {
    const flow = flowOf(next);
    const retried: Retried<C, R> = { rules, next };
    const First = rules.maxElapsedMs === undefined ? FirstAttempt : TimedFirstAttempt;
    return handlerOf((call: C, to: Continuation<R>) => {
      rules.begin();
      const branch = call.branch();
      return flow(branch, new First(retried, call, branch, to));
    });
  };
  Object.defineProperty(policy, 'stats', { value: (): RetryStats => ({ ...rules.counts }), enumerable: true });
  return named({ name: 'retry', replays: true }, policy) as Retry;
}

const WAITED_FOR: TimerOptions = Object.freeze({ ref: true });

/** A handler and how it is tried again. */
interface Retried<C, R> {
  readonly rules: RetryRules;
  readonly next: (call: C) => Promise<R>;
}

/** Hears how the first attempt went, which is all that most calls need. */
class FirstAttempt<C extends Attempt, R> implements Continuation<R> {
  protected readonly retried: Retried<C, R>;
  protected readonly call: C;
  private readonly branch: C;
  private readonly to: Continuation<R>;

  constructor(retried: Retried<C, R>, call: C, branch: C, to: Continuation<R>) {
    this.retried = retried;
    this.call = call;
    this.branch = branch;
    this.to = to;
  }

  succeeded(value: R): R | Promise<R> {
    this.branch.endWith(value);
    this.retried.rules.succeeded(0);
    return this.to.succeeded(value);
  }

  failed(error: unknown, from?: Promise<R>): R | Promise<R> {
    this.branch.endFailed();
    const { call, retried, to } = this;
    const endsAt = this.endsAt();
    const delayMs = retried.rules.next(call, error, 1, 0, endsAt);
    if (delayMs !== undefined) return tryAgain(retried, call, to, error, delayMs, endsAt);
    retried.rules.failed(0);
    return to.failed(error, from);
  }

  protected endsAt(): number {
    return this.call.deadline ?? Infinity;
  }
}

/** Knows when it began, because there is a limit for all of them. */
class TimedFirstAttempt<C extends Attempt, R> extends FirstAttempt<C, R> {
  private readonly beganAt: number;

  constructor(retried: Retried<C, R>, call: C, branch: C, to: Continuation<R>) {
    super(retried, call, branch, to);
    this.beganAt = retried.rules.clock.now();
  }

  protected override endsAt(): number {
    return Math.min(super.endsAt(), this.beganAt + this.retried.rules.maxElapsedMs!);
  }
}

async function tryAgain<C extends Attempt, R>(
  { rules, next }: Retried<C, R>,
  call: C,
  to: Continuation<R>,
  failure: unknown,
  delayMs: number,
  endsAt: number,
): Promise<R> {
  let error = failure;
  let made = 0;
  for (let waitMs: number | undefined = delayMs; waitMs !== undefined;) {
    const waited: number = waitMs;
    let value: R;
    try {
      if (waited > 0) {
        await sleep(waited, call, rules.clock, WAITED_FOR);
        if (rules.clock.now() >= endsAt) break; // the timer was late by more than there was left
      }
      rules.counts.retries++;
      made++;
      value = await call.branch({ attempt: call.attempt + made }).run(next);
    } catch (thrown) {
      error = thrown;
      waitMs = rules.next(call, error, made + 1, waited, endsAt);
      continue;
    }
    rules.succeeded(made);
    return to.succeeded(value);
  }
  rules.failed(made);
  return to.failed(error);
}
