// What authors of adapters, registries, balancers, wrappers and other parts build on. Applications need ./index.ts alone.

// time, logging
export { systemClock } from './time/clock.js';
export type { Clock, Timer, TimerOptions } from './time/clock.js';
export { DeadlineWheel } from './time/deadline-wheel.js';
export { QueuedTimer, TimerQueue } from './time/timer-queue.js';
export { toMs } from './time/duration.js';
export type { Duration } from './time/duration.js';
export { abortableOf, sleep } from './time/sleep.js';
export type { Abortable } from './time/sleep.js';

// options
export { checkOptions, checkSurroundings, namesOf } from './options/check.js';
export { shown } from './options/shown.js';

// call
export type { BodyStream } from './call/reply.js';
export { addReplyHeaders, withReplyHeaders } from './call/reply-headers.js';
export { Life } from './call/life.js';
export type { End } from './call/life.js';
export { runInContext } from './call/context.js';
export { isIdempotentMethod, operation } from './call/operation.js';
export type { Operation } from './call/operation.js';

// errors
export { codeOfStatus, isCode } from './errors/codes.js';
export { isRefusal, refusal } from './errors/service-error.js';

// wrappers
export { named, traitsOf } from './wrappers/wrapper.js';
export type { WrapperTraits } from './wrappers/wrapper.js';
export { isPlaced, wrapperOf } from './wrappers/stack.js';
export { isCancelled, isRetryable, isUnprocessed, verdictOn } from './wrappers/verdict.js';
export { failedItself } from './call/own-failure.js';

// registry
export type { AddressRecord, DnsResolver, ServiceRecord } from './registry/dns-resolver.js';
export type { AddressFamily } from './registry/find-addresses.js';
export { checkInstance, checkServiceName, sameInstance } from './registry/instance.js';
export type { HealthSource } from './registry/health-source.js';
export { keeper } from './registry/keeper.js';
export type { KeeperOptions, KeptEntry, KeptRegistration } from './registry/keeper.js';
export { Lists } from './registry/lists.js';
export { newest } from './registry/newest.js';
export type { Sink } from './registry/newest.js';
export { reconnectDelay } from './registry/reconnect.js';
export type { ReconnectBounds } from './registry/reconnect.js';
export { originOf } from './registry/registry.js';

// discovery
export type { SnapshotStore, StoredSnapshot } from './discovery/snapshot-store.js';
export { MOST_SNAPSHOT_BYTES, decodeSnapshot, encodeSnapshot } from './discovery/stored-snapshot.js';
export { isForbiddenHost } from './options/forbidden-host.js';

// balancing
export { perView } from './balancing/balancer.js';
export type { Balancer, View } from './balancing/balancer.js';
export { Endpoint, weightOf } from './balancing/endpoint.js';
export type { Ending, Fleet, Load, Meter } from './balancing/load.js';
export { isWorking } from './balancing/outcome.js';
export type { Outcome } from './balancing/outcome.js';

// selection
export { TRIED } from './selection/selector.js';
export type { Lease, Selector } from './selection/selector.js';

// client
export { ADDRESS } from './client/address.js';
export { balance, outcomeOf } from './client/balance.js';
export { OUTBOUND } from './client/outbound.js';
export type { Outbound, ReplyMode } from './client/outbound.js';
export { ownErrors, remoteErrors } from './client/remote-errors.js';
export type { RemoteErrorsOptions } from './client/remote-errors.js';
export type { RequestBody } from './client/request-body.js';
export { outboundStack } from './client/stack.js';
export type { OutboundStack, OutboundStackOptions } from './client/stack.js';
export { pathTemplate, queryText } from './client/target.js';
export type { PathTemplate } from './client/target.js';
export type { Transport } from './client/transport.js';

// health
export { TIMED_OPTIONS, timedCheck } from './health/checks/made-check.js';
export type { CheckRecipe, CheckResult } from './health/checks/made-check.js';

// server
export { EXCHANGE } from './server/exchange.js';
export type { Exchange } from './server/exchange.js';
export type { Address, HttpAdapter, ListenOptions, Mountable, ServerLimits } from './server/http-adapter.js';
export { depthOne } from './server/depth-one.js';
export { createMountable } from './server/mountable.js';
export type { MountableOptions } from './server/mountable.js';
export { isNative, nativeHandler, refuseReplays } from './server/native.js';
export type { LeavesAnswer } from './server/native.js';
export { RenderedReply } from './server/render.js';
export type { Head, Payload } from './server/render.js';
export { forgetOtherBody, rendered, writeReply } from './server/reply-writer.js';
export { followStream } from './server/follow-stream.js';
export { answered, callOf, cutShort, failing, moved, track, whenClosed } from './server/tracking.js';
export { Match, RouteTable, isMalformedPath } from './server/router.js';
export { outsideOfRoute } from './server/app-context.js';
export { problemAnswers } from './server/problem-answers.js';
export type { ProblemErrorsOptions } from './server/problem-answers.js';
export { placeRoutes } from './server/place-routes.js';
export { claimApp } from './server/claim-app.js';
export { unmatchedCalls } from './server/unmatched.js';
export { inboundStack } from './server/stack.js';
export type { InboundStackOptions } from './server/stack.js';
export { problemReply } from './errors/problem.js';
export { replyMapping } from './errors/error-replies.js';
export { acceptedLanguages } from './errors/accept-language.js';
export { safeValue } from './errors/safe-value.js';
export type { JsonValue } from './errors/safe-value.js';
export { ServerHost } from './server/server-host.js';
export type { DrainHook } from './server/server-host.js';
export { healthHandler } from './server/health-routes.js';
export type { HealthHandler, HealthQuestion } from './server/health-routes.js';

// service
export { advertisedAddress, instanceId } from './service/advertise.js';
export { stopOnSignals } from './service/signals.js';
export type { SignalSource, StopSignal } from './service/signals.js';

// di: what a package needs to export a module, without a container
export type { Binder, Module } from './di/module.js';
export { Tokens } from './di/tokens.js';
export type { TokenName } from './di/tokens.js';
