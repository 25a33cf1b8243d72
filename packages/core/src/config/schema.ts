import type { ErrorReplyOptions } from '../errors/error-replies.js';
import { ERROR_FORMATS } from '../errors/formats.js';
import { SHOWN } from '../errors/problem.js';
import type { ActiveCheck, RecoveryOptions } from '../health/active/active-check.js';
import type { HttpProbeOptions } from '../health/probes/http-probe.js';
import type { MonitorOptions } from '../health/monitor-options.js';
import type { TcpProbeOptions } from '../health/probes/tcp-probe.js';
import type { HealthServerOptions } from '../server/health-server.js';
import type { HybridServiceOptions } from '../hybrid/hybrid.js';
import type { ResolveOptions, StaticRegistryOptions } from '../registry/static.js';
import type { StaticInstance } from '../registry/static-address.js';
import type { ListenOptions, ServerLimits } from '../server/http-adapter.js';
import type { AdvertiseOptions } from '../service/advertise.js';
import type { ServiceOptions } from '../service/service.js';
import type { DiscoveryOptions } from '../service/service-discovery.js';
import type { FileStoreOptions } from '../discovery/file-store.js';
import type { FileRegistryOptions } from '../registry/file.js';
import { client } from './client-schema.js';
import type { ActiveHealthConfiguration, Configuration, DirectConfiguration, HybridConfiguration } from './configuration.js';
import { either, list, open, record, shape, typeOrObject } from './compound-kinds.js';
import { healthChecks } from './health-checks.js';
import { duration, durationOrFalse, flag, number, oneOf, only, text, textLike, whole } from './kind.js';
import type { Kind } from './kind.js';
import { concurrencyLimit, rateLimit, routePolicies } from './policy-kinds.js';
import { routing } from './selection-kinds.js';

const texts = list(text, 'a list of texts');
const serviceName = { name: 'the name of a service' };

const serverLimits = shape<ServerLimits>()({
  keepAliveTimeout: whole(0),
  headersTimeout: whole(0),
  requestTimeout: whole(0),
  stallTimeout: whole(0),
  maxConnections: whole(1),
});

const service: Kind = shape<ServiceOptions>()(
  {
    name: text,
    version: text,
    id: text,
    zone: text,
    tags: texts,
    metadata: record(text, { name: 'a key' }),
    weight: number(0, 65_535),
    advertise: shape<AdvertiseOptions>()({ host: text, port: whole(1, 65_535) }),
    listen: shape<ListenOptions>()({ host: text, port: whole(0, 65_535), server: serverLimits }),
    timeout: durationOrFalse,
    rateLimit,
    concurrencyLimit,
    routePolicies: record(routePolicies, {
      name: 'a route, such as GET /orders/:id',
      fits: (name) => name !== '__proto__' && /^[\x20-\x7e]{1,200}$/.test(name),
    }),
    errorHandling: oneOf(['problem', 'native']),
    errorReplies: shape<ErrorReplyOptions>()(
      { format: oneOf(ERROR_FORMATS), language: text, challenge: text, show: list(oneOf(SHOWN), `a list of ${SHOWN.join(', ')}`) },
      { translate: true },
    ),
    health: shape<MonitorOptions & Partial<HealthServerOptions>>()(
      {
        path: textLike("a path, such as '/health'", /^\/\S*$/),
        port: whole(0, 65_535),
        host: text,
        aliases: flag,
        showDetails: oneOf(['never', 'always', 'when-authorized']),
        version: text,
        concurrency: whole(1),
        history: whole(0),
        retryAfter: duration,
        alertFrom: oneOf(['warn', 'fail']),
        checks: healthChecks,
      },
      { format: true, authorize: true, alerts: true, logger: true, clock: true },
    ),
    drainDelay: duration,
    drainTimeout: duration,
    shutdownTimeout: duration,
    gracePeriod: duration,
    preStop: duration,
    readinessInterval: durationOrFalse,
    signals: flag,
    failFast: flag,
  },
  {
    adapter: true,
    routes: true,
    controllers: true,
    resolve: true,
    wrappers: true,
    limits: true,
    errors: true,
    observe: true,
    telemetry: true,
    registry: true,
    healthServer: true,
    degradation: true,
    errorMonitor: true,
    catalogues: true,
    discovery: true,
    clients: true,
    logger: true,
    clock: true,
    random: true,
  },
);

const resolve: Kind = either({
  scalar: flag,
  object: shape<ResolveOptions>()(
    {
      family: oneOf([4, 6, 'all']),
      minTtl: duration,
      maxTtl: duration,
      defaultTtl: duration,
      staleFor: duration,
    },
    { resolver: true },
  ),
});

const addressFields = shape<StaticInstance>()(
  {
    id: text,
    version: text,
    scheme: oneOf(['http', 'https']),
    host: text,
    port: whole(1, 65_535),
    serverName: text,
    weight: number(0, 65_535),
    priority: whole(0, 127),
    zone: text,
    tags: texts,
    metadata: record(text, { name: 'a key' }),
    status: oneOf(['pass', 'warn', 'fail']),
  },
  {},
  { required: ['host', 'port'] },
);
const addressText: Kind = textLike("an address, such as '127.0.0.1:8080' or 'https://orders.example.com'", /./);
const address: Kind = either({ scalar: addressText, object: addressFields });
const services: Kind = record(
  either({ scalar: addressText, list: list(address, 'a list of addresses'), object: { ...addressFields, members: {} } }),
  serviceName,
);

const mode: Kind = oneOf(['off', 'only', 'first', true, false]);

const recovery = shape<RecoveryOptions>()({ base: duration, cap: duration, attempts: whole(1), givenUp: oneOf(['slow', 'stop']) });
const tls = shape<NonNullable<HttpProbeOptions['tls']>>()({ ca: text, cert: text, key: text, servername: text });
const probe: Kind = typeOrObject(
  {
    tcp: shape<TcpProbeOptions & { type: string }>()({ type: text, port: whole(1, 65_535), maxLatency: duration }),
    http: shape<HttpProbeOptions & { type: string; path: string }>()(
      {
        type: text,
        path: textLike("a path, such as '/health/ready'", /^\/\S*$/),
        method: oneOf(['GET', 'HEAD']),
        status: either({ scalar: whole(100, 599), list: list(whole(100, 599)) }),
        maxLatency: duration,
        headers: record(text, { name: 'a name of a header' }),
        port: whole(1, 65_535),
        tls,
      },
      { body: true },
      { required: ['path'] },
    ),
  },
  ['tcp'],
);
const check: Kind = shape<ActiveCheck>()({
  probe,
  interval: duration,
  timeout: duration,
  jitter: number(0, 1),
  rise: whole(1),
  fall: whole(1),
  recovery,
});
const checkOrNone: Kind = either({ scalar: only(false), object: check });

const side = shape<HybridServiceOptions>()({ prefer: oneOf(['direct', 'registry']), fallback: flag, check: checkOrNone });
const hybrid: Kind = shape<HybridConfiguration>()({
  prefer: oneOf(['direct', 'registry']),
  fallback: flag,
  check: checkOrNone,
  services: record(side, serviceName),
  interval: duration,
  history: whole(0, 100_000),
  concurrency: whole(1),
});

/** A type alone, or with the options of what it names. */
function named(expects: string): Kind {
  return either({ scalar: textLike(expects, /./), object: open({ type: text }, `{ type, … }, ${expects}`) });
}

const discovery: Kind = shape<DiscoveryOptions>()(
  {
    staleFor: duration,
    idleAfter: duration,
    store: named("a type of stores, such as 'file' or 'redis'"),
    storeWait: duration,
    minRefreshInterval: duration,
    maxServices: whole(1),
    reconnect: shape<NonNullable<DiscoveryOptions['reconnect']>>()({ floor: duration, base: duration, cap: duration }),
    warmUp: texts,
  },
  { accept: true },
);

/** What of the original design's hybrid configuration is where. */
const ORIGINAL: Readonly<Record<string, string>> = {
  registry_fallback: 'hybrid.fallback',
  health_check_interval: 'hybrid.check.interval',
  failover_timeout: 'clients.defaults.attemptTimeout',
  max_retries: 'clients.defaults.retry.retries',
  connection_pool_size: 'clients.defaults.pool.connections',
  circuit_breaker: 'clients.defaults.circuitBreaker',
  routes: 'routing',
  rules: 'routing',
  name: 'service.name',
};

/** The whole of it. */
export const configuration: Kind = shape<Configuration>()(
  {
    service,
    registry: named("a type of registries, such as 'file' or 'consul'"),
    discovery,
    direct: shape<DirectConfiguration>()({ services, mode, resolve }),
    hybrid,
    activeHealth: shape<ActiveHealthConfiguration>()({ services: record(check, serviceName), concurrency: whole(1) }, {}, { required: ['services'] }),
    routing,
    clients: record(client, { name: 'the name of a service' }),
    direct_mode: mode,
    services,
  },
  {},
  { elsewhere: ORIGINAL },
);

/** Options of the registries and stores that are built in. */
export const BUILT_IN_REGISTRIES: Readonly<Record<string, Kind>> = {
  memory: shape<object>()({}),
  file: shape<FileRegistryOptions>()(
    { directory: text, heartbeat: duration, expireAfter: duration, poll: duration },
    { logger: true, clock: true, random: true },
  ),
  static: shape<StaticRegistryOptions & { services: unknown }>()({ services, resolve }, { logger: true, clock: true, random: true }),
};
export const BUILT_IN_STORES: Readonly<Record<string, Kind>> = {
  file: shape<FileStoreOptions>()({ directory: text, maxServices: whole(1) }, { logger: true, clock: true }),
};
