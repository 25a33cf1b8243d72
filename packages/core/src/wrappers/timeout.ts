import type { Attempt } from '../call/call.js';
import { currentCall } from '../call/context.js';
import { Reply, isStream } from '../call/reply.js';
import { REASONS, refusal } from '../errors/service-error.js';
import type { ServiceError } from '../errors/service-error.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { DeadlineWheel } from '../time/deadline-wheel.js';
import type { Duration } from '../time/duration.js';
import { QueuedTimer, TimerQueue } from '../time/timer-queue.js';
import { checkOptions, positiveMs } from './options.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface TimeoutOptions {
  /** How long the work may take, above 0. A nearer `deadline` of the call lowers it. */
  readonly limit: Duration;
  /** What is limited, for messages and for the name in a stack (`timeout(attempt)`): for example `attempt` or `total`. Default: nothing. */
  readonly scope?: string;
  readonly clock?: Clock;
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
export function timeout(limit: Duration | TimeoutOptions): Policy {
  if (typeof limit === 'object') checkOptions('timeout', limit, ['limit', 'scope', 'clock']);
  const options: TimeoutOptions = typeof limit === 'object' ? limit : { limit };
  const { scope, clock = systemClock } = options;
  const limitMs = positiveMs(options.limit, 'timeout limit');
  const queue = new TimerQueue(limitMs, clock);
  const wheel = new DeadlineWheel(clock);

  const policy: Policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    (call: C) => {
      const now = clock.now();
      const own = now + limitMs;
      const given = call.deadline;
      const deadline = given !== undefined && given < own ? given : own;
      if (deadline <= now) return Promise.reject(timedOut(call, `no time was left${of(scope)}, so it was not started`, true));

      const branch = call.branch({ deadline });
      return new Promise<R>((resolve, reject) => {
        const pending = new Pending(branch, resolve, reject, deadline - now, scope);
        if (deadline === own) queue.add(pending, now);
        else wheel.add(pending, deadline, now);
        branch.runInto(
          next,
          (value) => pending.succeeded(value),
          (error) => pending.failed(error),
        );
      });
    };
  return named({ name: scope === undefined ? 'timeout' : `timeout(${scope})` }, policy);
}

/** One call that waits, and its place in the queue. Whoever comes first, the result or the end of the time, settles it. */
class Pending<R> extends QueuedTimer {
  readonly #work: Attempt;
  readonly #resolve: (value: R) => void;
  readonly #reject: (error: unknown) => void;
  readonly #limitMs: number;
  readonly #scope: string | undefined;
  #settled = false;

  constructor(work: Attempt, resolve: (value: R) => void, reject: (error: unknown) => void, limitMs: number, scope: string | undefined) {
    super();
    this.holds = currentCall() === undefined;
    this.#work = work;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#limitMs = limitMs;
    this.#scope = scope;
  }

  succeeded(value: R): void {
    if (this.#settled) return drop(value);
    this.#settled = true;
    this.cancel();
    this.#resolve(value);
  }

  failed(error: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.cancel();
    this.#reject(error);
  }

  override expire(): void {
    this.#settled = true;
    const error = timedOut(this.#work, `not done within ${Math.round(this.#limitMs)} ms${of(this.#scope)}`, false);
    this.#reject(error);
    this.#work.abort(error);
  }
}

/** Made in a timer, where a stack trace shows nothing of the caller: it goes without. */
function timedOut(work: Attempt, what: string, unsent: boolean): ServiceError {
  return refusal('DEADLINE_EXCEEDED', `${work.label}: ${what}`, { reason: REASONS.timeout, unsent });
}

function of(scope: string | undefined): string {
  return scope === undefined ? '' : ` (${scope})`;
}

/**
 * Nobody waits for it any more: what it holds open is closed, a Node stream, a web stream (a fetch Response's too) or a generator.
 * How that goes interests nobody either.
 */
function drop(result: unknown): void {
  const body: unknown = result instanceof Reply || result instanceof Response ? result.body : result;
  if (isStream(body)) return void body.destroy();
  if (typeof body !== 'object' || body === null) return;
  const { cancel, [Symbol.asyncIterator]: iterate, return: close } = body as LateBody;
  // `return` is asked for only of what is an iterator itself: making one of an iterable would begin its work.
  const end = body instanceof ReadableStream ? cancel : typeof iterate === 'function' ? close : undefined;
  if (typeof end !== 'function') return;
  try {
    Promise.resolve(Reflect.apply(end, body, [])).catch(nothing); // a locked web stream rejects: its reader has it
  } catch {
    // See above.
  }
}

interface LateBody {
  readonly cancel?: unknown;
  readonly return?: unknown;
  readonly [Symbol.asyncIterator]?: unknown;
}

function nothing(): void {}
