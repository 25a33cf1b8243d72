import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { noting } from '../decorators/notes.js';
import type { Duration } from '../time/duration.js';
import { bulkhead } from '../wrappers/bulkhead.js';
import type { Bulkhead as BulkheadPolicy, BulkheadOptions } from '../wrappers/bulkhead.js';
import { circuitBreaker } from '../wrappers/circuit-breaker.js';
import type { CircuitBreaker as CircuitBreakerPolicy, CircuitBreakerOptions } from '../wrappers/circuit-breaker.js';
import { fallback } from '../wrappers/fallback.js';
import type { Fallback as FallbackPolicy, FallbackOptions } from '../wrappers/fallback.js';
import { rateLimit } from '../wrappers/rate-limit.js';
import type { KeyedRateLimitOptions, RateLimitOptions } from '../wrappers/rate-limit.js';
import { retry } from '../wrappers/retry.js';
import type { RetryOptions } from '../wrappers/retry.js';
import { timeout } from '../wrappers/timeout.js';
import type { TimeoutOptions } from '../wrappers/timeout.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import type { RoutesMarker } from './controller-decorators.js';
import { replyOf } from './render.js';

/**
 * The order in which policies stand around a method, the outermost first, whatever order they were written in: that of outbound calls.
 * A fallback stands in for all below it; a timeout bounds everything that waits; what refuses does so before work is begun; a breaker
 * counts final outcomes, so it stands above retry.
 */
export const POLICY_ORDER = ['fallback', 'timeout', 'rateLimit', 'bulkhead', 'circuitBreaker', 'retry'] as const;

/** What a policy decorator has written down. The policy is made for each service anew: state is never shared through a class. */
export interface PolicyNote {
  readonly policy: (typeof POLICY_ORDER)[number];
  /** `status` is that of the route, for a fallback's value. */
  readonly make: (status: number | undefined) => Wrapper;
}

// On a class a policy is meant for all of its routes together (one bulkhead, one breaker); that of a method takes its place there.

/** `timeout()` around the route. */
export const Timeout = (limit: Duration | TimeoutOptions): RoutesMarker => policy('Timeout', 'timeout', () => timeout(limit));

/** `retry()` around the route: it runs the method again, so the method has to bear that. */
export const Retry = (options?: RetryOptions): RoutesMarker => policy('Retry', 'retry', () => retry(options));

/** `circuitBreaker()` around the route. */
export const CircuitBreaker = (options?: CircuitBreakerOptions): RoutesMarker =>
  policy('CircuitBreaker', 'circuitBreaker', () => circuitBreaker(options));
export type CircuitBreaker = CircuitBreakerPolicy;

/** `bulkhead()` around the route. */
export const Bulkhead = (limit: number | BulkheadOptions): RoutesMarker => policy('Bulkhead', 'bulkhead', () => bulkhead(limit));
export type Bulkhead = BulkheadPolicy;

/** `rateLimit()` around the route. */
export const RateLimit = (options: RateLimitOptions | KeyedRateLimitOptions): RoutesMarker =>
  policy('RateLimit', 'rateLimit', () => rateLimit(options as KeyedRateLimitOptions));

/** `fallback()` around the route: what it gives is sent as if the method had returned it. */
export const Fallback = (substitute: unknown, options?: FallbackOptions): RoutesMarker =>
  policy('Fallback', 'fallback', (status) => {
    const whenFailed = fallback<Reply>(async (error, call) => {
      const value: unknown =
        typeof substitute === 'function' ? await (substitute as (error: unknown, call: Call) => unknown)(error, call as Call) : substitute;
      return replyOf(value, status);
    }, options);
    return named({ name: 'fallback', replays: true }, (next) => whenFailed(next));
  });
export type Fallback<T> = FallbackPolicy<T>;

function policy(name: string, kind: PolicyNote['policy'], make: PolicyNote['make']): RoutesMarker {
  make(undefined); // a bad option is refused where it was written
  const note: PolicyNote = { policy: kind, make };
  return noting(`@${name}`, note, ['class', 'method']);
}
