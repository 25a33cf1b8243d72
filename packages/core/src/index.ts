// What applications use. Library authors find the rest in ./adapter.ts. One block a folder, in the order of the layers.

// time, logging
export { jsonLogger } from './logging/json-logger.js';
export type { JsonLoggerOptions, LogLevel } from './logging/json-logger.js';
export { silentLogger } from './logging/logger.js';
export type { Logger } from './logging/logger.js';

// decorators
export type { Constructor } from './decorators/notes.js';

// call
export { Call } from './call/call.js';
export type { Attempt, AttemptChange, CallChange, CallHeaders, CallInit, Params } from './call/call.js';
export { REQUEST_ID, bind, currentCall, detached } from './call/context.js';
export { Reply } from './call/reply.js';
export type { ReplyHeaders } from './call/reply.js';
export { Values, valueKey } from './call/values.js';
export type { ValueKey } from './call/values.js';

// errors
export { CODES } from './errors/codes.js';
export type { Code } from './errors/codes.js';
export type { ErrorMapper } from './errors/error-mapper.js';
export { RemoteError, isRemoteError } from './errors/remote-error.js';
export type { RemoteErrorOptions, RemoteProblem } from './errors/remote-error.js';
export { REASONS, ServiceError, isServiceError } from './errors/service-error.js';
export type { FieldError, ServiceErrorOptions } from './errors/service-error.js';

// wrappers
export { compose, fromMiddleware } from './wrappers/wrapper.js';
export type { Handler, Middleware, Policy, Wrapper } from './wrappers/wrapper.js';
export { backoff } from './wrappers/backoff.js';
export type { Backoff, BackoffOptions, ExponentialOptions } from './wrappers/backoff.js';
export { bulkhead } from './wrappers/bulkhead.js';
export type { BulkheadOptions } from './wrappers/bulkhead.js';
export { circuitBreaker } from './wrappers/circuit-breaker.js';
export type { CircuitBreakerOptions, CircuitEvent, CircuitState } from './wrappers/circuit-breaker.js';
export { fallback } from './wrappers/fallback.js';
export type { FallbackOptions } from './wrappers/fallback.js';
export { guard, guardAttempt } from './wrappers/guard.js';
export type { Guard, GuardOptions } from './wrappers/guard.js';
export { rateLimit } from './wrappers/rate-limit.js';
export type { KeyedRateLimitOptions, RateLimitOptions } from './wrappers/rate-limit.js';
export { retry } from './wrappers/retry.js';
export type { RetryEvent, RetryOptions } from './wrappers/retry.js';
export { retryBudget, tokenThrottle } from './wrappers/retry-budget.js';
export type { RetryBudget, RetryBudgetOptions, TokenThrottleOptions } from './wrappers/retry-budget.js';
export { Stack } from './wrappers/stack.js';
export type { PlacedWrapper, Step, StepPosition, WrapperLike, WrapperObject, WrapperOption } from './wrappers/stack.js';
export { timeout } from './wrappers/timeout.js';
export type { TimeoutOptions } from './wrappers/timeout.js';
export type { Verdict } from './wrappers/verdict.js';

// telemetry
export { observeAttempt } from './telemetry/observe-attempt.js';
export type { ObserveAttemptOptions } from './telemetry/observe-attempt.js';
export { observeCall } from './telemetry/observe-call.js';
export type { ObserveCallOptions } from './telemetry/observe-call.js';
export { observeInbound } from './telemetry/observe-inbound.js';
export type { ObserveInboundOptions } from './telemetry/observe-inbound.js';
export { requestFacts } from './telemetry/request-facts.js';
export type { RequestFacts } from './telemetry/request-facts.js';
export type { ProviderOptions } from './telemetry/sources.js';

// validation
export type { SchemaInput, SchemaIssue, SchemaOutput, SchemaResult, StandardSchema } from './validation/standard-schema.js';

// registry
export { fileRegistry } from './registry/file.js';
export type { FileRegistryOptions } from './registry/file.js';
export { memoryRegistry } from './registry/memory.js';
export { staticRegistry } from './registry/static.js';
export type { StaticAddress, StaticInstance, StaticRegistry } from './registry/static.js';
export type { Discovery, HealthTarget, Instance, InstanceStatus, RegisterOptions, Registrar, Registration, Registry } from './registry/registry.js';

// discovery
export { createDirectory } from './discovery/create-directory.js';
export type { DirectoryOptions } from './discovery/create-directory.js';
export type { Directory, DirectoryEvent, DirectoryState, Snapshot } from './discovery/directory.js';

// balancing
export { ejector } from './balancing/ejector.js';
export type { Ejector, EjectorOptions } from './balancing/ejector.js';
export type { EndpointState } from './balancing/health.js';
export { leastPending } from './balancing/least-pending.js';
export { p2c } from './balancing/p2c.js';
export type { P2cOptions } from './balancing/p2c.js';
export { peakEwma } from './balancing/peak-ewma.js';
export { random } from './balancing/random.js';
export { relativeLatency } from './balancing/relative-latency.js';
export type { RelativeLatencyOptions } from './balancing/relative-latency.js';
export { roundRobin } from './balancing/round-robin.js';
export { weighted } from './balancing/weighted.js';

// selection
export { createSelector } from './selection/create-selector.js';
export type { EndpointReport, SelectorOptions, ServiceSelector } from './selection/create-selector.js';
export type { Filter } from './selection/filter.js';

// client
export { ServiceClient, clientOf } from './client/client-decorators.js';
export type { ClientClass, Contract, Remote, RemoteInput, RemoteOf, RemoteOptions } from './client/client-decorators.js';
export { httpTransport } from './client/http-transport.js';
export type { HttpTransportOptions } from './client/http-transport.js';
export { client } from './client/service-client.js';
export type { ClientOptions, RequestOptions } from './client/service-client.js';
export { serviceFetch } from './client/service-fetch.js';
export type { ServiceFetch, ServiceFetchOptions } from './client/service-fetch.js';
export type { OutboundPolicies } from './client/stack.js';
export type { TargetQuery, TargetValue } from './client/target.js';

// health
export type { Check, CheckContext, CheckReport, HealthStatus } from './health/check.js';
export { monitor } from './health/monitor.js';
export type { Monitor, MonitorOptions } from './health/monitor.js';
export type { HealthReport, Readiness } from './health/report.js';

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
export { controllerChecks, controllerRoutes } from './server/controller-routes.js';
export type { ControllerOptions } from './server/controller-routes.js';
export type { Resolve } from './server/resolve.js';
export { Body, Context, Header, Param, Query, body, context, header, param, query } from './server/parameters.js';
export type { Arguments, Convert, ParameterMarker, Source } from './server/parameters.js';
export { Bulkhead, CircuitBreaker, Fallback, RateLimit, Retry, Timeout } from './server/policy-decorators.js';
export type { InputOf, InputSchemas } from './server/route-input.js';
export { del, get, head, options, patch, post, put, route } from './server/route.js';
export type { Result, Route, RouteHandler, RouteOptions, Verb } from './server/route.js';
export type { Address, HttpAdapter, ListenOptions, Mountable, ServerLimits } from './server/http-adapter.js';
export { EXCHANGE } from './server/exchange.js';
export type { Exchange } from './server/exchange.js';
export { problemReply } from './errors/problem.js';
export type { Problem } from './errors/problem.js';

// service
export { createService } from './service/create-service.js';
export type { RouteDescription, Service, ServiceDescription, ServiceOptions } from './service/service.js';
export type { AdvertiseOptions } from './service/advertise.js';
export type { ClientDefaults } from './service/service-clients.js';
export type { LifeCycleOptions, ServiceState, StopHookOptions } from './service/life-cycle.js';
