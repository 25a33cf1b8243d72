import type { Attempt } from '../call/call.js';
import { REASONS, refusal } from '../errors/service-error.js';
import { checkSurroundings } from '../options/check.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { Permits } from './bulkhead-permits.js';
import type { PermitEvent } from './bulkhead-permits.js';
import { checkFunction, checkOptions, notify, positiveMs, wholeNumber } from './options.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface BulkheadOptions {
  /** How many calls may be open at once. */
  readonly limit: number;
  /** How many more may wait for a permit, in the order in which they came. Default 0: refused at once. */
  readonly queue?: number;
  /** How long one may wait before it is refused after all. Default: until its turn, its deadline or its abort. */
  readonly maxWait?: Duration;
  /** Hears of every call that found no permit free. */
  readonly on?: (event: PermitEvent) => void;
  readonly clock?: Clock;
}

export interface BulkheadStats {
  /** Permits taken now. */
  readonly active: number;
  /** Calls waiting for one now. */
  readonly queued: number;
  readonly limit: number;
  /** Calls that were let through, at once or after a wait. */
  readonly admitted: number;
  /** Calls refused because all permits and places were taken, or because they waited too long. */
  readonly rejected: number;
  /** Calls whose deadline had passed when their turn came. */
  readonly expired: number;
}

export interface Bulkhead extends Policy {
  /** Permits taken now. */
  readonly active: number;
  /** Calls waiting for one now. */
  readonly queued: number;
  stats(): BulkheadStats;
}

/**
 * Bounds how much work is open at once. A permit is kept until the work has really ended: its body moved, its aborted attempts
 * over, not merely until the caller has stopped waiting. A call that waits leaves the queue when it is aborted, and is not started
 * when its deadline has passed. All handlers that one bulkhead wraps share its permits.
 *
 * @throws ServiceError UNAVAILABLE, reason `BULKHEAD_FULL`, with `retryAfterMs`, at once or after `maxWait`; the reason of the abort when
 * aborted in the queue; DEADLINE_EXCEEDED, reason `TIMEOUT`, when its turn came too late
 * @throws TypeError at construction, for an option that makes no sense
 */
export function bulkhead(limit: number | BulkheadOptions): Bulkhead {
  if (typeof limit === 'object') checkOptions('bulkhead', limit, ['limit', 'queue', 'maxWait', 'on', 'clock']);
  const options: BulkheadOptions = typeof limit === 'object' ? limit : { limit };
  checkSurroundings('bulkhead', options);
  const { on, clock = systemClock } = options;
  checkFunction(on, 'bulkhead on');
  const count = wholeNumber(options.limit, 'bulkhead limit', 1);
  const places = wholeNumber(options.queue ?? 0, 'bulkhead queue', 0);
  const maxWaitMs = options.maxWait === undefined ? undefined : positiveMs(options.maxWait, 'bulkhead maxWait');
  if (maxWaitMs !== undefined && places === 0)
    throw new TypeError('bulkhead maxWait: nobody waits without a queue. Give queue too, such as { limit: 20, queue: 20 }, or leave maxWait out.');

  const permits = new Permits(count, {
    clock,
    places: () => places,
    maxWaitMs,
    tell: on && ((event) => notify(on, event)),
    refuse: (call) =>
      refusal('UNAVAILABLE', `${call.label}: ${count} calls are open${places === 0 ? '' : ` and ${places} may wait`}, which is the limit`, {
        reason: REASONS.bulkheadFull,
        retryAfterMs: 1000,
      }),
  });

  const policy: Policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    (call: C) =>
      permits.run(call, next);
  Object.defineProperties(policy, {
    active: { get: () => permits.active, enumerable: true },
    queued: { get: () => permits.queued, enumerable: true },
    stats: {
      value: (): BulkheadStats => ({
        active: permits.active,
        queued: permits.queued,
        limit: count,
        admitted: permits.admitted,
        rejected: permits.rejected,
        expired: permits.expired,
      }),
      enumerable: true,
    },
  });
  return named({ name: 'bulkhead' }, policy) as Bulkhead;
}
