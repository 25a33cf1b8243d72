import type { Attempt, Call } from '../call/call.js';
import { REASONS, refusal } from '../errors/service-error.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { checkFunction, checkOptions, positiveMs, wholeNumber } from './options.js';
import { named } from './wrapper.js';
import type { Policy, Wrapper } from './wrapper.js';

export interface RateLimitOptions {
  /** How many calls are let through in each `per`. */
  readonly limit: number;
  /** Default 1 s. */
  readonly per?: Duration;
  /** How many may come at once after a pause. Default: `limit`. */
  readonly burst?: number;
  readonly clock?: Clock;
}

export interface KeyedRateLimitOptions extends RateLimitOptions {
  /** Each key has a limit of its own, for example `(call) => call.header('x-tenant')`; calls without a key are not limited. */
  readonly key: (call: Call) => string | undefined;
  /** How many keys are kept; those unused for longest are forgotten, and begin anew. Default 10,000. */
  readonly maxKeys?: number;
}

/**
 * Lets `limit` calls through in each `per`, after a pause up to `burst` at once, and refuses the others at once. The token bucket is kept
 * as one number, the time at which it will be full again (GCRA, ITU-T I.371), so that a key costs one entry of a bounded map.
 *
 * @throws ServiceError RESOURCE_EXHAUSTED, reason `RATE_LIMITED`, with `retryAfterMs`: when the next call will be let through
 * @throws TypeError at construction, for an option that makes no sense
 */
export function rateLimit(options: KeyedRateLimitOptions): Wrapper;
export function rateLimit(options: RateLimitOptions): Policy;
export function rateLimit(options: RateLimitOptions & Partial<KeyedRateLimitOptions>): Policy | Wrapper {
  checkOptions('rateLimit', options, ['limit', 'per', 'burst', 'key', 'maxKeys', 'clock']);
  const { key, clock = systemClock } = options;
  checkFunction(key, 'rateLimit key');
  const limit = wholeNumber(options.limit, 'rateLimit limit', 1);
  const stepMs = positiveMs(options.per ?? '1s', 'rateLimit per') / limit;
  const burstMs = stepMs * wholeNumber(options.burst ?? limit, 'rateLimit burst', 1);
  const maxKeys = wholeNumber(options.maxKeys ?? 10_000, 'rateLimit maxKeys', 1);

  /** 0, or how many ms to wait; `fullAt` is the time at which the bucket would be full. */
  const shortBy = (fullAt: number, now: number): number => {
    const waitMs = fullAt + stepMs - burstMs - now;
    return waitMs > 1e-6 ? waitMs : 0; // sums of steps are not exact
  };
  const refuse = (call: Attempt, retryAfterMs: number): Promise<never> =>
    Promise.reject(
      refusal('RESOURCE_EXHAUSTED', `${call.label}: more than ${limit} calls in ${stepMs * limit} ms`, { reason: REASONS.rateLimited, retryAfterMs }),
    );

  if (key === undefined) {
    let fullAt = -Infinity;
    const policy: Policy =
      <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
      (call: C) => {
        const now = clock.now();
        fullAt = Math.max(fullAt, now);
        const waitMs = shortBy(fullAt, now);
        if (waitMs > 0) return refuse(call, waitMs);
        fullAt += stepMs;
        return next(call);
      };
    return named({ name: 'rateLimit' }, policy);
  }

  const buckets = new RecentMap<number>(maxKeys);
  return named<Wrapper>({ name: 'rateLimit' }, (next) => async (call) => {
    const name = key(call);
    if (name === undefined) return next(call);
    const now = clock.now();
    const fullAt = Math.max(buckets.get(name) ?? -Infinity, now);
    const waitMs = shortBy(fullAt, now);
    if (waitMs > 0) return refuse(call, waitMs);
    buckets.set(name, fullAt + stepMs);
    return next(call);
  });
}

/**
 * A map of at most `capacity` entries, which keeps those used of late: two generations, of which the older is dropped as a whole
 * when the younger is half of the capacity. Constant work, no list to maintain.
 */
class RecentMap<V> {
  readonly #half: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(capacity: number) {
    this.#half = Math.max(1, Math.floor(capacity / 2));
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    if (!this.#young.has(key) && this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
