// What applications use. Library authors find the rest in ./adapter.ts. One block a folder, in the order of the layers.

// time, logging
export { jsonLogger } from './logging/json-logger.js';
export type { JsonLoggerOptions, LogLevel } from './logging/json-logger.js';
export { errorRecord } from './logging/shape.js';
export { silentLogger } from './logging/logger.js';
export type { Logger } from './logging/logger.js';

// decorators
export type { Constructor } from './decorators/notes.js';

// call
export { Call } from './call/call.js';
export type { Attempt, AttemptChange, CallChange, CallHeaders, CallInit, Params } from './call/call.js';
export { PRINCIPAL } from './call/principal.js';
export type { Principal } from './call/principal.js';
export { REQUEST_ID, bind, currentCall, detached } from './call/context.js';
export { Reply } from './call/reply.js';
export type { ReplyHeaders } from './call/reply.js';
export { Values, valueKey } from './call/values.js';
export type { ValueKey } from './call/values.js';

// alerts
export type { Alert, AlertSink } from './alerts/alert.js';
export { webhook } from './alerts/webhook.js';
export type { Webhook, WebhookStats } from './alerts/webhook.js';
export type { WebhookOptions } from './alerts/webhook-options.js';

// errors
export { canonical } from './errors/canonical.js';
export type { CanonicalError, CanonicalErrors } from './errors/canonical.js';
export type {
  Catalogue,
  CatalogueEntry,
  CatalogueOptions,
  CataloguedError,
  ErrorDefinition,
  ErrorDefinitions,
  ErrorFactory,
  OccurrenceArguments,
  OccurrenceOptions,
  ParamsOf,
} from './errors/catalogue.js';
export { lintCatalogues } from './errors/catalogue-lint.js';
export { catalogueMarkdown } from './errors/catalogue-markdown.js';
export type { CatalogueMarkdownOptions } from './errors/catalogue-markdown.js';
export { causesOf } from './errors/causes.js';
export type { CausesOptions } from './errors/causes.js';
export { CODES } from './errors/codes.js';
export { defineErrors, isOneOf } from './errors/define-errors.js';
export { LayerError, fromDatabase, fromExternalService, fromSystem, fromValidation } from './errors/layers.js';
export type { ErrorLayer, LayerErrorOptions } from './errors/layers.js';
export type { ErrorParams, ParamValue } from './errors/params.js';
export type { Code } from './errors/codes.js';
export type { ErrorMapper } from './errors/error-mapper.js';
export { RemoteError, isRemoteError } from './errors/remote-error.js';
export type { RemoteErrorOptions } from './errors/remote-error.js';
export type { RemoteProblem } from './errors/remote-problem.js';
export { REASONS, ServiceError, isServiceError } from './errors/service-error.js';
export type { FieldError, ServiceErrorOptions } from './errors/service-error.js';

export { errorMonitor } from './errors/monitor.js';
export type { ErrorCount, ErrorMonitor, ErrorMonitorOptions, ErrorMonitorStats } from './errors/monitor.js';
export type { ErrorOrigin } from './errors/monitor-facts.js';
export type { ErrorAlertRule, Severity } from './errors/monitor-rules.js';
export { errorAggregator } from './errors/aggregator.js';
export type { ErrorAggregator, ErrorAggregatorStats, ErrorGroup, ErrorReport } from './errors/aggregator.js';
export type { ErrorContext, ErrorEvent } from './errors/aggregator-event.js';
export type { ErrorAggregatorOptions } from './errors/aggregator-options.js';
export { DEFAULT_PATTERNS } from './errors/patterns.js';
export type { ErrorPattern, MessageMatch, PatternAction } from './errors/patterns.js';

// wrappers
export { compose, fromMiddleware } from './wrappers/wrapper.js';
export type { Handler, Middleware, Policy, Wrapper } from './wrappers/wrapper.js';
export { backoff } from './wrappers/backoff.js';
export type { Backoff, BackoffOptions, ExponentialOptions, FixedOptions, Jitter, LinearOptions } from './wrappers/backoff.js';
export { bulkhead } from './wrappers/bulkhead.js';
export type { BulkheadOptions, BulkheadStats } from './wrappers/bulkhead.js';
export type { PermitEvent } from './wrappers/bulkhead-permits.js';
export { chaos } from './wrappers/chaos.js';
export type { ChaosEvent, ChaosFaults, ChaosOptions, ChaosStats } from './wrappers/chaos.js';
export { circuitBreaker } from './wrappers/circuit-breaker/circuit-breaker.js';
export type { AdaptationReason, AdaptiveThresholdOptions } from './wrappers/circuit-breaker/adaptive.js';
export type {
  Circuit,
  CircuitAdaptation,
  CircuitControls,
  CircuitEvent,
  CircuitState,
  CircuitStats,
  CircuitTransition,
  KeyedCircuitStats,
  KeyedCircuits,
  SingleCircuitStats,
} from './wrappers/circuit-breaker/contract.js';
export type { CircuitBreakerOptions } from './wrappers/circuit-breaker/circuit-breaker.js';
export type { CircuitRecovery } from './wrappers/circuit-breaker/recovery.js';
export type { CircuitSnapshot, KeyedCircuitSnapshot } from './wrappers/circuit-breaker/snapshot.js';
export type { WindowSnapshot } from './wrappers/circuit-breaker/window.js';
export type { BucketCounts } from './wrappers/rolling-counts.js';
export { concurrencyLimit } from './wrappers/concurrency-limit.js';
export type { ConcurrencyLimitEvent, ConcurrencyLimitOptions, ConcurrencyLimitStats, LimitChange } from './wrappers/concurrency-limit.js';
export { fallback } from './wrappers/fallback.js';
export type { FallbackEvent, FallbackOptions, FallbackService, FallbackStats } from './wrappers/fallback.js';
export { guard, guardAttempt } from './wrappers/guard.js';
export type { Guard, GuardOptions } from './wrappers/guard.js';
export { hedge } from './wrappers/hedge.js';
export type { HedgeEvent, HedgeOptions, HedgeStats } from './wrappers/hedge.js';
export type { Counting, FaultReport, InForce, PolicyReport } from './wrappers/in-force.js';
export { rateLimit } from './wrappers/rate-limit.js';
export type { KeyedRateLimitOptions, RateLimitControls, RateLimitEvent, RateLimitOptions, RateLimitStats } from './wrappers/rate-limit.js';
export { replyCache } from './wrappers/reply-cache/reply-cache.js';
export type { ReplyCache, ReplyCacheStats } from './wrappers/reply-cache/reply-cache.js';
export type { ReplyCacheEvent, ReplyCacheOptions } from './wrappers/reply-cache/options.js';
export { retry } from './wrappers/retry.js';
export { rethrow } from './wrappers/rethrow.js';
export type { Retry as RetryPolicy, RetryEvent, RetryOptions, RetryStats } from './wrappers/retry.js';
export { retryBudget, tokenThrottle } from './wrappers/retry-budget.js';
export type { RetryBudget, RetryBudgetOptions, TokenThrottleOptions } from './wrappers/retry-budget.js';
export { Stack } from './wrappers/stack.js';
export type { PlacedWrapper, Step, StepPosition, WrapperLike, WrapperObject, WrapperOption } from './wrappers/stack.js';
export { throttle } from './wrappers/throttle.js';
export type { ThrottleEvent, ThrottleOptions, ThrottleStats } from './wrappers/throttle.js';
export { timeout } from './wrappers/timeout.js';
export type { Timeout as TimeoutPolicy, TimeoutOptions, TimeoutStats } from './wrappers/timeout.js';
export type { Verdict } from './wrappers/verdict.js';

// telemetry
export { contextLogger, correlationFields } from './telemetry/context-logger.js';
export type { CorrelationFields } from './telemetry/context-logger.js';
export { observeAttempt } from './telemetry/observe-attempt.js';
export type { ObserveAttemptOptions } from './telemetry/observe-attempt.js';
export { observeCall } from './telemetry/observe-call.js';
export type { ObserveCallOptions } from './telemetry/observe-call.js';
export { observeInbound } from './telemetry/observe-inbound.js';
export type { ObserveInboundOptions } from './telemetry/observe-inbound.js';
export { observePolicies } from './telemetry/policy-metrics.js';
export type { ObservePoliciesOptions } from './telemetry/policy-metrics.js';
export { requestFacts } from './telemetry/request-facts.js';
export type { RequestFacts } from './telemetry/request-facts.js';
export type { ProviderOptions } from './telemetry/sources.js';

// validation
export type { SchemaInput, SchemaIssue, SchemaOutput, SchemaResult, StandardSchema } from './validation/standard-schema.js';

// registry
export { fileRegistry } from './registry/file.js';
export type { FileRegistryOptions } from './registry/file.js';
export { layered } from './registry/layered.js';
export type { LayerReport, LayeredOptions, LayeredRegistry } from './registry/layered.js';
export type { LayerMode } from './registry/layer-mode.js';
export type { LayerState } from './registry/layer-watch.js';
export { memoryRegistry } from './registry/memory.js';
export { staticRegistry } from './registry/static.js';
export type { ResolveOptions, StaticRegistry, StaticRegistryOptions } from './registry/static.js';
export type { StaticAddress, StaticInstance } from './registry/static-address.js';
export type { Discovery, HealthTarget, Instance, InstanceStatus, RegisterOptions, Registrar, Registration, Registry } from './registry/registry.js';

// discovery
export { createDirectory } from './discovery/create-directory.js';
export type { DirectoryOptions } from './discovery/create-directory.js';
export type {
  ChangesOptions,
  Directory,
  DirectoryEvent,
  DirectoryState,
  DirectoryStateEvent,
  Snapshot,
  SnapshotSource,
  WarmUpOptions,
  WarmUpReport,
} from './discovery/directory.js';
export type { DirectoryStats, LevelStats, ServiceStats } from './discovery/directory-stats.js';
export { fileStore } from './discovery/file-store.js';
export type { FileStoreOptions } from './discovery/file-store.js';

// balancing
export { adaptive } from './balancing/adaptive/adaptive.js';
export type { AdaptiveBalancer, AdaptiveExplanation, AdaptivePart } from './balancing/adaptive/adaptive.js';
export type { AdaptiveCongestionOptions, AdaptiveOptions } from './balancing/adaptive/options.js';
export type { AdaptiveReport, AdaptiveRule } from './balancing/adaptive/rules.js';
export type { CongestionLevel, Nearness, ScorePart } from './balancing/adaptive/score.js';
export type { Trend } from './balancing/adaptive/window.js';
export { ejector } from './balancing/ejector.js';
export type { Ejector, EjectorOptions } from './balancing/ejector.js';
export type { EndpointState } from './balancing/health.js';
export { leastPending } from './balancing/least-pending.js';
export { leastRequests } from './balancing/least-requests.js';
export type { LeastRequestsOptions } from './balancing/least-requests.js';
export type { HashOptions } from './balancing/hash-balancer.js';
export { maglev } from './balancing/maglev.js';
export { p2c } from './balancing/p2c.js';
export type { P2cOptions } from './balancing/p2c.js';
export { peakEwma } from './balancing/peak-ewma.js';
export { pickFirst } from './balancing/pick-first.js';
export { random } from './balancing/random.js';
export { relativeLatency } from './balancing/relative-latency.js';
export type { RelativeLatencyOptions } from './balancing/relative-latency.js';
export type { ReportedLoadOptions } from './balancing/reported-weight.js';
export { ringHash } from './balancing/ring-hash.js';
export type { RingHashOptions } from './balancing/ring-hash.js';
export { roundRobin } from './balancing/round-robin.js';
export { subset } from './balancing/subset.js';
export type { Subset, SubsetOptions } from './balancing/subset.js';
export { weighted } from './balancing/weighted.js';
export type { WeightedOptions } from './balancing/weighted.js';

// selection
export { createSelector } from './selection/create-selector.js';
export type { EndpointReport, LevelReport, PickCount, SelectorOptions, ServiceSelector } from './selection/service-selector.js';
export { byMetadata } from './selection/by-metadata.js';
export type { MetadataWanted } from './selection/by-metadata.js';
export { byTags } from './selection/by-tags.js';
export type { TagsWanted } from './selection/by-tags.js';
export { byVersion } from './selection/by-version.js';
export type { CallField, NamedValues } from './call/call-field.js';
export { canary } from './selection/canary.js';
export type { Canary, CanaryOptions, CanaryStats } from './selection/canary.js';
export type { Condition, ConditionOp, ConditionValue } from './selection/condition.js';
export type { Filter } from './selection/filter.js';
export { metadataHealth } from './selection/metadata-health.js';
export type { MetadataHealthOptions } from './selection/metadata-health.js';
export type { PriorityChange } from './selection/priority-watch.js';
export type { Router, Target, TargetStates } from './selection/router.js';
export { routing } from './selection/routing.js';
export type { Routing, RoutingOptions, RoutingRule, RuleStats } from './selection/routing.js';
export type { TargetOptions } from './selection/target.js';
export type { Wanted } from './selection/wanted.js';

// client
export { ServiceClient, clientOf } from './client/client-decorators.js';
export type { ClientClass, Contract, Remote, RemoteInput, RemoteOf, RemoteOptions } from './client/client-decorators.js';
export { direct } from './client/direct.js';
export type { DirectOptions } from './client/direct.js';
export { httpTransport } from './client/http-transport.js';
export type { HttpTransportOptions } from './client/http-transport.js';
export type { PoolOptions } from './client/pool-options.js';
export type { OutboundRetryOptions } from './client/repeatable.js';
export { client } from './client/service-client.js';
export type { ClientOptions, RequestOptions } from './client/service-client.js';
export { serviceFetch } from './client/service-fetch.js';
export type { ServiceFetch, ServiceFetchOptions } from './client/service-fetch.js';
export type { OutboundPolicies } from './client/stack.js';
export type { TargetQuery, TargetValue } from './client/target.js';

// health
export { activeHealth } from './health/active/create-active-health.js';
export type { ActiveHealthOptions } from './health/active/create-active-health.js';
export type { ActiveHealth, ActiveHealthEvent, InstanceHealth } from './health/active/active-health.js';
export type { ActiveCheck, RecoveryOptions } from './health/active/active-check.js';
export { httpProbe } from './health/probes/http-probe.js';
export type { HttpProbeOptions } from './health/probes/http-probe.js';
export type { Probe, ProbeContext, ProbeResult } from './health/probes/probe.js';
export { tcpProbe } from './health/probes/tcp-probe.js';
export type { TcpProbeOptions } from './health/probes/tcp-probe.js';
export type { Check, CheckChange, CheckContext, CheckReport, HealthStatus } from './health/check.js';
export { adaptiveScore } from './health/adaptive-score/adaptive-score.js';
export type { AdaptiveScore, AdaptiveScoreOptions, ScoreState, ScoreStats } from './health/adaptive-score/adaptive-score.js';
export type { ScoreLevel, ScoreThresholds } from './health/adaptive-score/formula.js';
export type { InstanceScore } from './health/adaptive-score/instances.js';
export type { ScoreMeasurements } from './health/adaptive-score/window.js';
export { degradation } from './health/degradation/degradation.js';
export type { Degradation, DegradationEvent } from './health/degradation/degradation.js';
export type {
  DegradationMode,
  DegradationOptions,
  DegradationRule,
  DegradationSource,
  RollbackPlan,
  RollbackStep,
} from './health/degradation/options.js';
export { healthSource, levelsSource, pressureSource, scoreSource } from './health/degradation/sources.js';
export type { PressureOptions } from './health/degradation/sources.js';
export { whenDegraded } from './wrappers/when-degraded.js';
export type { WhenDegradedOptions } from './wrappers/when-degraded.js';
export { monitor } from './health/monitor.js';
export type { Monitor } from './health/monitor.js';
export type { MonitorOptions } from './health/monitor-options.js';
export type { HealthBody } from './health/format.js';
export type { HealthFormat, HealthReport, Readiness } from './health/report.js';
export { bandwidthCheck } from './health/checks/bandwidth.js';
export type { BandwidthCheckOptions } from './health/checks/bandwidth.js';
export { cpuCheck } from './health/checks/cpu.js';
export type { CpuCheckOptions } from './health/checks/cpu.js';
export { diskSpaceCheck } from './health/checks/disk-space.js';
export type { DiskSpaceCheckOptions } from './health/checks/disk-space.js';
export { dnsCheck } from './health/checks/dns.js';
export type { DnsCheckOptions } from './health/checks/dns.js';
export { eventLoopCheck } from './health/checks/event-loop.js';
export type { EventLoopCheckOptions } from './health/checks/event-loop.js';
export { grpcHealthCheck } from './health/checks/grpc.js';
export type { GrpcHealthCheckOptions } from './health/checks/grpc.js';
export type { GrpcHealthTls } from './health/checks/grpc-health.js';
export { httpCheck } from './health/checks/http.js';
export type { HttpCheckOptions } from './health/checks/http.js';
export type { CheckOptions } from './health/check-settings.js';
export type { TimedCheckOptions } from './health/checks/made-check.js';
export { memoryCheck } from './health/checks/memory.js';
export type { MemoryCheckOptions, ResidentThresholds } from './health/checks/memory.js';
export { openHandlesCheck } from './health/checks/open-handles.js';
export type { OpenHandlesCheckOptions } from './health/checks/open-handles.js';
export { registryCheck } from './health/checks/registry.js';
export type { RegistryCheckOptions } from './health/checks/registry.js';
export { serviceCheck } from './health/checks/service.js';
export type { EndpointSource, ServiceCheckOptions } from './health/checks/service.js';
export { sqlCheck } from './health/checks/sql.js';
export type { SqlCheckOptions } from './health/checks/sql.js';
export { tcpCheck } from './health/checks/tcp.js';
export type { TcpCheckOptions } from './health/checks/tcp.js';
export type { Thresholds } from './health/checks/thresholds.js';
export { healthLevels } from './health/levels/levels.js';
export type { HealthLevelReport, HealthLevels, HealthLevelsReport } from './health/levels/levels.js';
export type { HealthLevel, LevelRule, LevelState } from './health/levels/judge.js';
export type { HealthCascade, HealthLevelsOptions } from './health/levels/options.js';

// hybrid
export { hybrid } from './hybrid/hybrid.js';
export type { HybridConnections, HybridOptions, HybridServiceOptions } from './hybrid/hybrid.js';
export type { HybridStats, SideStats, SwitchEvent } from './hybrid/hybrid-stats.js';
export type { HybridRouting, HybridSide } from './hybrid/routing.js';
export { hybridStrategies } from './hybrid/strategy.js';
export type { HybridState, HybridStrategy, StrategyContext } from './hybrid/strategy.js';

// server
export { Controller, Delete, Get, Head, HealthCheck, MapError, Options, Patch, Post, Put, Status, Wrap } from './server/controller-decorators.js';
export type {
  ClassMarker,
  ErrorMapping,
  MethodMarker,
  RouteMarker,
  RoutesMarker,
  VerbDecorator,
  WrapArgument,
  WrapperClass,
} from './server/controller-decorators.js';
export { loadReport } from './server/load-report.js';
export type { LoadReportOptions } from './server/load-report.js';
export { controllerChecks, controllerRoutes } from './server/controller-routes.js';
export type { ControllerOptions } from './server/controller-routes.js';
export type { Resolve } from './server/resolve.js';
export { Body, Context, Header, Param, Query, body, context, header, param, query } from './server/parameters.js';
export type { Arguments, Convert, ParameterMarker, Source } from './server/parameters.js';
export {
  Bulkhead,
  Cached,
  Chaos,
  CircuitBreaker,
  ConcurrencyLimit,
  Fallback,
  Hedge,
  RateLimit,
  Retry,
  Throttle,
  Timeout,
  WhenDegraded,
} from './server/policy-decorators.js';
export type { InputOf, InputSchemas } from './server/route-input.js';
export { del, get, head, options, patch, post, put, route } from './server/route.js';
export type { Result, Route, RouteHandler, RouteOptions, Verb } from './server/route.js';
export type { RoutePolicies } from './server/route-policies.js';
export type { Address, HttpAdapter, ListenOptions, Mountable, ServerLimits } from './server/http-adapter.js';
export { healthServer } from './server/health-server.js';
export type { HealthServer, HealthServerOptions } from './server/health-server.js';
export { EXCHANGE } from './server/exchange.js';
export type { Exchange } from './server/exchange.js';
export { problemReply } from './errors/problem.js';
export type { Problem } from './errors/problem.js';
export type { ErrorReplyOptions } from './errors/error-replies.js';
export type { ErrorFormat, ErrorFormatName } from './errors/formats.js';
export { translations } from './errors/translate.js';
export type { Translate, Translation, TranslationTable } from './errors/translate.js';
export type { ClientErrors } from './errors/known-kinds.js';
export type { OwnAnswers } from './errors/own-answers.js';
export { codeOfGrpcStatus, grpcStatusOf } from './errors/grpc-status.js';

// service
export { createService } from './service/create-service.js';
export type { ErrorWatch } from './service/error-watches.js';
export type { RouteDescription, Service, ServiceDescription, ServiceOptions } from './service/service.js';
export type { AdvertiseOptions } from './service/advertise.js';
export type { ClientDefaults } from './service/service-clients.js';
export type { DiscoveryOptions } from './service/service-discovery.js';
export type { ServiceState } from './service/life-state.js';
export type { LifeCycleOptions } from './service/life-cycle-options.js';
export type { StopHookOptions } from './service/hooks.js';
export type { PhaseEvent, PhaseListener, ServicePhase } from './service/phases.js';
export type { Flushable } from './service/flush-telemetry.js';

// config
export { ConfigError } from './config/config-error.js';
export type { ConfigProblem } from './config/config-error.js';
export type { ClientConfiguration, Configuration } from './config/configuration.js';
export { fromConfig, loadConfig } from './config/on-demand.js';
export type { FromConfigOptions } from './config/from-config.js';
export type { ConfiguredParts, ConfiguredService } from './config/configured-parts.js';
export type { Config, ConfigSource, LoadOptions } from './config/load-config.js';
export type { Settings } from './config/settings.js';
