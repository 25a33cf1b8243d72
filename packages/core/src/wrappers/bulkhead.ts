import type { Attempt } from '../call/call.js';
import { REASONS, refusal } from '../errors/service-error.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { checkOptions, wholeNumber } from './options.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface BulkheadOptions {
  /** How many calls may be open at once. */
  readonly limit: number;
  /** How many more may wait for a permit, in the order in which they came. Default 0: refused at once. */
  readonly queue?: number;
  readonly clock?: Clock;
}

export interface Bulkhead extends Policy {
  /** Permits taken now. */
  readonly active: number;
  /** Calls waiting for one now. */
  readonly queued: number;
}

/**
 * Bounds how much work is open at once. A permit is kept until the work has really ended: its body moved, its aborted attempts
 * over, not merely until the caller has stopped waiting. A call that waits leaves the queue when it is aborted, and is not started
 * when its deadline has passed. All handlers that one bulkhead wraps share its permits.
 *
 * @throws ServiceError UNAVAILABLE, reason `BULKHEAD_FULL`, with `retryAfterMs`; the reason of the abort when aborted in the queue;
 * DEADLINE_EXCEEDED, reason `TIMEOUT`, when its turn came too late
 * @throws TypeError at construction, when limit or queue is no whole number
 */
export function bulkhead(limit: number | BulkheadOptions): Bulkhead {
  if (typeof limit === 'object') checkOptions('bulkhead', limit, ['limit', 'queue', 'clock']);
  const options: BulkheadOptions = typeof limit === 'object' ? limit : { limit };
  const { clock = systemClock } = options;
  const permits = wholeNumber(options.limit, 'bulkhead limit', 1);
  const places = wholeNumber(options.queue ?? 0, 'bulkhead queue', 0);
  const waiting = new Set<() => void>(); // in the order of arrival; deleting from the middle is constant work
  let active = 0;

  function release(): void {
    for (const admit of waiting) return admit(); // the permit goes over, so that nobody who comes later gets ahead
    active--;
  }

  /** Resolves when a permit has been handed over. */
  function turn(call: Attempt): Promise<void> {
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        waiting.delete(admit);
        forget();
        resolve();
      };
      waiting.add(admit);
      const forget = call.onAbort((reason) => {
        waiting.delete(admit);
        reject(reason);
      });
    });
  }

  async function afterTurn<C extends Attempt, R>(call: C, next: (call: C) => Promise<R>): Promise<R> {
    await turn(call);
    const late = call.deadline !== undefined && call.deadline <= clock.now();
    if (call.aborted || late) {
      release();
      throw call.aborted
        ? call.reason
        : refusal('DEADLINE_EXCEEDED', `${call.label}: its time was over before a permit came free`, { reason: REASONS.timeout, unsent: true });
    }
    call.onEnd(release);
    return next(call);
  }

  const policy: Policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    (call: C) => {
      if (active < permits) {
        active++;
        call.onEnd(release);
        return next(call);
      }
      if (call.aborted) return Promise.reject(call.reason);
      if (waiting.size < places) return afterTurn(call, next);
      return Promise.reject(
        refusal('UNAVAILABLE', `${call.label}: ${permits} calls are open${places === 0 ? '' : ` and ${places} wait`}, which is the limit`, {
          reason: REASONS.bulkheadFull,
          retryAfterMs: 1000,
        }),
      );
    };
  Object.defineProperties(policy, { active: { get: () => active, enumerable: true }, queued: { get: () => waiting.size, enumerable: true } });
  return named({ name: 'bulkhead' }, policy) as Bulkhead;
}
