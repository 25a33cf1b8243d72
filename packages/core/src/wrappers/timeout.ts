import type { Attempt } from '../call/call.js';
import { currentCall } from '../call/context.js';
import { fails, flowOf, handlerOf } from '../call/flow.js';
import type { Continuation } from '../call/flow.js';
import { REASONS, refusal } from '../errors/service-error.js';
import type { ServiceError } from '../errors/service-error.js';
import { checkSurroundings } from '../options/check.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { DeadlineWheel } from '../time/deadline-wheel.js';
import type { Duration } from '../time/duration.js';
import { QueuedTimer, TimerQueue } from '../time/timer-queue.js';
import { discard } from './discard.js';
import { checkOptions, checkWord, positiveMs } from './options.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface TimeoutOptions {
  /** How long the work may take, above 0. A nearer `deadline` of the call lowers it. */
  readonly limit: Duration;
  /** What is limited, for messages and for the name in a stack (`timeout(attempt)`): for example `attempt` or `total`. Default: nothing. */
  readonly scope?: string;
  readonly clock?: Clock;
}

export interface Timeout extends Policy {
  /** Counted since it was made. */
  stats(): TimeoutStats;
}

export interface TimeoutStats {
  /** Calls that it ended, those included for which no time was left to begin with. */
  readonly timedOut: number;
}

/**
 * Limits how long work may take. When the time is over, the caller hears of it at once and the work is aborted through its signal;
 * a result that comes later is dropped, a late stream destroyed, cancelled or returned. Permits of the work stay taken until it has really ended.
 * The work sees the end of its time as `call.deadline`. When none is left to begin with, it is not started.
 *
 * While it waits, the process stays alive, so that whoever awaits it is answered though the work holds nothing itself. Not so within a request,
 * which has its socket for that: a handler that hears of no abort shall not keep a stopped service from ending.
 *
 * It costs a branch and a place in a list: no timer of Node's and no AbortController, unless the work asks for its signal.
 *
 * @throws ServiceError DEADLINE_EXCEEDED, reason `TIMEOUT`; `unsent` when the work was not started
 * @throws TypeError at construction, when the limit is no duration above 0
 */
export function timeout(limit: Duration | TimeoutOptions): Timeout {
  if (typeof limit === 'object') checkOptions('timeout', limit, ['limit', 'scope', 'clock']);
  const options: TimeoutOptions = typeof limit === 'object' ? limit : { limit };
  checkSurroundings('timeout', options);
  const { scope, clock = systemClock } = options;
  checkWord(scope, 'timeout scope', 'attempt');
  const limitMs = positiveMs(options.limit, 'timeout limit');
  const queue = new TimerQueue(limitMs, clock);
  const wheel = new DeadlineWheel(clock);
  const waits = new Waits(scope);

  const policy: Policy = <C extends Attempt, R>(next: (call: C) => Promise<R>) => {
    const flow = flowOf(next);
    return handlerOf((call: C, to: Continuation<R>) => {
      const now = clock.now();
      const own = Math.ceil(now + limitMs); // as a TimerQueue does
      const given = call.deadline;
      const deadline = given !== undefined && given < own ? given : own;
      if (deadline <= now) return fails(waits.unstarted(call), to);

      until.deadline = deadline;
      const branch = call.branch(until);
      const wait = waits.take<R>();
      const decided = wait.begin(branch, to, deadline === own ? limitMs : deadline - now);
      if (deadline === own) queue.addAt(wait, own);
      else wheel.add(wait, deadline, now);
      void flow(branch, wait as Continuation<unknown> as Continuation<R>);
      return decided.then<R>(goOn);
    });
  };
  Object.defineProperty(policy, 'stats', { value: (): TimeoutStats => ({ timedOut: waits.timedOut }), enumerable: true });
  return named({ name: scope === undefined ? 'timeout' : `timeout(${scope})` }, policy) as Timeout;
}

/** `branch` reads it at once, so that one serves all calls. */
const until: { deadline: number } = { deadline: 0 };

const MOST_SPARE = 256;

/** What the waits of one policy have in common. Those that are over are used again: what they hold ready would be half of what a call costs. */
class Waits {
  readonly #of: string;
  #spare: Wait<unknown> | undefined;
  #spares = 0;
  timedOut = 0;

  constructor(scope: string | undefined) {
    this.#of = scope === undefined ? '' : ` (${scope})`;
  }

  take<R>(): Wait<R> {
    const wait = this.#spare;
    if (wait === undefined) return new Wait<R>(this);
    this.#spare = wait.spare;
    this.#spares--;
    return wait as Wait<R>;
  }

  giveBack(wait: Wait<unknown>): void {
    if (this.#spares === MOST_SPARE) return;
    wait.spare = this.#spare;
    this.#spare = wait;
    this.#spares++;
  }

  unstarted(call: Attempt): ServiceError {
    return this.#error(call, `no time was left${this.#of}, so it was not started`, true);
  }

  expired(work: Attempt, limitMs: number): ServiceError {
    return this.#error(work, `not done within ${Math.round(limitMs)} ms${this.#of}`, false);
  }

  /** Made in a timer, where a stack trace shows nothing of the caller: it goes without. */
  #error(work: Attempt, what: string, unsent: boolean): ServiceError {
    this.timedOut++;
    return refusal('DEADLINE_EXCEEDED', `${work.label}: ${what}`, { reason: REASONS.timeout, unsent });
  }
}

/**
 * One call that waits, and its place in the queue. Whoever comes first, the result or the end of the time, decides it: the promise that `begin`
 * gave resolves, and what was asked of it goes on in the context of the call. It can be used again once that has been done and the work
 * has settled too, since then nobody else knows of it.
 */
class Wait<R> extends QueuedTimer implements Continuation<unknown> {
  spare: Wait<unknown> | undefined = undefined;
  readonly onValue: (value: unknown) => void = (value) => this.succeeded(value);
  readonly onError: (error: unknown) => void = (error) => this.failed(error);
  private readonly waits: Waits;
  private work: Attempt | undefined = undefined;
  private to: Continuation<R> | undefined = undefined;
  private limitMs = 0;
  private decide: ((wait: Wait<R>) => void) | undefined = undefined;
  private isDecided = false;
  private isFailure = false;
  private outcome: unknown = undefined;
  private hasGoneOn = false;
  private hasSettled = false;

  constructor(waits: Waits) {
    super();
    this.waits = waits;
  }

  begin(work: Attempt, to: Continuation<R>, limitMs: number): Promise<Wait<R>> {
    this.holds = currentCall() === undefined;
    this.work = work;
    this.to = to;
    this.limitMs = limitMs;
    const decided = new Promise(keepResolve);
    this.decide = resolveOfLast;
    return decided as Promise<Wait<R>>;
  }

  /** The work has a result. */
  succeeded(value: unknown): void {
    this.work!.endWith(value);
    if (this.isDecided) discard(value);
    else this.over(false, value);
    this.hasSettled = true;
    this.release();
  }

  failed(error: unknown): void {
    this.work!.endFailed();
    if (!this.isDecided) this.over(true, error);
    this.hasSettled = true;
    this.release();
  }

  override expire(): void {
    const work = this.work!;
    const error = this.waits.expired(work, this.limitMs);
    this.over(true, error);
    work.abort(error);
  }

  goOn(): R | Promise<R> {
    const { isFailure, outcome } = this;
    const to = this.to!;
    this.hasGoneOn = true;
    this.release();
    return isFailure ? to.failed(outcome) : to.succeeded(outcome as R);
  }

  private over(isFailure: boolean, outcome: unknown): void {
    this.isDecided = true;
    this.isFailure = isFailure;
    this.outcome = outcome;
    this.cancel();
    this.decide!(this);
  }

  private release(): void {
    if (!this.hasGoneOn || !this.hasSettled) return;
    this.work = this.to = this.decide = this.outcome = undefined;
    this.isDecided = this.hasGoneOn = this.hasSettled = false;
    this.waits.giveBack(this as Wait<unknown>);
  }
}

/** For the `resolve` of a promise that is just being made, without a closure for each. */
let resolveOfLast: ((value: unknown) => void) | undefined;

function keepResolve(resolve: (value: unknown) => void): void {
  resolveOfLast = resolve;
}

function goOn<R>(wait: Wait<R>): R | Promise<R> {
  return wait.goOn();
}
