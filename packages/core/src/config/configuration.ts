import type { ErrorReplyOptions } from '../errors/error-replies.js';
import type { ErrorFormatName } from '../errors/formats.js';
import type { HashOptions } from '../balancing/hash-balancer.js';
import type { LeastRequestsOptions } from '../balancing/least-requests.js';
import type { AdaptiveOptions } from '../balancing/adaptive/options.js';
import type { WeightedOptions } from '../balancing/weighted.js';
import type { P2cOptions } from '../balancing/p2c.js';
import type { EjectorOptions } from '../balancing/ejector.js';
import type { SubsetOptions } from '../balancing/subset.js';
import type { RelativeLatencyOptions } from '../balancing/relative-latency.js';
import type { RingHashOptions } from '../balancing/ring-hash.js';
import type { CallHeaders } from '../call/call.js';
import type { OutboundRetryOptions } from '../client/repeatable.js';
import type { ClientOptions } from '../client/service-client.js';
import type { ActiveCheck } from '../health/active/active-check.js';
import type { HttpProbeOptions } from '../health/probes/http-probe.js';
import type { MonitorOptions } from '../health/monitor-options.js';
import type { TcpProbeOptions } from '../health/probes/tcp-probe.js';
import type { HealthCheckConfiguration } from './health-checks.js';
import type { HybridOptions, HybridServiceOptions } from '../hybrid/hybrid.js';
import type { ResolveOptions } from '../registry/static.js';
import type { StaticAddress } from '../registry/static-address.js';
import type { CanaryOptions } from '../selection/canary.js';
import type { CallField } from '../call/call-field.js';
import type { Condition, ConditionValue } from '../selection/condition.js';
import type { MetadataWanted } from '../selection/by-metadata.js';
import type { MetadataHealthOptions } from '../selection/metadata-health.js';
import type { RoutingRule } from '../selection/routing.js';
import type { TagsWanted } from '../selection/by-tags.js';
import type { TargetOptions } from '../selection/target.js';
import type { RoutePolicies } from '../server/route-policies.js';
import type { ServiceOptions } from '../service/service.js';
import type { DiscoveryOptions } from '../service/service-discovery.js';
import type { Duration } from '../time/duration.js';
import type { BackoffOptions, ExponentialOptions, FixedOptions, LinearOptions } from '../wrappers/backoff.js';
import type { BulkheadOptions } from '../wrappers/bulkhead.js';
import type { CircuitBreakerOptions } from '../wrappers/circuit-breaker/circuit-breaker.js';
import type { ConcurrencyLimitOptions } from '../wrappers/concurrency-limit.js';
import type { HedgeOptions } from '../wrappers/hedge.js';
import type { RateLimitOptions } from '../wrappers/rate-limit.js';
import type { ReplyCacheOptions } from '../wrappers/reply-cache/options.js';
import type { AdaptiveScoreOptions } from '../health/adaptive-score/adaptive-score.js';
import type { ThrottleOptions } from '../wrappers/throttle.js';

/** What is never in a configuration: it is not JSON, and every part takes it. */
type Surroundings = 'clock' | 'random' | 'logger';

/** What may stand in a configuration; `docs/configuration.md` has all of it with the defaults. Every section may be left out. */
export interface Configuration {
  /** Of the service that this process is. */
  readonly service?: ServiceConfiguration;
  /** Where services register and are found: its type alone, or with the options of that registry. Default none. */
  readonly registry?: string | RegistryConfiguration;
  /** Of the directory that all clients share. */
  readonly discovery?: DiscoveryConfiguration;
  /** Services at addresses that are known. */
  readonly direct?: DirectConfiguration;
  /** Of `direct` with the mode `first`. */
  readonly hybrid?: HybridConfiguration;
  /** Probes of what the registry lists, by service. */
  readonly activeHealth?: ActiveHealthConfiguration;
  /** Rules for the calls of all clients; a rule names its service. */
  readonly routing?: RoutingConfiguration;
  /** By service or address; `defaults` are of all. An option of one stands in the place of that of `defaults` as a whole. */
  readonly clients?: Readonly<Record<string, ClientConfiguration>>;
  /** The original design's words for `direct.mode` (true is `only`, false is `off`) and `direct.services`. */
  readonly direct_mode?: DirectMode | boolean;
  readonly services?: Services;
}

/** Services by name: an address, several, or their fields. */
export type Services = Readonly<Record<string, StaticAddress | readonly StaticAddress[]>>;

/** `off`: the addresses are not used. `only`: these services there, all others in the registry. `first`: there, and in the registry what fails there (`hybrid`). */
export type DirectMode = 'off' | 'only' | 'first';

export interface ServiceConfiguration extends Omit<
  Partial<ServiceOptions>,
  | 'adapter'
  | 'routes'
  | 'routePolicies'
  | 'controllers'
  | 'resolve'
  | 'wrappers'
  | 'rateLimit'
  | 'concurrencyLimit'
  | 'limits'
  | 'errors'
  | 'errorReplies'
  | 'errorMonitor'
  | 'catalogues'
  | 'observe'
  | 'registry'
  | 'health'
  | 'healthServer'
  | 'discovery'
  | 'clients'
  | Surroundings
> {
  readonly health?: Omit<MonitorOptions, 'checks' | 'format' | 'authorize' | 'alerts' | 'logger' | 'clock'> & {
    /** A port of its own, as `healthServer` of a service. */
    readonly port?: number;
    /** Of that port. */
    readonly host?: string;
    readonly checks?: readonly HealthCheckConfiguration[];
  };
  /** The form of error replies; a format or a translation that is a function stands in code. */
  readonly errorReplies?: Omit<ErrorReplyOptions, 'format' | 'translate'> & { readonly format?: ErrorFormatName };
  readonly rateLimit?: Omit<RateLimitOptions, 'clock' | 'on'>;
  readonly concurrencyLimit?: boolean | Omit<ConcurrencyLimitOptions, 'clock' | 'random' | 'on'>;
  /** By `GET /orders/:id` or by the name of the operation; each takes the place of what the route has of its kind in code. */
  readonly routePolicies?: Readonly<Record<string, RouteConfiguration>>;
}

/** Of one route. */
export interface RouteConfiguration extends Pick<RoutePolicies, 'timeout'> {
  readonly bulkhead?: number | false | Omit<BulkheadOptions, 'clock' | 'on'>;
  readonly rateLimit?: false | Omit<RateLimitOptions, 'clock' | 'on'>;
  readonly concurrencyLimit?: boolean | Omit<ConcurrencyLimitOptions, 'clock' | 'random' | 'on'>;
  readonly replyCache?: boolean | Omit<ReplyCacheOptions, 'identity' | 'key' | 'clock' | 'on'>;
}

export interface RegistryConfiguration {
  /** `memory`, `file` or `static`; another word for `@ferrule/<type>`; or a package that exports `createRegistry`, by its name or from `./`. */
  readonly type: string;
  /** The options of that registry. */
  readonly [option: string]: unknown;
}

export interface StoreConfiguration {
  /** `file`, another word for `@ferrule/<type>`, or a package that exports `createSnapshotStore`. */
  readonly type: string;
  readonly [option: string]: unknown;
}

export interface DiscoveryConfiguration extends Omit<DiscoveryOptions, 'store' | 'accept'> {
  readonly store?: string | StoreConfiguration;
}

export interface DirectConfiguration {
  readonly services?: Services;
  /** Default `only`. */
  readonly mode?: DirectMode | boolean;
  readonly resolve?: boolean | Omit<ResolveOptions, 'resolver'>;
}

export interface HybridConfiguration extends Pick<HybridOptions, 'interval' | 'history' | 'concurrency'>, Omit<HybridServiceOptions, 'check'> {
  readonly check?: false | Partial<CheckConfiguration>;
  readonly services?: Readonly<Record<string, Omit<HybridServiceOptions, 'check'> & { readonly check?: false | Partial<CheckConfiguration> }>>;
}

export interface CheckConfiguration extends Omit<ActiveCheck, 'probe'> {
  /** Default `tcp`. */
  readonly probe?: 'tcp' | ProbeConfiguration;
}

export type ProbeConfiguration =
  | ({ readonly type: 'tcp' } & TcpProbeOptions)
  | ({ readonly type: 'http'; readonly path: string; readonly status?: number | readonly number[] } & Omit<HttpProbeOptions, 'status' | 'body'>);

export interface ActiveHealthConfiguration {
  readonly services: Readonly<Record<string, CheckConfiguration>>;
  readonly concurrency?: number;
}

export type RoutingConfiguration = readonly RuleConfiguration[] | { readonly rules: readonly RuleConfiguration[]; readonly stableKey?: CallField };

/** A rule in our words, or in those of the original design. */
export type RuleConfiguration =
  | (Omit<RoutingRule, 'target' | 'match' | 'stableKey'> & {
      readonly target: TargetOptions;
      readonly match?: readonly ConditionConfiguration[];
      readonly stableKey?: CallField;
    })
  | OriginalRule;

export type ConditionConfiguration = Condition & { readonly value?: ConditionValue | readonly ConditionValue[] };

export interface OriginalRule {
  readonly name?: string;
  readonly service?: string;
  readonly weight?: number;
  readonly priority?: number;
  /** All have to hold. `field` is a name of the metadata that travels with calls, or `header.x-env`, `query.x`, `param.x`, `principal.x`. */
  readonly conditions?: readonly OriginalCondition[];
  /** What the instances' metadata has to say. Default: all instances. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface OriginalCondition {
  readonly field: string;
  readonly operator: 'equals' | 'not_equals' | 'contains' | 'in';
  readonly value: ConditionValue | readonly ConditionValue[];
}

export type BalancerLoad =
  | 'relative-latency'
  | 'peak-ewma'
  | 'least-pending'
  | ({ readonly type: 'relative-latency' } & RelativeLatencyOptions)
  | { readonly type: 'peak-ewma'; readonly decay?: Duration }
  | { readonly type: 'least-pending'; readonly count?: 'waiting' | 'open' };

/** Every balancer that a configuration can name, and what it can be told beside that. */
export interface BalancerOptions {
  readonly p2c: Omit<P2cOptions, 'load' | 'random'> & { readonly load?: BalancerLoad };
  readonly 'round-robin': object;
  readonly random: object;
  readonly weighted: Omit<WeightedOptions, 'random' | 'weightOf'>;
  readonly 'least-requests': Omit<LeastRequestsOptions, 'random'>;
  readonly 'pick-first': object;
  readonly 'ring-hash': RingHashOptions;
  readonly maglev: HashOptions;
  readonly adaptive: Omit<AdaptiveOptions, 'clock' | 'logger' | 'random' | 'regionOf' | 'rules'>;
}

export type BalancerName = keyof BalancerOptions;

export type BalancerConfiguration =
  | Exclude<BalancerName, 'ring-hash' | 'maglev'>
  | { [N in BalancerName]: { readonly type: N } & BalancerOptions[N] }[BalancerName];

export type BackoffConfiguration =
  | ({ readonly type: 'full-jitter' | 'decorrelated' } & BackoffOptions)
  | ({ readonly type: 'linear' } & LinearOptions)
  | ({ readonly type: 'exponential' } & ExponentialOptions)
  | ({ readonly type: 'fixed'; readonly delay: Duration } & FixedOptions);

export type FilterConfiguration =
  | { readonly version: string | CallField }
  | { readonly tags: readonly string[] | TagsWanted | CallField }
  | { readonly metadata: Omit<MetadataWanted, 'predicate' | 'from'> & { readonly from?: CallField } };

export interface ClientConfiguration extends Pick<ClientOptions, 'timeout' | 'attemptTimeout' | 'zone' | 'pool'> {
  readonly retry?:
    | boolean
    | (Pick<OutboundRetryOptions, 'retries' | 'immediate' | 'maxElapsed' | 'maxRetryAfter' | 'stormGuard' | 'replayLimit'> & {
        readonly backoff?: BackoffConfiguration;
      });
  readonly circuitBreaker?:
    | boolean
    | (Omit<CircuitBreakerOptions, 'verdict' | 'restore' | 'on' | 'clock' | 'random' | 'per'> & { readonly per?: 'service' | 'operation' });
  readonly bulkhead?: number | Omit<BulkheadOptions, 'clock' | 'on'>;
  readonly rateLimit?: Omit<RateLimitOptions, 'clock' | 'on'>;
  readonly concurrencyLimit?: boolean | Omit<ConcurrencyLimitOptions, 'clock' | 'random' | 'on'>;
  readonly replyCache?: boolean | Omit<ReplyCacheOptions, 'identity' | 'key' | 'clock' | 'on'>;
  readonly hedge?: boolean | Omit<HedgeOptions, 'budgets' | 'eligible' | 'when' | 'elsewhere' | 'clock' | 'on'>;
  readonly throttle?: boolean | Omit<ThrottleOptions, 'clock' | 'random' | 'on'>;
  readonly adaptiveScore?: boolean | Omit<AdaptiveScoreOptions, 'service' | 'clock'>;
  readonly headers?: CallHeaders;
  readonly balancer?: BalancerConfiguration;
  /** Asked when `balancer` declines a call. */
  readonly fallbackBalancer?: BalancerConfiguration;
  readonly subset?: SubsetOptions;
  readonly ejector?: false | EjectorOptions;
  readonly filters?: readonly FilterConfiguration[];
  readonly routing?: RoutingConfiguration;
  readonly canary?: Omit<CanaryOptions, 'by' | 'canary' | 'stable' | 'random'> & {
    readonly by: CallField;
    readonly canary: TargetOptions;
    readonly stable?: TargetOptions;
  };
  readonly metadataHealth?: boolean | Omit<MetadataHealthOptions, 'clock'>;
  readonly telemetry?: false | { readonly span?: boolean };
}
