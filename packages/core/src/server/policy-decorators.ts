import type { Attempt, Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { noting } from '../decorators/notes.js';
import type { Degradation } from '../health/degradation/degradation.js';
import type { Duration } from '../time/duration.js';
import { bulkhead } from '../wrappers/bulkhead.js';
import type { Bulkhead as BulkheadPolicy, BulkheadOptions } from '../wrappers/bulkhead.js';
import { chaos } from '../wrappers/chaos.js';
import type { Chaos as ChaosPolicy, ChaosOptions } from '../wrappers/chaos.js';
import { circuitBreaker } from '../wrappers/circuit-breaker/circuit-breaker.js';
import type { CircuitBreaker as CircuitBreakerPolicy } from '../wrappers/circuit-breaker/contract.js';
import type { CircuitBreakerOptions } from '../wrappers/circuit-breaker/circuit-breaker.js';
import { concurrencyLimit } from '../wrappers/concurrency-limit.js';
import type { ConcurrencyLimit as ConcurrencyLimitPolicy, ConcurrencyLimitOptions } from '../wrappers/concurrency-limit.js';
import { fallback } from '../wrappers/fallback.js';
import type { Fallback as FallbackPolicy, FallbackOptions } from '../wrappers/fallback.js';
import { hedge } from '../wrappers/hedge.js';
import type { Hedge as HedgePolicy, HedgeOptions } from '../wrappers/hedge.js';
import { rateLimit } from '../wrappers/rate-limit.js';
import type { KeyedRateLimitOptions, RateLimitOptions } from '../wrappers/rate-limit.js';
import { replyCache } from '../wrappers/reply-cache/reply-cache.js';
import type { ReplyCacheOptions } from '../wrappers/reply-cache/options.js';
import { retry } from '../wrappers/retry.js';
import type { Retry as RetryPolicy, RetryOptions } from '../wrappers/retry.js';
import { throttle } from '../wrappers/throttle.js';
import type { Throttle as ThrottlePolicy, ThrottleOptions } from '../wrappers/throttle.js';
import { timeout } from '../wrappers/timeout.js';
import type { Timeout as TimeoutPolicy, TimeoutOptions } from '../wrappers/timeout.js';
import { whenDegraded } from '../wrappers/when-degraded.js';
import type { WhenDegraded as WhenDegradedPolicy, WhenDegradedOptions } from '../wrappers/when-degraded.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import type { RoutesMarker } from './controller-decorators.js';
import { replyOf } from './render.js';

/**
 * The order in which policies stand around a method, the outermost first, whatever order they were written in: that of outbound calls.
 * A fallback stands in for all below it; what is kept costs nothing of the rest, also while
 * the service is degraded; a timeout bounds everything that waits; what refuses does so
 * before work is begun; a breaker counts final outcomes, so it stands above retry; a hedge is one of a retry's attempts; a throttle counts
 * attempts; chaos stands for the work itself.
 */
export const POLICY_ORDER = [
  'fallback',
  'replyCache',
  'whenDegraded',
  'timeout',
  'rateLimit',
  'bulkhead',
  'concurrencyLimit',
  'circuitBreaker',
  'retry',
  'hedge',
  'throttle',
  'chaos',
] as const;

/** What a policy decorator has written down. The policy is made for each service anew: state is never shared through a class. */
export interface PolicyNote {
  readonly policy: (typeof POLICY_ORDER)[number];
  /** `status` is that of the route, for a fallback's value. */
  readonly make: (status: number | undefined) => Wrapper;
}

// On a class a policy is meant for all of its routes together (one bulkhead, one breaker); that of a method takes its place there.

/** `timeout()` around the route. */
export const Timeout = (limit: Duration | TimeoutOptions): RoutesMarker => policy('Timeout', 'timeout', () => timeout(limit));
export type Timeout = TimeoutPolicy;

/** `retry()` around the route: it runs the method again, so the method has to bear that. */
export const Retry = (options?: RetryOptions): RoutesMarker => policy('Retry', 'retry', () => retry(options));
export type Retry = RetryPolicy;

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
    const wrapper: Wrapper = (next) => whenFailed(next);
    return Object.assign(named({ name: 'fallback', replays: true }, wrapper), { stats: () => whenFailed.stats() });
  });
export type Fallback<T> = FallbackPolicy<T>;

/** `replyCache()` around the route: a reply is given again as long as it says so, or for `ttl`. The name is the one that frameworks have for it. */
export const Cached = (options?: ReplyCacheOptions): RoutesMarker => policy('Cached', 'replyCache', () => replyCache(options));

/** `whenDegraded()` around the route: its answer is sent as if the method had returned it. */
export const WhenDegraded = (degradation: Pick<Degradation, 'mode'>, options: WhenDegradedOptions<unknown> = {}): RoutesMarker =>
  policy('WhenDegraded', 'whenDegraded', (status) => {
    if (!('answer' in options)) return whenDegraded(degradation, options as WhenDegradedOptions<never>);
    const { answer } = options;
    const value = async (call: Attempt): Promise<Reply> =>
      replyOf(typeof answer === 'function' ? await (answer as (call: Attempt) => unknown)(call) : answer, status);
    return whenDegraded<Reply>(degradation, { ...options, answer: value });
  });
export type WhenDegraded<T> = WhenDegradedPolicy<T>;

/** `concurrencyLimit()` around the route. */
export const ConcurrencyLimit = (options?: ConcurrencyLimitOptions): RoutesMarker =>
  policy('ConcurrencyLimit', 'concurrencyLimit', () => concurrencyLimit(options));
export type ConcurrencyLimit = ConcurrencyLimitPolicy;

/** `hedge()` around the route: it runs the method twice at a time, so the method has to bear that. */
export const Hedge = (options?: HedgeOptions): RoutesMarker => policy('Hedge', 'hedge', () => hedge(options));
export type Hedge = HedgePolicy;

/** `throttle()` around the route. */
export const Throttle = (options?: ThrottleOptions): RoutesMarker => policy('Throttle', 'throttle', () => throttle(options));
export type Throttle = ThrottlePolicy;

/** `chaos()` around the route. */
export const Chaos = (options: ChaosOptions): RoutesMarker => policy('Chaos', 'chaos', () => chaos(options));
export type Chaos = ChaosPolicy;

function policy(name: string, kind: PolicyNote['policy'], make: PolicyNote['make']): RoutesMarker {
  make(undefined); // a bad option is refused where it was written
  const note: PolicyNote = { policy: kind, make };
  return noting(`@${name}`, note, ['class', 'method']);
}
