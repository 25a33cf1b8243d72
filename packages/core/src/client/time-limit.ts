import { MAX_DELAY_MS } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import type { Counting } from '../wrappers/in-force.js';
import { timeout } from '../wrappers/timeout.js';
import type { Timeout, TimeoutStats } from '../wrappers/timeout.js';
import { named, traitsOf } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { OUTBOUND } from './outbound.js';

/**
 * A timeout that a request with a time of its own may exceed: such a call has its time as its deadline, which then is the only limit.
 * @param exceeds whether the limit gives way to a request that asked for so many ms; without a time of its own it never does
 */
export function timeLimit(
  scope: 'total' | 'attempt',
  duration: Duration | false,
  exceeds: (askedMs: number) => boolean,
  clock: Clock,
): Wrapper & Counting {
  const byDeadline = timeout({ limit: MAX_DELAY_MS, scope, clock });
  if (duration === false) return withinDeadline(byDeadline);
  const usual = timeout({ limit: duration, scope, clock });
  return counting(usual, [usual, byDeadline], (next) => {
    const limited = usual(next);
    const asLongAsAsked = byDeadline(next);
    return (call) => {
      const asked = call.values.get(OUTBOUND)?.timeoutMs;
      return asked !== undefined && (scope === 'total' || exceeds(asked)) ? asLongAsAsked(call) : limited(call);
    };
  });
}

/** No limit of its own, but the call's deadline holds when it has one. */
function withinDeadline(byDeadline: Timeout): Wrapper & Counting {
  return counting(byDeadline, [byDeadline], (next) => {
    const limited = byDeadline(next);
    return (call) => (call.deadline === undefined ? next(call) : limited(call));
  });
}

/** A wrapper that is called what `as` is, and counts what its timeouts do. */
function counting(as: Timeout, timeouts: readonly Timeout[], wrapper: Wrapper): Wrapper & Counting {
  const stats = (): TimeoutStats => ({ timedOut: timeouts.reduce((sum, one) => sum + one.stats().timedOut, 0) });
  return Object.assign(named(traitsOf(as), wrapper), { stats });
}
