import type { EjectorOptions } from '../balancing/ejector.js';
import type { RelativeLatencyOptions } from '../balancing/relative-latency.js';
import type { PoolOptions } from '../client/pool-options.js';
import type { OutboundRetryOptions } from '../client/repeatable.js';
import type { ClientOptions } from '../client/service-client.js';
import { CODES } from '../errors/codes.js';
import type { MetadataWanted } from '../selection/by-metadata.js';
import type { TagsWanted } from '../selection/by-tags.js';
import type { CanaryOptions } from '../selection/canary.js';
import type { MetadataHealthOptions } from '../selection/metadata-health.js';
import type { RoutingOptions, RoutingRule } from '../selection/routing.js';
import type { TargetOptions } from '../selection/target.js';
import type { Duration } from '../time/duration.js';
import type { ExponentialOptions, FixedOptions, LinearOptions } from '../wrappers/backoff.js';
import type { BulkheadOptions } from '../wrappers/bulkhead.js';
import type { AdaptiveThresholdOptions } from '../wrappers/circuit-breaker-adaptive.js';
import type { CircuitBreakerOptions } from '../wrappers/circuit-breaker.js';
import type { ConcurrencyLimitOptions } from '../wrappers/concurrency-limit.js';
import type { HedgeOptions } from '../wrappers/hedge.js';
import type { RateLimitOptions } from '../wrappers/rate-limit.js';
import type { ReplyCacheOptions } from '../wrappers/reply-cache-options.js';
import type { ThrottleOptions } from '../wrappers/throttle.js';
import type { BalancerConfiguration, ClientConfiguration, OriginalCondition, OriginalRule } from './configuration.js';
import { EnvironmentText } from './environment-text.js';
import { byType, either, list, record, shape, typeOrObject } from './compound-kinds.js';
import { duration, durationOrFalse, flag, isTree, jitter, number, only, oneOf, text, textLike, whole } from './kind.js';
import type { Kind } from './kind.js';

const texts = list(text, 'a list of texts');
const ratio = number(0, 1);

const field: Kind = {
  ...shape<Record<'header' | 'query' | 'param' | 'metadata' | 'principal' | 'callValue', string>>()({
    header: text,
    query: text,
    param: text,
    metadata: text,
    principal: text,
    callValue: text,
  }),
  expects: "where it is found in a call, such as { header: 'x-tenant' }",
};

const tagsWanted = shape<TagsWanted>()({ all: texts, any: texts, none: texts });

const target: Kind = shape<TargetOptions>()({
  version: text,
  tags: either({ list: texts, object: tagsWanted }),
  metadata: record(either({ scalar: text, list: texts }), { name: 'a key' }),
  zone: either({ scalar: text, list: texts }),
});

const anyScalar: Kind = {
  expects: 'a text, a number, true or false',
  read(value, path, findings) {
    if (value instanceof EnvironmentText) return value.text;
    if (['string', 'number', 'boolean'].includes(typeof value)) return value;
    findings.add(path, { value, what: 'does not fit', expected: 'Give a text, a number, true or false' });
    return undefined;
  },
};
const compared = either({ scalar: anyScalar, list: list(anyScalar, 'a list of them') });

const condition: Kind = {
  ...shape<Record<'header' | 'query' | 'param' | 'metadata' | 'principal' | 'callValue' | 'op' | 'value', unknown>>()({
    header: text,
    query: text,
    param: text,
    metadata: text,
    principal: text,
    callValue: text,
    op: oneOf(['equals', 'not_equals', 'in', 'contains', 'prefix', 'exists', 'matches']),
    value: compared,
  }),
  expects: "a condition, such as { header: 'x-tenant', op: 'equals', value: 'acme' }",
};

const ourRule: Kind = shape<RoutingRule>()(
  {
    name: text,
    service: text,
    priority: number(-Infinity),
    weight: number(0),
    match: list(condition),
    target,
    stableKey: field,
    whenEmpty: oneOf(['refuse', 'next', 'any']),
  },
  {},
  { required: ['name', 'target'], elsewhere: { conditions: 'match', metadata: 'target.metadata' } },
);

const originalRule: Kind = shape<OriginalRule>()({
  name: text,
  service: text,
  weight: number(0),
  priority: number(-Infinity),
  conditions: list(
    shape<OriginalCondition>()(
      { field: text, operator: oneOf(['equals', 'not_equals', 'contains', 'in']), value: compared },
      {},
      { required: ['field', 'operator', 'value'] },
    ),
  ),
  metadata: record(text, { name: 'a key' }),
});

/** The original design's rules have no target, but conditions or metadata of their own. */
export function isOriginalRule(rule: unknown): rule is OriginalRule {
  return (
    isTree(rule) &&
    rule['target'] === undefined &&
    rule['match'] === undefined &&
    (rule['conditions'] !== undefined || rule['metadata'] !== undefined)
  );
}

const rule: Kind = {
  expects: "a rule, such as { name: 'new', match: […], target: { version: '^2' } }",
  read: (value, path, findings) => (isOriginalRule(value) ? originalRule : ourRule).read(value, path, findings),
};

export const routing: Kind = either({
  list: list(rule, 'a list of rules'),
  object: shape<RoutingOptions & { readonly rules: unknown }>()(
    { rules: list(rule, 'a list of rules'), stableKey: field },
    { values: true, random: true },
    { required: ['rules'] },
  ),
});

const load = typeOrObject({
  'relative-latency': shape<RelativeLatencyOptions & { type: string }>()({
    type: text,
    smoothing: duration,
    idleDecay: duration,
    errorDecay: duration,
  }),
  'peak-ewma': shape<{ type: string; decay: unknown }>()({ type: text, decay: duration }),
  'least-pending': shape<{ type: string; count: unknown }>()({ type: text, count: oneOf(['waiting', 'open']) }),
});

const typeAlone = shape<{ type: string }>()({ type: text });
const balancer = typeOrObject({
  p2c: shape<Exclude<Extract<BalancerConfiguration, { type: 'p2c' }>, string>>()({ type: text, load }),
  'round-robin': typeAlone,
  random: typeAlone,
  weighted: typeAlone,
} satisfies Record<Extract<BalancerConfiguration, string>, Kind>);

const stepped = shape<{ type: string; base: unknown; cap: unknown }>()({ type: text, base: duration, cap: duration });
const backoff = byType({
  'full-jitter': stepped,
  decorrelated: stepped,
  linear: shape<LinearOptions & { type: string }>()({ type: text, base: duration, cap: duration, step: duration, jitter }),
  exponential: shape<ExponentialOptions & { type: string }>()({ type: text, base: duration, cap: duration, factor: number(1), jitter }),
  fixed: shape<FixedOptions & { type: string; delay: unknown }>()({ type: text, delay: duration, jitter }, {}, { required: ['delay'] }),
});

const filter: Kind = shape<{ version: unknown; tags: unknown; metadata: unknown }>()({
  version: either({ scalar: text, object: field }),
  tags: either({
    list: texts,
    object: {
      expects: `${tagsWanted.expects}, or ${field.expects}`,
      read: (value, path, findings) =>
        (isTree(value) && ['all', 'any', 'none'].some((name) => name in value) ? tagsWanted : field).read(value, path, findings),
    },
  }),
  metadata: shape<MetadataWanted>()({ key: text, value: text, values: texts, from: field }, { predicate: true }, { required: ['key'] }),
});

const headerName = textLike('the name of a header', /^[\w!#$%&'*+.^`|~-]+$/);

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

/** What a client can be told, here and in code: an option of its that is neither has been forgotten. */
type ClientMembers = ClientConfiguration & Omit<ClientOptions, keyof ClientConfiguration>;

export const client: Kind = shape<ClientMembers>()(
  {
    timeout: durationOrFalse,
    attemptTimeout: durationOrFalse,
    zone: text,
    pool: shape<PoolOptions>()({ connections: whole(1), idleTimeout: duration, connectTimeout: duration }),
    retry: either({
      scalar: flag,
      object: shape<OutboundRetryOptions>()(
        { retries: whole(0), immediate: flag, maxElapsed: duration, maxRetryAfter: duration, stormGuard: flag, replayLimit: whole(0), backoff },
        { budgets: true, when: true, elsewhere: true, on: true, clock: true, random: true },
      ),
    }),
    circuitBreaker: either({
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
    }),
    bulkhead: either({
      scalar: whole(1),
      object: shape<BulkheadOptions>()({ limit: whole(1), queue: whole(0), maxWait: duration }, { on: true, clock: true }, { required: ['limit'] }),
    }),
    rateLimit,
    concurrencyLimit,
    replyCache: either({
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
    }),
    hedge: either({
      scalar: flag,
      object: shape<HedgeOptions>()(
        { delay: duration, initialDelay: duration, percentile: ratio, max: whole(1, 3), ratio },
        { budgets: true, eligible: true, when: true, elsewhere: true, on: true, clock: true },
      ),
    }),
    throttle: either({
      scalar: flag,
      object: shape<ThrottleOptions>()(
        { k: number(1), window: duration, minRequests: whole(1), failOn: list(oneOf(CODES)) },
        { on: true, clock: true, random: true },
      ),
    }),
    headers: record(either({ scalar: text, list: texts }), {
      name: 'a name of a header',
      fits: (name) => name !== '__proto__' && /^[\w!#$%&'*+.^`|~-]+$/.test(name),
    }),
    balancer,
    ejector: either({
      scalar: only(false),
      object: shape<EjectorOptions>()({
        consecutive: whole(1),
        successBelow: ratio,
        minResults: whole(1),
        window: duration,
        base: duration,
        max: duration,
        jitter: ratio,
        maxEjected: ratio,
        panicBelow: ratio,
        probeTimeout: duration,
        slowStart: duration,
        longestRetryAfter: duration,
      }),
    }),
    filters: list(filter, 'a list of { version }, { tags } and { metadata }'),
    routing,
    canary: shape<CanaryOptions>()(
      {
        percent: number(0, 100),
        by: field,
        canary: target,
        stable: target,
        header: headerName,
        withoutKey: oneOf(['stable', 'random']),
        whenEmpty: oneOf(['other', 'refuse']),
        salt: text,
      },
      { random: true },
      { required: ['percent', 'by', 'canary'] },
    ),
    metadataHealth: either({
      scalar: flag,
      object: shape<MetadataHealthOptions>()({ maxAge: duration, healthKey: text, heartbeatKey: text }, { clock: true }),
    }),
    telemetry: either({ scalar: only(false), object: shape<{ span: boolean }>()({ span: flag }) }),
  },
  {
    registry: true,
    directory: true,
    transport: true,
    health: true,
    onPriority: true,
    fallback: true,
    // Faults are for who can read in the code that there are some: no file and no variable turns them on.
    chaos: true,
    errors: true,
    wrappers: true,
    attemptWrappers: true,
    logger: true,
    clock: true,
    random: true,
  },
  {
    elsewhere: {
      registry: 'registry, for all of them',
      directory: 'discovery, for all of them',
      health: 'activeHealth, or metadataHealth',
      max_retries: 'retry.retries',
      circuit_breaker: 'circuitBreaker',
      connection_pool_size: 'pool.connections',
      failover_timeout: 'attemptTimeout',
    },
  },
);
