import { Call } from '../call/call.js';
import type { Attempt } from '../call/call.js';
import { REASONS, refusal } from '../errors/service-error.js';
import { checkFlag, checkSurroundings } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { checkFunction, checkOptions, notify, positiveMs, wholeNumber } from './options.js';
import { rateLimitFields } from './rate-limit-headers.js';
import { RecentMap } from './rate-limit-keys.js';
import { SlidingWindow, TokenBucket } from './rate-limit-quota.js';
import type { Quota } from './rate-limit-quota.js';
import { rejected } from './rejected.js';
import { named } from './wrapper.js';
import type { Policy, Wrapper } from './wrapper.js';

export interface RateLimitOptions {
  /** How many calls are let through in each `per`. */
  readonly limit: number;
  /** Default 1 s. */
  readonly per?: Duration;
  /**
   * `token-bucket` lets `burst` through at once, then one for each share of the time: over a span of `per` that may be `burst` + `limit`.
   * `sliding-window` never lets more than `limit` through in any span of `per`. Default `token-bucket`.
   */
  readonly algorithm?: 'token-bucket' | 'sliding-window';
  /** How many may come at once after a pause; for `token-bucket`. Default: `limit`. */
  readonly burst?: number;
  /** Whether replies to inbound calls tell of the limit (`RateLimit-Policy`, `RateLimit`). Outbound calls and functions have none. Default true. */
  readonly headers?: boolean;
  /** What the limit is called in them: 1 to 64 letters, digits and `._~:/-`. Default `default`. */
  readonly name?: string;
  /** Whether they have `RateLimit-Limit`, `-Remaining` and `-Reset` too, for clients that know the older drafts alone. Default false. */
  readonly legacy?: boolean;
  /** Hears of every refusal. */
  readonly on?: (event: RateLimitEvent) => void;
  readonly clock?: Clock;
}

export interface KeyedRateLimitOptions extends RateLimitOptions {
  /** Each key has a limit of its own, for example `(call) => call.header('x-tenant')`; calls without a key are not limited. */
  readonly key: (call: Call) => string | undefined;
  /** How many keys are kept, from 2; those unused for longest are forgotten, and begin anew. Default 10,000. */
  readonly maxKeys?: number;
}

/** It does not tell the key, which may be a name or a token. */
export interface RateLimitEvent {
  readonly kind: 'rejected';
  readonly label: string;
  readonly retryAfterMs: number;
}

export interface RateLimitStats {
  readonly rejected: number;
  /** Keys that are kept now; 1 without `key`. */
  readonly keys: number;
}

/** What can be asked of a rate limit. */
export interface RateLimitControls {
  stats(): RateLimitStats;
}

/**
 * Lets `limit` calls through in each `per` and refuses the others at once. A key costs one entry of a bounded map; keys leave the process neither
 * in a header nor in a message.
 *
 * @throws ServiceError RESOURCE_EXHAUSTED, reason `RATE_LIMITED`, with `retryAfterMs`: when the next call will be let through
 * @throws TypeError at construction, for an option that makes no sense
 */
export function rateLimit(options: KeyedRateLimitOptions): Wrapper & RateLimitControls;
export function rateLimit(options: RateLimitOptions): Policy & RateLimitControls;
export function rateLimit(options: RateLimitOptions & Partial<KeyedRateLimitOptions>): (Policy | Wrapper) & RateLimitControls {
  checkOptions('rateLimit', options, ['limit', 'per', 'algorithm', 'burst', 'key', 'maxKeys', 'headers', 'name', 'legacy', 'on', 'clock']);
  checkSurroundings('rateLimit', options);
  const { key, on, headers = true, name = 'default', legacy = false, clock = systemClock } = options;
  checkFunction(key, 'rateLimit key');
  checkFunction(on, 'rateLimit on');
  checkFlag(headers, 'rateLimit headers');
  checkFlag(legacy, 'rateLimit legacy');
  if (typeof name !== 'string' || !/^[A-Za-z0-9._~:/-]{1,64}$/.test(name))
    throw new TypeError(`rateLimit name: ${shown(name)} does not fit into a header. Give 1 to 64 letters, digits and ._~:/- such as "per-tenant".`);
  const limit = wholeNumber(options.limit, 'rateLimit limit', 1);
  const perMs = positiveMs(options.per ?? '1s', 'rateLimit per');
  const maxKeys = wholeNumber(options.maxKeys ?? 10_000, 'rateLimit maxKeys', 2);
  if (key === undefined && options.maxKeys !== undefined)
    throw new TypeError('rateLimit maxKeys: there are no keys without key. Give that too, or leave it out.');
  const newQuota = quotaOf(options, limit, perMs);
  const fields = headers ? rateLimitFields(name, limit, perMs, legacy) : undefined;
  let refused = 0;

  /** Undefined when the call may go on, else what it is refused with. */
  function refusalOf(call: Attempt, quota: Quota): Error | undefined {
    const now = clock.now();
    const waitMs = quota.take(now);
    const told = fields !== undefined && call instanceof Call && call.side === 'server' ? fields.add(call, quota, now, waitMs) : undefined;
    if (waitMs === 0) return undefined;
    refused++;
    notify(on, { kind: 'rejected', label: call.label, retryAfterMs: waitMs });
    const error = refusal('RESOURCE_EXHAUSTED', `${call.label}: more than ${limit} calls in ${perMs} ms`, {
      reason: REASONS.rateLimited,
      retryAfterMs: waitMs,
    });
    // Where the framework makes the reply, it finds the fields on the error, as http-errors has them.
    return told === undefined ? error : Object.assign(error, { headers: told });
  }

  if (key === undefined) {
    const quota = newQuota();
    const policy: Policy =
      <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
      (call: C) => {
        const error = refusalOf(call, quota);
        return error === undefined ? next(call) : rejected<R>(error);
      };
    return Object.assign(named({ name: 'rateLimit' }, policy), { stats: (): RateLimitStats => ({ rejected: refused, keys: 1 }) });
  }

  const quotas = new RecentMap<Quota>(maxKeys);
  const wrapper: Wrapper = (next) => async (call) => {
    const of = key(call);
    if (of === undefined) return next(call);
    let quota = quotas.get(of);
    if (quota === undefined) quotas.set(of, (quota = newQuota()));
    const error = refusalOf(call, quota);
    if (error !== undefined) throw error;
    return next(call);
  };
  return Object.assign(named({ name: 'rateLimit' }, wrapper), { stats: (): RateLimitStats => ({ rejected: refused, keys: quotas.size }) });
}

function quotaOf({ algorithm = 'token-bucket', burst }: RateLimitOptions, limit: number, perMs: number): () => Quota {
  switch (algorithm) {
    case 'token-bucket': {
      const most = wholeNumber(burst ?? limit, 'rateLimit burst', 1);
      return () => new TokenBucket(limit, perMs, most);
    }
    case 'sliding-window':
      if (burst !== undefined)
        throw new TypeError('rateLimit burst: a sliding window has none beside its limit. Leave it out, or take the algorithm token-bucket.');
      return () => new SlidingWindow(limit, perMs);
    default:
      throw new TypeError(`rateLimit algorithm: ${shown(algorithm)} is unknown. Give 'token-bucket' or 'sliding-window'.`);
  }
}
