import type { OutboundRetryOptions } from '../client/repeatable.js';
import { CODES } from '../errors/codes.js';
import type { AdaptiveScoreOptions } from '../health/adaptive-score/adaptive-score.js';
import type { ScoreThresholds } from '../health/adaptive-score/formula.js';
import type { RoutePolicies } from '../server/route-policies.js';
import type { Duration } from '../time/duration.js';
import type { ExponentialOptions, FixedOptions, LinearOptions } from '../wrappers/backoff.js';
import type { BulkheadOptions } from '../wrappers/bulkhead.js';
import type { AdaptiveThresholdOptions } from '../wrappers/circuit-breaker/adaptive.js';
import type { CircuitBreakerOptions } from '../wrappers/circuit-breaker/circuit-breaker.js';
import type { ConcurrencyLimitOptions } from '../wrappers/concurrency-limit.js';
import type { HedgeOptions } from '../wrappers/hedge.js';
import type { RateLimitOptions } from '../wrappers/rate-limit.js';
import type { ReplyCacheOptions } from '../wrappers/reply-cache/options.js';
import type { ThrottleOptions } from '../wrappers/throttle.js';
import { byType, either, list, shape } from './compound-kinds.js';
import { duration, durationOrFalse, flag, headerName, jitter, number, only, oneOf, text, whole, wholeOrFalse } from './kind.js';
import type { Kind } from './kind.js';

const stepped = shape<{ type: string; base: unknown; cap: unknown }>()({ type: text, base: duration, cap: duration });
const backoff = byType({
  'full-jitter': stepped,
  decorrelated: stepped,
  linear: shape<LinearOptions & { type: string }>()({ type: text, base: duration, cap: duration, step: duration, jitter }),
  exponential: shape<ExponentialOptions & { type: string }>()({ type: text, base: duration, cap: duration, factor: number(1), jitter }),
  fixed: shape<FixedOptions & { type: string; delay: unknown }>()({ type: text, delay: duration, jitter }, {}, { required: ['delay'] }),
});

const ratio = number(0, 1);

export const retry: Kind = either({
  scalar: flag,
  object: shape<OutboundRetryOptions>()(
    { retries: whole(0), immediate: flag, maxElapsed: duration, maxRetryAfter: duration, stormGuard: flag, replayLimit: whole(0), backoff },
    { budgets: true, when: true, elsewhere: true, on: true, clock: true, random: true },
  ),
});

export const circuitBreaker: Kind = either({
  scalar: flag,
  object: shape<CircuitBreakerOptions>()(
    {
      threshold: ratio,
      minimumCalls: whole(1),
      window: either({ scalar: duration, object: shape<{ calls: number }>()({ calls: whole(1) }, {}, { required: ['calls'] }) }),
      consecutive: whole(1),
      slowCall: duration,
      slowThreshold: ratio,
      openFor: duration,
      maxOpenFor: duration,
      recovery: shape<{ kind: string; factor: number; step: Duration }>()(
        { kind: oneOf(['exponential', 'linear']), factor: number(1), step: duration },
        {},
        { required: ['kind'] },
      ),
      jitter: ratio,
      trials: whole(1),
      successThreshold: either({ scalar: ratio, object: shape<{ calls: number }>()({ calls: whole(1) }, {}, { required: ['calls'] }) }),
      trialTimeout: duration,
      adaptive: either({
        scalar: flag,
        object: shape<AdaptiveThresholdOptions>()({
          calls: whole(1),
          errorRate: ratio,
          latency: duration,
          minimumConsecutive: whole(1),
          minimumThreshold: ratio,
        }),
      }),
      failOn: list(oneOf(CODES)),
      per: oneOf(['service', 'operation']),
      maxKeys: whole(1),
      name: text,
    },
    { verdict: true, restore: true, on: true, clock: true, random: true },
  ),
});

export const rateLimit: Kind = shape<RateLimitOptions>()(
  {
    limit: whole(1),
    per: duration,
    algorithm: oneOf(['token-bucket', 'sliding-window']),
    burst: whole(1),
    headers: flag,
    name: text,
    legacy: flag,
  },
  { on: true, clock: true },
  { required: ['limit'] },
);

export const concurrencyLimit: Kind = either({
  scalar: flag,
  object: shape<ConcurrencyLimitOptions>()(
    {
      algorithm: oneOf(['gradient2', 'vegas', 'aimd']),
      initial: whole(1),
      min: whole(1),
      max: whole(1),
      tolerance: number(1),
      window: duration,
      queue: number(0),
      maxWait: duration,
    },
    { on: true, clock: true, random: true },
  ),
});

const bulkheadOptions: Kind = shape<BulkheadOptions>()(
  { limit: whole(1), queue: whole(0), maxWait: duration },
  { on: true, clock: true },
  { required: ['limit'] },
);

export const replyCache: Kind = either({
  scalar: flag,
  object: shape<ReplyCacheOptions>()(
    {
      ttl: duration,
      cacheControl: flag,
      shared: flag,
      staleWhileRevalidate: duration,
      staleIfError: duration,
      errorTtl: duration,
      maxEntries: whole(1),
      maxBytes: whole(1),
      maxBodyBytes: whole(0),
      vary: list(headerName, 'a list of names of headers'),
      refreshTimeout: duration,
    },
    { identity: true, key: true, on: true, clock: true },
  ),
});

export const bulkhead: Kind = either({ scalar: whole(1), object: bulkheadOptions });

export const hedge: Kind = either({
  scalar: flag,
  object: shape<HedgeOptions>()(
    { delay: duration, initialDelay: duration, percentile: ratio, max: whole(1, 3), ratio },
    { budgets: true, eligible: true, when: true, elsewhere: true, on: true, clock: true },
  ),
});

export const adaptiveScore: Kind = either({
  scalar: flag,
  object: shape<Omit<AdaptiveScoreOptions, 'service'>>()(
    {
      thresholds: shape<ScoreThresholds>()({ successRate: ratio, latency: duration, errorRate: number(0), consecutiveFailures: number(0) }),
      windowSize: duration,
      sampleSize: whole(1),
      gracePeriod: duration,
      margin: number(0, 10),
      maxInstances: whole(0),
    },
    { clock: true },
  ),
});

export const throttle: Kind = either({
  scalar: flag,
  object: shape<ThrottleOptions>()(
    { k: number(1), window: duration, minRequests: whole(1), failOn: list(oneOf(CODES)) },
    { on: true, clock: true, random: true },
  ),
});

/** What stands around one route of a service. */
export const routePolicies: Kind = shape<RoutePolicies>()({
  timeout: durationOrFalse,
  bulkhead: either({ scalar: wholeOrFalse(1), object: bulkheadOptions }),
  rateLimit: either({ scalar: only(false), object: rateLimit }),
  concurrencyLimit,
  replyCache,
});
