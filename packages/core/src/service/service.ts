import type { Server } from 'node:http';
import type { ClientClass } from '../client/client-decorators.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import type { DirectoryStats } from '../discovery/directory-stats.js';
import type { CatalogueEntry } from '../errors/catalogue.js';
import type { ErrorMapper } from '../errors/error-mapper.js';
import type { ErrorReplyOptions } from '../errors/error-replies.js';
import type { Degradation } from '../health/degradation/degradation.js';
import type { DegradationMode } from '../health/degradation/options.js';
import type { Monitor } from '../health/monitor.js';
import type { MonitorOptions } from '../health/monitor-options.js';
import type { Logger } from '../logging/logger.js';
import type { Registry } from '../registry/registry.js';
import type { HealthServerOptions } from '../server/health-server.js';
import type { Resolve } from '../server/resolve.js';
import type { Address, HttpAdapter, ListenOptions, Mountable } from '../server/http-adapter.js';
import type { Route } from '../server/route.js';
import type { RoutePolicies } from '../server/route-policies.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import type { ConcurrencyLimitOptions } from '../wrappers/concurrency-limit.js';
import type { FaultReport } from '../wrappers/in-force.js';
import type { KeyedRateLimitOptions, RateLimitOptions } from '../wrappers/rate-limit.js';
import type { WrapperOption } from '../wrappers/stack.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import type { AdvertiseOptions } from './advertise.js';
import type { ErrorWatch } from './error-watches.js';
import type { StopHookOptions } from './hooks.js';
import type { ServiceState } from './life-state.js';
import type { LifeCycleOptions } from './life-cycle-options.js';
import type { PhaseListener } from './phases.js';
import type { ClientDefaults } from './service-clients.js';
import type { DiscoveryOptions } from './service-discovery.js';

/** What a service is made of; `createService` checks all of it. */
export interface ServiceOptions extends LifeCycleOptions {
  /** What other services call it; a label of a host name is a good choice: `orders`. */
  readonly name: string;
  /** Of the service, for others and for `describe()`. Default none. */
  readonly version?: string;
  /** Unique among all processes, also over time. Default `<name>-<host>-<port>-<8 hex digits>`. */
  readonly id?: string;
  /** The framework, for example `expressAdapter()`; one for each service. */
  readonly adapter: HttpAdapter;
  /** Default none. */
  readonly routes?: readonly Route[];
  /**
   * Policies around single routes, of controllers too, by `GET /orders/:id` or by the name of the operation; a configuration can hold them. Each
   * takes the place of the one of its kind that the route has in code. Default none.
   */
  readonly routePolicies?: Readonly<Record<string, RoutePolicies>>;
  /** Decorated controllers: instances, or classes, which are made at once with `resolve`, or with `new` when they need nothing. */
  readonly controllers?: readonly object[];
  /** Gives instances of controllers and of wrappers that are named as classes or tokens; `@ferrule/core/di` brings that of a container. */
  readonly resolve?: Resolve;
  /**
   * Stand around every route, outermost first, inside of the timeout. One with a position stands there: `{ wrapper, before: 'timeout' }`;
   * the steps are context, observe, errors, rateLimit, concurrencyLimit, limits, timeout, wrappers and route.
   */
  readonly wrappers?: readonly WrapperOption[];
  /** How many requests are let through in a time, by `rateLimit()`: 429 with Retry-After for the others. Health requests are not counted. Default: any number. */
  readonly rateLimit?: RateLimitOptions | KeyedRateLimitOptions;
  /**
   * How many requests may be open at once, found out from how long they take, by `concurrencyLimit()`: 503 with Retry-After for the others.
   * true: with its defaults. Default off.
   */
  readonly concurrencyLimit?: ConcurrencyLimitOptions | boolean;
  /** Further limits of the app's own, inside of these two and outside of the timeout. Default none. */
  readonly limits?: readonly Wrapper[];
  /** Asked in turn what to answer for an error, before problem+json. Default none. */
  readonly errors?: readonly ErrorMapper[];
  /** How errors are answered that none of these took: form, languages, challenge. Default: problem+json in the error's own words. */
  readonly errorReplies?: ErrorReplyOptions;
  /** What `errorMonitor()` or `errorAggregator()` made, or several of them: each stands outside of `errors`, where refusals are seen too, and is closed at stop. Default none. */
  readonly errorMonitor?: ErrorWatch | readonly ErrorWatch[];
  /** Of all that it uses: reasons and numbers that two of them have are refused at construction, by `lintCatalogues()`. Default none. */
  readonly catalogues?: readonly Iterable<CatalogueEntry>[];
  /** Who answers what was thrown: `problem` (default) we do, `native` the app does. */
  readonly errorHandling?: 'problem' | 'native';
  /** Bound of the work for a request; a caller's deadline only lowers it. Default 30 s. */
  readonly timeout?: Duration | false;
  /** Telemetry of requests. Default `observeInbound()`; `false`: none. */
  readonly observe?: Wrapper | false;
  /** Where to register, and where clients look. It stays open at stop: it may serve others too. */
  readonly registry?: Registry;
  /** The address to register. Default: where it listens; for a wildcard address one that others can reach. */
  readonly advertise?: AdvertiseOptions;
  /** Registered for those who choose among instances. Default none. */
  readonly tags?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly zone?: string;
  /** Share of the traffic relative to the other instances, 0 to 65,535; 0 for none. Default 1. */
  readonly weight?: number;
  /** Checks, or a monitor of the application's. Default: a monitor without checks. */
  readonly health?: Monitor | MonitorOptions;
  /**
   * Answers health on a port of its own too: open before the checks run and until the service has stopped, while its own port is closed. Readiness
   * that is asked there counts as asked when `drainDelay` is chosen. Default: on the service's own port alone.
   */
  readonly healthServer?: HealthServerOptions;
  /** What `degradation()` made. It starts and stops with the service, and its check is added to the monitor. Default none. */
  readonly degradation?: Degradation;
  /** Default: any free port of all addresses. */
  readonly listen?: ListenOptions;
  /** Of the directory that its clients share: a store for when the registry is away, what to know by the start. Default none of both. */
  readonly discovery?: DiscoveryOptions;
  /** What clients of this service start from; a client's own options win. */
  readonly clients?: ClientDefaults;
  /** Default `jsonLogger()` with the service's name in every line: one JSON object a line, to standard error. `silentLogger` for none. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

export interface RouteDescription {
  readonly method: string;
  readonly path: string;
  readonly name: string;
  /** All that stands around its handler, outermost first: the service's stack, and what is this route's alone. */
  readonly chain: readonly string[];
}

export interface ServiceDescription {
  readonly name: string;
  readonly id: string | undefined;
  readonly version: string | undefined;
  readonly state: ServiceState;
  readonly address: Address | undefined;
  readonly adapter: string;
  /** Of `@ferrule/core`, of Node, and of adapter and registry, as far as they tell theirs. */
  readonly versions: Readonly<Record<string, string>>;
  readonly registry: { readonly kind: string; readonly registered: boolean } | undefined;
  /** The address is that of `healthServer`, while it listens. */
  readonly health: { readonly path: string; readonly readiness: string; readonly checks: readonly string[]; readonly address?: Address };
  /** The wrappers around every route, outermost first. */
  readonly stack: readonly string[];
  readonly routes: readonly RouteDescription[];
  readonly clients: readonly { readonly service: string; readonly stack: readonly string[] }[];
  /** Where faults are injected on purpose (`chaos`): around its routes, and in its clients (`chaos of client orders`). */
  readonly faults: readonly FaultReport[];
  /** What is given up now: mode and rules in force; undefined without the option. */
  readonly degradation: { readonly name: string; readonly mode: DegradationMode; readonly active: readonly string[] } | undefined;
  /** What its clients know of other services; undefined before one of them was made. */
  readonly discovery: DirectoryStats | undefined;
}

/** The assembled whole with a life: idle → starting → ready → draining → stopped. It runs once. */
export interface Service extends AsyncDisposable {
  readonly name: string;
  /** Known when it listens, unless it was given. */
  readonly id: string | undefined;
  readonly state: ServiceState;
  /** Where it listens, while it does. */
  readonly address: Address | undefined;
  readonly monitor: Monitor;
  readonly mountable: Mountable;
  /**
   * Mounts on the adapter, listens, becomes ready and registers. When a critical check fails it listens but is `starting` until the
   * check passes; when the registry fails it is ready and goes on trying; with `failFast` both make it reject, with everything undone.
   * The app's own middleware has to be in place by now.
   */
  start(): Promise<Address>;
  /** For an app that listens itself: `start` then waits until this server does, and `stop` drains it. Before `start`. */
  attach(server: Server): void;
  /** Stops in order; see the options. Never rejects; all calls get the same promise. */
  stop(reason?: string): Promise<void>;
  /**
   * The client of another service, or of an address; asking again gives the same one, with its budgets and what it has learnt of its endpoints,
   * so it may be asked for in a handler. The first call for a target gives the options; later ones leave them out or give the same.
   * All clients share one directory and their connections, and close when the service stops.
   * @throws TypeError when the options are other than before, RangeError beyond 1,000 targets, ServiceError FAILED_PRECONDITION after a stop;
   * what `client` throws.
   */
  client(target: string, options?: ClientOptions): ServiceClient;
  /** An instance of a `@ServiceClient` class, the same one each time; its operations go through the client of its target. */
  client<T extends object>(type: ClientClass<T>): T;
  describe(): ServiceDescription;
  /**
   * Calls `listener` at the beginning of each phase of its life (see `ServicePhase`), with when that was; the returned function takes it back. What it
   * throws, or rejects with, is logged. Nobody waits for it: what has to be done before the stop goes on is a hook.
   * @throws TypeError when it is no function.
   */
  onPhase(listener: PhaseListener): () => void;
  /**
   * Runs `hook` as soon as the stop begins, at the same time as deregistering and drainDelay, while everything is still served: for what brings in work
   * from elsewhere, such as the consumer of a queue or a timetable. The server is not closed before it has ended, or its timeout has passed.
   * Of several the last added runs first, one after the other, each for at most 5 s unless told otherwise; what fails is logged, and the exit code is 1.
   * @throws TypeError for what is no function or no option, ServiceError FAILED_PRECONDITION when the stop has begun.
   */
  beforeShutdown(hook: () => unknown, options?: StopHookOptions): void;
  /**
   * Runs `hook` when the server begins to close, for what is no HTTP any more, such as WebSockets; what they hold is waited for up to drainTimeout.
   * Several run as those of `beforeShutdown`, and none for longer than drainTimeout leaves.
   * @throws TypeError for what is no function or no option, ServiceError FAILED_PRECONDITION after a stop.
   */
  onDrain(hook: () => unknown, options?: StopHookOptions): void;
  /**
   * Runs `hook` when nothing is served any more, for what requests have used: pools, files, registries. Several run as those of `beforeShutdown`.
   * @throws TypeError for what is no function or no option, ServiceError FAILED_PRECONDITION after a stop.
   */
  onStop(hook: () => unknown, options?: StopHookOptions): void;
}
