import { once } from 'node:events';
import type { Server } from 'node:http';
import { clientOf, isClientClass } from '../client/client-decorators.js';
import type { ClientClass } from '../client/client-decorators.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import type { ErrorMapper } from '../errors/error-mapper.js';
import { ServiceError } from '../errors/service-error.js';
import { monitor as makeMonitor } from '../health/monitor.js';
import type { Monitor, MonitorOptions } from '../health/monitor.js';
import { jsonLogger } from '../logging/json-logger.js';
import type { Logger } from '../logging/logger.js';
import { checkInstance } from '../registry/instance.js';
import { originOf } from '../registry/registry.js';
import type { Instance, Registry } from '../registry/registry.js';
import { controllerParts } from '../server/controller-routes.js';
import type { Resolve } from '../server/resolve.js';
import { healthHandler } from '../server/health-routes.js';
import type { Address, HttpAdapter, ListenOptions, Mountable } from '../server/http-adapter.js';
import { createMountable } from '../server/mountable.js';
import type { Route } from '../server/route.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { checkOptions } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { WrapperOption } from '../wrappers/stack.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { advertisedAddress, instanceId, isLocalRegistry, isLoopback } from './advertise.js';
import type { AdvertiseOptions } from './advertise.js';
import { announce } from './announcement.js';
import { checkHealthPaths, checkServiceOptions } from './check-service.js';
import { LifeCycle } from './life-cycle.js';
import type { LifeCycleOptions, ServiceState, StopHookOptions } from './life-cycle.js';
import { VERSION } from './version.js';
import { ServiceClients } from './service-clients.js';
import type { ClientDefaults } from './service-clients.js';

export interface ServiceOptions extends LifeCycleOptions {
  /** What other services call it; a label of a host name is a good choice: `orders`. */
  readonly name: string;
  readonly version?: string;
  /** Unique among all processes, also over time. Default `<name>-<host>-<port>-<8 hex digits>`. */
  readonly id?: string;
  readonly adapter: HttpAdapter;
  readonly routes?: readonly Route[];
  /** Decorated controllers: instances, or classes, which are made at once with `resolve`, or with `new` when they need nothing. */
  readonly controllers?: readonly object[];
  /** Gives instances of controllers and of wrappers that are named as classes or tokens; `@ferrule/core/di` brings that of a container. */
  readonly resolve?: Resolve;
  /**
   * Stand around every route, outermost first, inside of the timeout. One with a position stands there: `{ wrapper, before: 'timeout' }`;
   * the steps are context, observe, errors, limits, timeout, wrappers and route.
   */
  readonly wrappers?: readonly WrapperOption[];
  /** Rate and concurrency limits, which stand outside of the timeout. */
  readonly limits?: readonly Wrapper[];
  readonly errors?: readonly ErrorMapper[];
  /** Who answers what was thrown: `problem` (default) we do, `native` the app does. */
  readonly errorHandling?: 'problem' | 'native';
  /** Bound of the work for a request; a caller's deadline only lowers it. Default 30 s. */
  readonly timeout?: Duration | false;
  /** Telemetry of requests. Default `observeInbound()`; `false`: none. */
  readonly observe?: Wrapper | false;
  /** Where to register, and where clients look. It stays open at stop: it may serve others too. */
  readonly registry?: Registry;
  readonly advertise?: AdvertiseOptions;
  readonly tags?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly zone?: string;
  readonly weight?: number;
  readonly health?: Monitor | MonitorOptions;
  readonly listen?: ListenOptions;
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
  readonly health: { readonly path: string; readonly readiness: string; readonly checks: readonly string[] };
  /** The wrappers around every route, outermost first. */
  readonly stack: readonly string[];
  readonly routes: readonly RouteDescription[];
  readonly clients: readonly { readonly service: string; readonly stack: readonly string[] }[];
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
  /** Runs `hook` when the server begins to close, for what is no HTTP any more, such as WebSockets; what they hold is waited for up to drainTimeout. */
  onDrain(hook: () => unknown): void;
  /** Runs `hook` when nothing is served any more, the last added first, each for at most 5 s unless told otherwise. */
  onStop(hook: () => unknown, options?: StopHookOptions): void;
}

const OPTIONS: Readonly<Record<keyof ServiceOptions, true>> = {
  name: true,
  version: true,
  id: true,
  adapter: true,
  routes: true,
  controllers: true,
  resolve: true,
  wrappers: true,
  limits: true,
  errors: true,
  errorHandling: true,
  timeout: true,
  observe: true,
  registry: true,
  advertise: true,
  tags: true,
  metadata: true,
  zone: true,
  weight: true,
  health: true,
  listen: true,
  clients: true,
  drainDelay: true,
  drainTimeout: true,
  shutdownTimeout: true,
  readinessInterval: true,
  signals: true,
  failFast: true,
  logger: true,
  clock: true,
  random: true,
};

/**
 * Puts a service together; nothing happens before `start`.
 * @throws TypeError or RangeError naming the option that does not fit.
 */
export function createService(options: ServiceOptions): Service {
  checkOptions('createService', options, Object.keys(OPTIONS));
  checkServiceOptions(options);
  const { name, adapter, registry, advertise = {}, clock = systemClock, random = Math.random } = options;
  const logger = options.logger ?? jsonLogger({ fields: { service: name }, clock });
  const instanceOf = (id: string, at: Address): Instance => ({
    ...(options.version !== undefined && { version: options.version }),
    ...(options.tags !== undefined && { tags: options.tags }),
    ...(options.metadata !== undefined && { metadata: options.metadata }),
    ...(options.zone !== undefined && { zone: options.zone }),
    ...(options.weight !== undefined && { weight: options.weight }),
    id,
    service: name,
    host: at.host,
    port: at.port,
    status: 'pass',
  });
  // Refused here, not by the registry at a time when nobody looks.
  checkInstance(instanceOf(options.id ?? 'checked', { host: advertise.host ?? '127.0.0.1', port: advertise.port ?? 1 }));

  const monitor = monitorOf(options.health, clock);
  const seen = new Map<string, string>();
  const { controllers = [], resolve } = options;
  const list: unknown = controllers;
  if (!Array.isArray(list)) throw new TypeError('controllers: that is no list. Give an array of instances or classes with @Controller.');
  const parts = controllers.map((one) => controllerParts(one, resolve === undefined ? {} : { resolve }, seen));
  for (const check of parts.flatMap(({ checks }) => checks)) monitor.add(check);
  const routes = [...(options.routes ?? []), ...parts.flatMap((part) => part.routes)];
  checkHealthPaths(routes, monitor.path);
  monitor.moveTo('starting');
  let probed = false;
  const mountable = createMountable({
    name,
    routes,
    health: healthHandler(monitor, (question) => {
      if (question === 'ready' || question === 'all') probed = true;
    }),
    clock,
    logger,
    ...(options.wrappers !== undefined && { wrappers: options.wrappers }),
    ...(options.limits !== undefined && { limits: options.limits }),
    ...(options.errors !== undefined && { errors: options.errors }),
    ...(options.errorHandling !== undefined && { errorHandling: options.errorHandling }),
    ...(options.timeout !== undefined && { timeout: options.timeout }),
    ...(options.observe !== undefined && { observe: options.observe }),
  });
  const clients = new ServiceClients({ registry, defaults: options.clients ?? {}, clock, random, logger });
  const declared = new Map<ClientClass, object>();
  function clientFor(target: string, clientOptions?: ClientOptions): ServiceClient;
  function clientFor<T extends object>(type: ClientClass<T>): T;
  function clientFor(target: string | ClientClass, clientOptions?: ClientOptions): object {
    if (!isClientClass(target)) {
      if (typeof target === 'function')
        throw new TypeError(
          `client: ${(target as { name: string }).name} has no @ServiceClient. Put @ServiceClient('service') on the class, or give a name.`,
        );
      return clients.get(target, clientOptions);
    }
    let instance = declared.get(target);
    if (instance === undefined) declared.set(target, (instance = clientOf(target, (name, given) => clients.get(name, given))));
    return instance;
  }
  const drainHooks: (() => unknown)[] = [];
  const attached: Server[] = [];
  let id = options.id;

  const life = new LifeCycle(
    {
      name,
      monitor,
      clock,
      random,
      logger,
      probed: () => probed,
      mount: () => adapter.mount(mountable),
      async listen(signal) {
        const address =
          attached.length > 0
            ? await listening(attached[0]!, signal)
            : await adapter.listen(options.listen).catch((error: unknown) => {
                throw unbound(error, name);
              });
        id ??= instanceId(name, advertisedAddress(address, advertise, registry?.name));
        return address;
      },
      announce(address) {
        if (registry === undefined) return undefined;
        const at = advertisedAddress(address, advertise, registry.name);
        if (isLoopback(at.host) && !isLocalRegistry(registry.name)) {
          logger.warn(
            { service: name, advertised: at },
            'A loopback address goes into a registry that other machines read. Listen on 0.0.0.0 or give advertise.host',
          );
        }
        const instance = instanceOf(id!, at);
        const health = { url: `${originOf(instance)}${monitor.path}/ready` };
        return announce(registry, instance, { clock, random, logger, retry: options.failFast !== true, health });
      },
      startDraining: () => adapter.startDraining(),
      async close(signal) {
        for (const hook of drainHooks) {
          // Nobody waits for a hook: what it ends is seen on the sockets.
          (async () => hook())().catch((error: unknown) => logger.warn({ service: name, error }, 'A drain hook failed'));
        }
        await adapter.close(signal);
      },
      release: () => clients.close(),
    },
    options,
  );

  return {
    name,
    monitor,
    mountable,
    get id() {
      return id;
    },
    get state() {
      return life.state;
    },
    get address() {
      return life.address;
    },
    start: () => life.start(),
    attach(server) {
      if (life.state !== 'idle')
        throw new ServiceError('FAILED_PRECONDITION', `attach: service ${name} is ${life.state}. Attach its servers before start().`);
      if (options.listen !== undefined)
        throw new TypeError('attach: listen was given, so the service makes a server of its own. Leave one of the two out.');
      adapter.attach(server);
      attached.push(server);
    },
    stop: (reason) => life.stop(reason),
    client: clientFor,
    onDrain(hook) {
      if (typeof hook !== 'function')
        throw new TypeError(`onDrain: ${shown(hook)} is no function. Give what has to run when the server begins to close.`);
      drainHooks.push(hook);
    },
    onStop: (hook, hookOptions) => life.onStop(hook, hookOptions),
    describe: () => ({
      name,
      id,
      version: options.version,
      state: life.state,
      address: life.address,
      adapter: adapter.name,
      versions: {
        core: VERSION,
        node: process.versions.node,
        ...(adapter.version !== undefined && { [adapter.name]: adapter.version }),
        ...(registry?.version !== undefined && { [registry.name]: registry.version }),
      },
      registry: registry === undefined ? undefined : { kind: registry.name, registered: life.registered },
      health: { path: monitor.path, readiness: monitor.readiness, checks: monitor.checks },
      stack: mountable.stack,
      routes: mountable.routes.routes.map((route) => ({
        method: route.method,
        path: route.path,
        name: route.options.name ?? `${route.method} ${route.path}`,
        chain: mountable.routes.chainOf(route),
      })),
      clients: clients.describe(),
    }),
    [Symbol.asyncDispose]: () => life.stop('disposed'),
  };
}

function monitorOf(health: Monitor | MonitorOptions | undefined, clock: Clock): Monitor {
  return health !== undefined && 'moveTo' in health ? health : makeMonitor({ clock, ...health });
}

/** Waits for a server of the app. */
async function listening(server: Server, signal: AbortSignal): Promise<Address> {
  if (!server.listening) {
    await once(server, 'listening', { signal }).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error;
    });
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') {
    throw new TypeError(
      `attach: the server listens on ${bound ?? 'nothing'}, which has no port to register. Attach a server that listens on a TCP port.`,
    );
  }
  return { host: bound.address, port: bound.port };
}

const UNBOUND: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Somebody listens there already: end that, or give another port in listen.port (0: any free one).',
  EACCES: 'This process may not listen there: give a port from 1024 in listen.port.',
  EADDRNOTAVAIL: 'This machine does not have that address: give one of its own in listen.host, or leave it out.',
};

/** Node's error with whose it is and what helps; its `code` stays. */
function unbound(error: unknown, service: string): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const remedy = typeof code === 'string' ? UNBOUND[code] : undefined;
  return remedy === undefined ? error : Object.assign(new Error(`Service ${service}: ${String(message)}. ${remedy}`, { cause: error }), { code });
}
