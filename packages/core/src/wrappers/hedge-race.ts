import { AsyncResource } from 'node:async_hooks';
import type { Attempt } from '../call/call.js';
import { Call } from '../call/call.js';
import { HEDGING } from '../call/hedging.js';
import type { Hedging } from '../call/hedging.js';
import { REASONS, isServiceError, refusal } from '../errors/service-error.js';
import type { Clock } from '../time/clock.js';
import type { DeadlineWheel } from '../time/deadline-wheel.js';
import { QueuedTimer } from '../time/timer-queue.js';
import { discard } from './discard.js';
import type { HedgeBudget, Waiting } from './hedge-budget.js';
import type { RecentLatencies } from './hedge-delay.js';
import type { HedgeEvent, HedgeStats } from './hedge.js';
import { notify } from './options.js';
import type { RetryBudget } from './retry-budget.js';
import { pushbackMs } from './verdict.js';

/** What all races of one `hedge` share. */
export interface HedgeRules {
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly max: number;
  /** Of extra attempts alone, and those of a retry. */
  readonly own: HedgeBudget;
  readonly budgets: readonly RetryBudget[];
  readonly when: (error: unknown, attempt: Attempt) => boolean;
  readonly elsewhere: ((attempt: Attempt) => boolean) | undefined;
  readonly on: ((event: HedgeEvent) => void) | undefined;
  readonly counts: { -readonly [name in keyof HedgeStats]: HedgeStats[name] };
}

/**
 * A timer is never so late while the event loop runs: 1 ms by its queue, 1 ms by Node. A later one has waited for a loop that stood still, and
 * so have replies, which the loop reads after its timers.
 */
const LATE_MS = 2;

/**
 * The attempts of one call. The first that succeeds settles it and aborts the others; so does the first failure that no other attempt would
 * mend. Any other failure waits for the attempts that are under way, and is thrown when none is.
 *
 * As a timer, it is the time after which the next attempt is made.
 */
export class HedgeRace<C extends Attempt, R> extends QueuedTimer implements Waiting {
  readonly #rules: HedgeRules;
  readonly #latencies: RecentLatencies;
  readonly #call: C;
  readonly #next: (call: C) => Promise<R>;
  readonly #startedAt: number;
  readonly #delayMs: number;
  readonly #hedging: Hedging | undefined;
  // The timer is shared, and runs in the context of whoever made it: a hedge belongs into that of its call, whose trace and request it is part of.
  readonly #context = new AsyncResource('FerruleHedge');
  #resolve!: (value: R) => void;
  #reject!: (error: unknown) => void;
  #first: C | undefined;
  #hedges: C[] | undefined;
  #running = 0;
  /** The number of the last one that a budget forbade. */
  #forbidden = 0;
  #settled = false;

  constructor(rules: HedgeRules, latencies: RecentLatencies, call: C, next: (call: C) => Promise<R>, now: number, delayMs: number) {
    super();
    this.holds = false; // what is waited for is the attempt that is under way
    this.#rules = rules;
    this.#latencies = latencies;
    this.#call = call;
    this.#next = next;
    this.#startedAt = now;
    this.#delayMs = delayMs;
    this.#hedging = call instanceof Call ? hedgingOf(call) : undefined;
  }

  run(): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#rules.wheel.add(this, this.#startedAt + this.#delayMs, this.#startedAt);
      this.#first = this.#call.branch({ attempt: this.#call.attempt + (this.#hedging?.made ?? 0) });
      this.#begin(this.#first);
    });
  }

  /** The delay is over. What has arrived by now settles first: after a pause of the loop nearly all calls would look late, and spend the budget. */
  override expire(): void {
    if (this.#rules.clock.now() - this.due > LATE_MS) setImmediate(() => this.proceed());
    else this.proceed();
  }

  proceed(): void {
    if (!this.#settled) this.#context.runInAsyncScope(this.#hedge, this, undefined);
  }

  #begin(attempt: C): void {
    this.#running++;
    attempt.runInto(
      this.#next,
      (value) => this.#succeeded(attempt, value),
      (error) => this.#failed(attempt, error),
    );
  }

  #succeeded(attempt: C, value: R): void {
    this.#running--;
    if (this.#settled) return discard(value);
    if (attempt === this.#first) this.#latencies.add(this.#rules.clock.now() - this.#startedAt);
    else {
      this.#rules.counts.won++;
      this.#tell('won', attempt.attempt, undefined);
    }
    this.#settle();
    this.#resolve(value);
    this.#abortOthers(attempt);
  }

  #failed(attempt: C, error: unknown): void {
    this.#running--;
    if (this.#settled) return;
    // One that failed late had been late before it failed: left out, the slowest would never count.
    if (attempt === this.#first) this.#addIfLate();
    const over = this.#call.aborted || !this.#mayMend(error);
    if (!over) {
      const hedged = asksForPause(error) ? this.cancel() : this.#hedge(error);
      if (hedged === true || this.#running > 0) {
        this.#tellBudgets(error); // of the one that is thrown, the retry around tells them
        return;
      }
    }
    this.#settle();
    this.#reject(error);
    this.#abortOthers(attempt);
  }

  /** Makes one more attempt, unless something forbids it. `error`: what the one before it failed with; undefined when it is merely late. */
  #hedge(error: unknown): boolean {
    const rules = this.#rules;
    const made = this.#hedges?.length ?? 0;
    if (made >= rules.max || !this.#mayBegin()) return false;
    const number = this.#lastNumber() + 1;
    if (!this.#spend(error)) {
      this.cancel();
      if (this.#running > 0 && !rules.own.allows()) rules.own.wait(this);
      if (this.#forbidden === number) return false; // it has waited for its own budget, and another one forbids it
      this.#forbidden = number;
      rules.counts.forbidden++;
      this.#tell('forbidden', number, error);
      return false;
    }
    rules.own.leave(this);
    rules.counts.hedged++;
    this.#tell('hedge', number, error);
    const attempt = this.#call.branch({ attempt: number });
    if (this.#hedging !== undefined) this.#hedging.made++;
    (this.#hedges ??= []).push(attempt);
    const now = rules.clock.now();
    if (made + 1 < rules.max) rules.wheel.add(this, now + this.#delayMs, now);
    else this.cancel();
    this.#begin(attempt);
    return true;
  }

  /** Asks all budgets and charges them. What one of the application's throws forbids the hedge: the call goes on as it is. */
  #spend(error: unknown): boolean {
    const { own, budgets } = this.#rules;
    try {
      if (!(own.allows() && budgets.every((budget) => budget.allows(error)))) return false;
      own.spend();
      for (const budget of budgets) budget.spend();
      return true;
    } catch {
      return false;
    }
  }

  #tellBudgets(error: unknown): void {
    try {
      for (const budget of this.#rules.budgets) budget.failed(error);
    } catch {
      // The caller is owed what comes of the call.
    }
  }

  #mayBegin(): boolean {
    const call = this.#call;
    if (call.aborted || (call.deadline !== undefined && call.deadline <= this.#rules.clock.now())) return false;
    try {
      if (this.#rules.elsewhere !== undefined) return this.#rules.elsewhere(call);
      return call instanceof Call ? (this.#hedging?.places?.elsewhere?.(call) ?? true) : true;
    } catch {
      return false; // the call goes on as it is
    }
  }

  #mayMend(error: unknown): boolean {
    try {
      return this.#rules.when(error, this.#call);
    } catch {
      return false; // the caller is owed the error of its call
    }
  }

  #lastNumber(): number {
    return (this.#hedges?.at(-1) ?? this.#first!).attempt;
  }

  #addIfLate(): void {
    const ms = this.#rules.clock.now() - this.#startedAt;
    if (ms >= this.#delayMs) this.#latencies.add(ms);
  }

  #settle(): void {
    this.#settled = true;
    this.cancel();
    this.#rules.own.leave(this);
  }

  #abortOthers(attempt: C): void {
    if (this.#running === 0) return;
    const reason = refusal('CANCELLED', `${this.#call.label}: another attempt of the same call has decided it`, { reason: REASONS.hedgeLost });
    // It would have taken at least as long.
    if (attempt !== this.#first) this.#addIfLate();
    for (const other of [this.#first!, ...(this.#hedges ?? [])]) if (other !== attempt) other.abort(reason);
  }

  #tell(kind: HedgeEvent['kind'], attempt: number, error: unknown): void {
    const { on, clock } = this.#rules;
    if (on !== undefined) notify(on, { kind, label: this.#call.label, attempt, afterMs: clock.now() - this.#startedAt, error });
  }
}

/** What a retry around it has begun, or new. */
function hedgingOf(call: Call): Hedging {
  const known = call.values.get(HEDGING);
  if (known !== undefined) return known;
  const made: Hedging = { made: 0, places: undefined };
  call.values.set(HEDGING, made);
  return made;
}

/** By `Retry-After` or by pushing back: how long to wait is the business of a retry. */
function asksForPause(error: unknown): boolean {
  return (isServiceError(error) && error.retryAfterMs !== undefined) || pushbackMs(error) !== undefined;
}
