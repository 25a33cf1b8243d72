import type { Server } from 'node:http';
import { clientOf, isClientClass } from '../client/client-decorators.js';
import type { ClientClass } from '../client/client-decorators.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import { ServiceError } from '../errors/service-error.js';
import { monitor as makeMonitor } from '../health/monitor.js';
import type { Monitor } from '../health/monitor.js';
import type { MonitorOptions } from '../health/monitor-options.js';
import { jsonLogger } from '../logging/json-logger.js';
import { checkInstance } from '../registry/instance.js';
import { originOf } from '../registry/registry.js';
import type { Instance } from '../registry/registry.js';
import { controllerParts } from '../server/controller-routes.js';
import { healthHandler } from '../server/health-routes.js';
import { serveHealth } from '../server/health-server.js';
import type { HealthServer } from '../server/health-server.js';
import type { Address } from '../server/http-adapter.js';
import { createMountable } from '../server/mountable.js';
import { withRoutePolicies } from '../server/route-policies.js';
import { DEFAULT_INBOUND_TIMEOUT_MS } from '../server/stack.js';
import { systemClock } from '../time/clock.js';
import { contextLogger } from '../telemetry/context-logger.js';
import { observedPolicies } from '../telemetry/policy-metrics.js';
import { observedStates } from '../telemetry/state-metrics.js';
import { directoryState, healthState } from '../telemetry/state-readers.js';
import { faultReports } from '../wrappers/in-force.js';
import type { FaultReport } from '../wrappers/in-force.js';
import { checkOptions } from '../options/check.js';
import { advertisedAddress, instanceId, isLocalRegistry, isLoopback } from './advertise.js';
import { announce } from './announcement.js';
import { discoveryCheck } from './discovery-check.js';
import { checkHealthPaths, checkServiceOptions } from './check-service.js';
import { errorWatches, watching } from './error-watches.js';
import { LifeCycle } from './life-cycle.js';
import { listening, unbound } from './listening.js';
import type { Service, ServiceOptions } from './service.js';
import { VERSION } from './version.js';
import { ServiceClients } from './service-clients.js';
import { ServiceDiscovery } from './service-discovery.js';

const OPTIONS: Readonly<Record<keyof ServiceOptions, true>> = {
  name: true,
  version: true,
  id: true,
  adapter: true,
  routes: true,
  routePolicies: true,
  controllers: true,
  resolve: true,
  wrappers: true,
  rateLimit: true,
  concurrencyLimit: true,
  limits: true,
  errors: true,
  errorReplies: true,
  errorMonitor: true,
  catalogues: true,
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
  degradation: true,
  healthServer: true,
  listen: true,
  clients: true,
  discovery: true,
  drainDelay: true,
  drainTimeout: true,
  shutdownTimeout: true,
  gracePeriod: true,
  preStop: true,
  telemetry: true,
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
  const logger = options.logger ?? contextLogger(jsonLogger({ fields: { service: name }, clock }));
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

  const monitor = monitorOf(options.health, { clock, logger, ...(options.version !== undefined && { version: options.version }) });
  const seen = new Map<string, string>();
  const { controllers = [], resolve } = options;
  const list: unknown = controllers;
  if (!Array.isArray(list)) throw new TypeError('controllers: that is no list. Give an array of instances or classes with @Controller.');
  const parts = controllers.map((one) => controllerParts(one, resolve === undefined ? {} : { resolve }, seen));
  for (const check of parts.flatMap(({ checks }) => checks)) monitor.add(check);
  const { timeout: bound = DEFAULT_INBOUND_TIMEOUT_MS } = options;
  const routes = withRoutePolicies([...(options.routes ?? []), ...parts.flatMap((part) => part.routes)], options.routePolicies ?? {}, {
    clock,
    random,
    timeout: bound,
  });
  checkHealthPaths(routes, monitor);
  monitor.moveTo('starting');
  let probed = false;
  const health = healthHandler(monitor, (question) => {
    if (question === 'ready' || question === 'all') probed = true;
  });
  const watches = errorWatches(options.errorMonitor);
  const mountable = createMountable({
    name,
    routes,
    health,
    clock,
    random,
    logger,
    ...(options.rateLimit !== undefined && { rateLimit: options.rateLimit }),
    ...(options.concurrencyLimit !== undefined && { concurrencyLimit: options.concurrencyLimit }),
    wrappers: [...watching(watches), ...(options.wrappers ?? [])],
    ...(options.limits !== undefined && { limits: options.limits }),
    ...(options.errors !== undefined && { errors: options.errors }),
    ...(options.errorReplies !== undefined && { errorReplies: options.errorReplies }),
    ...(options.errorHandling !== undefined && { errorHandling: options.errorHandling }),
    ...(options.timeout !== undefined && { timeout: options.timeout }),
    ...(options.observe !== undefined && { observe: options.observe }),
  });
  const localChecks = new Set<string>();
  let forgetCheck: (() => void) | undefined;
  // A container may bind a directory, which is no default for applications.
  const defaults: ClientOptions = options.clients ?? {};
  const states = options.observe === false ? undefined : observedStates([healthState(monitor)]);
  const discovery = new ServiceDiscovery({
    registry,
    directory: defaults.directory,
    options: options.discovery,
    clock,
    random,
    logger,
    onUse(directory) {
      states?.add(directoryState(directory));
      const check = ['discovery', `discovery of ${name}`].find((free) => !monitor.checks.includes(free));
      if (check === undefined) return;
      localChecks.add(check);
      forgetCheck = monitor.add(discoveryCheck(check, directory));
    },
  });
  const forgetChecks: (() => void)[] = [];
  const clients = new ServiceClients({
    discovery,
    defaults,
    clock,
    random,
    logger,
    onScore(score) {
      const check = score.check();
      if (monitor.checks.includes(check.name)) return;
      localChecks.add(check.name);
      forgetChecks.push(monitor.add(check));
    },
  });
  const { degradation } = options;
  if (degradation !== undefined) forgetChecks.push(monitor.add(degradation.check));
  const policyMetrics = options.observe === false ? undefined : observedPolicies(mountable.inForce, { service: name });
  const faults = (): readonly FaultReport[] => [...faultReports(mountable.inForce), ...clients.faults()];
  const forgetNote = monitor.note(() =>
    faults().map((one) => `faults are injected on purpose: ${one.name} (${one.enabled ? 'enabled' : 'disabled'})`),
  );
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
  const attached: Server[] = [];
  let id = options.id;
  let probes: HealthServer | undefined;

  const life = new LifeCycle(
    {
      name,
      monitor,
      clock,
      random,
      logger,
      probed: () => probed,
      localChecks,
      warmUp: () => discovery.warmUp(),
      async openProbes() {
        if (options.healthServer === undefined) return undefined;
        const opened = (probes = await serveHealth(health, options.healthServer));
        return () => {
          probes = undefined;
          return opened.close();
        };
      },
      mount() {
        // Not in start(): a service that has stopped refuses that with its own words.
        degradation?.start();
        adapter.mount(mountable);
      },
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
        const url = `${originOf(instance)}${monitor.path}/ready`;
        return announce(registry, instance, { clock, random, logger, retry: options.failFast !== true, health: { url } });
      },
      startDraining: () => adapter.startDraining(),
      close: (signal) => adapter.close(signal),
      async release() {
        policyMetrics?.end();
        states?.end();
        // The monitor may be the app's, and outlive us.
        forgetNote();
        forgetCheck?.();
        for (const forget of forgetChecks.splice(0)) forget();
        for (const one of watches) one.close();
        await degradation?.stop();
        // One that was given is the application's; of ours nothing may run in the background any more. Its last answers stay.
        if (monitor !== options.health) monitor.close();
        await clients.close();
      },
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
    start() {
      // Not before: a service that is never started has nobody who ends it. Telemetry is up by now.
      policyMetrics?.begin();
      states?.begin();
      return life.start();
    },
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
    onPhase: (listener) => life.onPhase(listener),
    beforeShutdown: (hook, hookOptions) => life.beforeShutdown(hook, hookOptions),
    onDrain: (hook, hookOptions) => life.onDrain(hook, hookOptions),
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
      health: { path: monitor.path, readiness: monitor.readiness, checks: monitor.checks, ...(probes !== undefined && { address: probes.address }) },
      stack: mountable.stack,
      routes: mountable.routes.routes.map((route) => ({
        method: route.method,
        path: route.path,
        name: route.options.name ?? `${route.method} ${route.path}`,
        chain: mountable.routes.chainOf(route),
      })),
      clients: clients.describe(),
      faults: faults(),
      degradation: degradation && { name: degradation.check.name, mode: degradation.mode, active: degradation.active },
      discovery: discovery.describe(),
    }),
    [Symbol.asyncDispose]: () => life.stop('disposed'),
  };
}

function monitorOf(health: Monitor | MonitorOptions | undefined, defaults: MonitorOptions): Monitor {
  return health !== undefined && 'moveTo' in health ? health : makeMonitor({ ...defaults, ...health });
}
