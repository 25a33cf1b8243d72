import type { EjectorOptions } from '../balancing/ejector.js';
import type { SubsetOptions } from '../balancing/subset.js';
import type { PoolOptions } from '../client/pool-options.js';
import type { ClientOptions } from '../client/service-client.js';
import type { MetadataHealthOptions } from '../selection/metadata-health.js';
import { CODES } from '../errors/codes.js';
import { balancer } from './balancers.js';
import { adaptiveScore, bulkhead, circuitBreaker, concurrencyLimit, hedge, rateLimit, replyCache, retry, throttle } from './policy-kinds.js';
import { canary, filter, routing } from './selection-kinds.js';
import type { ClientConfiguration } from './configuration.js';
import { isHeaderName } from '../options/header-name.js';
import { either, list, record, shape } from './compound-kinds.js';
import { duration, durationOrFalse, flag, number, oneOf, only, text, whole } from './kind.js';
import type { Kind } from './kind.js';

const texts = list(text, 'a list of texts');
const ratio = number(0, 1);

/** What a client can be told, here and in code: an option of its that is neither has been forgotten. */
type ClientMembers = ClientConfiguration & Omit<ClientOptions, keyof ClientConfiguration>;

export const client: Kind = shape<ClientMembers>()(
  {
    timeout: durationOrFalse,
    attemptTimeout: durationOrFalse,
    zone: text,
    pool: shape<PoolOptions>()({ connections: whole(1), idleTimeout: duration, connectTimeout: duration }),
    retry,
    circuitBreaker,
    bulkhead,
    rateLimit,
    concurrencyLimit,
    replyCache,
    toOwn: record(oneOf([...CODES, 'pass']), { name: 'a status such as 404, or 4xx or 5xx', fits: (name) => /^(?:[45]\d\d|[45]xx)$/.test(name) }),
    hedge,
    throttle,
    adaptiveScore,
    headers: record(either({ scalar: text, list: texts }), {
      name: 'a name of a header',
      fits: (name) => name !== '__proto__' && isHeaderName(name),
    }),
    balancer,
    fallbackBalancer: balancer,
    subset: shape<SubsetOptions>()({ size: whole(1), index: whole(0), peers: whole(1), client: text }),
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
    canary,
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
