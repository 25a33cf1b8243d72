import { checkClientOptions } from '../client/service-client.js';
import type { ClientOptions } from '../client/service-client.js';
import { createDirectory } from '../discovery/create-directory.js';
import type { DirectoryOptions } from '../discovery/create-directory.js';
import type { Directory } from '../discovery/directory.js';
import { activeHealth } from '../health/active/create-active-health.js';
import type { ActiveHealth } from '../health/active/active-health.js';
import { checkSettings } from '../health/active/active-check.js';
import type { ActiveCheck } from '../health/active/active-check.js';
import { tcpProbe } from '../health/probes/tcp-probe.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkFlag, checkFunction, checkMethods, checkOptions, checkRecord, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { checkServiceName } from '../registry/instance.js';
import { layered } from '../registry/layered.js';
import type { HealthSource } from '../registry/health-source.js';
import type { LayeredRegistry } from '../registry/layered.js';
import type { Discovery, Registry } from '../registry/registry.js';
import { staticRegistry } from '../registry/static.js';
import type { StaticRegistry } from '../registry/static.js';
import type { StaticAddress } from '../registry/static-address.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { HybridServices } from './hybrid-services.js';
import type { HybridStats, SwitchEvent } from './hybrid-stats.js';
import { HYBRID_ROUTINGS } from './routing.js';
import type { HybridRouting, HybridRule, HybridSide } from './routing.js';
import { countSides } from './side-metrics.js';
import { checkStrategies, hybridStrategies } from './strategy.js';
import type { HybridStrategy } from './strategy.js';

/** What can be said for all services, and otherwise for one. */
export interface HybridServiceOptions {
  /** Which side is used while it is healthy, of a service that has both. Default `direct`. */
  readonly prefer?: HybridSide;
  /**
   * Whether calls go to the other side for what the preferred one cannot take, and back. false: never, so that they fail while the preferred
   * side does; a service without a direct address is still found in the registry, unless that is preferred to have no say. Default true.
   */
  readonly fallback?: boolean;
  /** How direct addresses are probed; false: not at all. Default `tcpProbe()` every 10 s. */
  readonly check?: Partial<ActiveCheck> | false;
}

export interface HybridOptions extends HybridServiceOptions {
  /** Addresses by service, or a registry of fixed ones that you add to and remove from. It stays open. */
  readonly direct: Readonly<Record<string, StaticAddress | readonly StaticAddress[]>> | StaticRegistry;
  /** Where everything else is found, and where services register. It stays open. */
  readonly registry: Discovery | Registry;
  /** What differs for one service, by its name. */
  readonly services?: Readonly<Record<string, HybridServiceOptions>>;
  /** What clients start from: attempt timeout, retries, circuit breaker, connections. */
  readonly client?: Omit<ClientOptions, 'registry' | 'directory'>;
  /** Of the directory that all clients share, such as a level-2 `store`. */
  readonly directory?: Omit<DirectoryOptions, 'discovery' | 'clock' | 'random' | 'logger'>;
  /** Default `hybridStrategies`. Those that are given stand in their place; spread them in to keep them. */
  readonly strategies?: readonly HybridStrategy[];
  /** How often strategies are asked when nothing happens. Default 5 s. */
  readonly interval?: Duration;
  /** How many switches are remembered. Default 100. */
  readonly history?: number;
  /** Hears of every switch, as with `onSwitch`. */
  readonly onSwitch?: (event: SwitchEvent) => void;
  /** How many probes are under way at a time. Default 32. */
  readonly concurrency?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Direct and registered instances as one: `client('orders', connections.clientOptions)`, and for a service
 * `createService({ registry: connections.registry, clients: connections.clientOptions, … })`.
 */
export interface HybridConnections extends AsyncDisposable {
  /** What clients are made with; all of them share the directory, and what is known of health. They still have to be disposed of themselves, and before. */
  readonly clientOptions: ClientOptions;
  /** Both sides as one registry; what registers here registers in the registry that was given. */
  readonly registry: LayeredRegistry;
  readonly directory: Directory;
  /** The fixed addresses: the registry that was given, or the one made of the map, to add to and remove from. */
  readonly direct: StaticRegistry;
  /** What the probes of direct addresses found; `setHealth` says it by hand. */
  readonly health: ActiveHealth;
  /**
   * Says by hand where the calls of a service go, before all strategies, until it is taken back (undefined).
   * @throws TypeError for a routing that there is not, or that `fallback: false` forbids; RangeError beyond 1,000 services.
   */
  route(service: string, routing: HybridRouting | undefined): void;
  /** The last switches, the oldest first. */
  history(): readonly SwitchEvent[];
  /** Calls `listener` with every switch. The returned function ends that. */
  onSwitch(listener: (event: SwitchEvent) => void): () => void;
  /** Of the services that were asked for. */
  stats(): readonly HybridStats[];
}

const SERVICE_OPTIONS = namesOf<HybridServiceOptions>({ prefer: true, fallback: true, check: true });
const OPTIONS = [
  ...SERVICE_OPTIONS,
  ...namesOf<Omit<HybridOptions, keyof HybridServiceOptions>>({
    direct: true,
    registry: true,
    services: true,
    client: true,
    directory: true,
    strategies: true,
    interval: true,
    history: true,
    onSwitch: true,
    concurrency: true,
    logger: true,
    clock: true,
    random: true,
  }),
];

/**
 * Connections that are direct, registered, or both: fixed addresses first (or second) and what a registry lists beside them, each as a
 * priority of the selector. Calls leave a side whose instances fail probes or calls in the share that it cannot take, one by one and within
 * the same call where it may be repeated, and return when it is healthy again; strategies may order the sides otherwise. Every move of the
 * best side in use is an event.
 * @throws TypeError for an option that does not fit.
 */
export function hybrid(options: HybridOptions): HybridConnections {
  checkOptions('hybrid', options, OPTIONS);
  checkSurroundings('hybrid', options);
  const { clock = systemClock, random = Math.random, logger = silentLogger, strategies = hybridStrategies } = options;
  checkMethods(options.registry ?? null, ['watch', 'services'], 'hybrid registry', 'Give a registry, for example fileRegistry()');
  checkServiceOptions('hybrid', options);
  checkRecord(options.services, 'hybrid services');
  for (const [service, one] of Object.entries(options.services ?? {})) {
    checkServiceName(service, 'hybrid services, a key');
    checkServiceOptions(`hybrid services[${JSON.stringify(service)}]`, one);
  }
  checkClientShape(options.client);
  checkFunction(options.onSwitch, 'hybrid onSwitch');
  const checked = checkStrategies(strategies);
  const intervalMs = toMs(options.interval ?? 5_000, 'hybrid interval');
  if (intervalMs < 100) throw new TypeError(`hybrid interval: ${shown(options.interval)} is too short. Give at least 100 ms.`);
  const { history = 100 } = options;
  if (!Number.isInteger(history) || history < 0 || history > 100_000)
    throw new TypeError(`hybrid history: ${shown(history)} does not fit. Give an integer from 0 to 100000.`);

  const common = { clock, random, logger };
  const ownDirect = isStaticRegistry(options.direct) ? undefined : staticRegistry(options.direct, common);
  const direct = ownDirect ?? (options.direct as StaticRegistry);
  const both = layered(direct, options.registry, { ...common, registrar: canRegister(options.registry) && 'second' });
  const directory = createDirectory({ ...options.directory, ...common, discovery: both });
  const directDirectory = createDirectory({ ...common, discovery: direct });
  const health = activeHealth({
    ...common,
    directory: directDirectory,
    ...(options.concurrency !== undefined && { concurrency: options.concurrency }),
  });

  const ruleOf = (service: string): HybridRule & { readonly check: ActiveCheck | undefined } => {
    const own = options.services?.[service] ?? {};
    const { prefer = 'direct', fallback = true, check = {} } = { ...options, ...own };
    return { prefer, fallback, check: checkOf(check) };
  };
  const services = new HybridServices({
    registry: both,
    direct: directDirectory,
    health,
    ruleOf,
    strategies: checked,
    intervalMs,
    history,
    clock,
    logger,
  });
  if (options.onSwitch !== undefined) services.onSwitch(options.onSwitch);
  const endChanges = directory.onChange(({ service }) => services.listChanged(service));

  const { onPriority, health: others = [], attemptWrappers = [], ...client } = options.client ?? {};
  const clientOptions: ClientOptions = Object.freeze<ClientOptions>({
    ...common,
    ...client,
    directory,
    health: [health, ...(Array.isArray(others) ? (others as readonly HealthSource[]) : [others as HealthSource])],
    attemptWrappers: [countSides(services, clock), ...attemptWrappers],
    onPriority(change) {
      services.priorityChanged(change.service, change.to, change.reason);
      onPriority?.(change);
    },
  });

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    endChanges();
    services.end();
    await health[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
    await directDirectory[Symbol.asyncDispose]();
    await both[Symbol.asyncDispose]();
    await ownDirect?.[Symbol.asyncDispose]();
  };

  return {
    clientOptions,
    registry: both,
    directory,
    direct,
    health,
    route(service, routing) {
      checkServiceName(service, 'route service');
      if (routing !== undefined && !HYBRID_ROUTINGS.includes(routing))
        throw new TypeError(`route ${service}: ${shown(routing)} is no routing. Give ${HYBRID_ROUTINGS.map((one) => `'${one}'`).join(', ')}.`);
      services.byHand(service, routing);
    },
    history: () => services.history(),
    onSwitch(listener) {
      checkFunction(listener, 'onSwitch');
      return services.onSwitch(listener);
    },
    stats: () => services.stats(),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}

function checkOf(check: Partial<ActiveCheck> | false): ActiveCheck | undefined {
  return check === false ? undefined : { probe: tcpProbe(), ...check };
}

function checkServiceOptions(where: string, options: HybridServiceOptions): void {
  if (where !== 'hybrid') checkOptions(where, options, SERVICE_OPTIONS);
  const { prefer, fallback, check } = options;
  if (prefer !== undefined && prefer !== 'direct' && prefer !== 'registry')
    throw new TypeError(`${where} prefer: ${shown(prefer)} is no side. Give 'direct' or 'registry'.`);
  checkFlag(fallback, `${where} fallback`);
  const complete = checkOf(check ?? {});
  if (complete !== undefined) checkSettings(complete, `${where} check`);
}

function checkClientShape(client: HybridOptions['client']): void {
  if (client === undefined) return;
  for (const name of ['registry', 'directory'] as const) {
    if (!(name in client)) continue;
    throw new TypeError(`hybrid client.${name}: it is what hybrid makes itself. Leave it out.`);
  }
  checkClientOptions('hybrid client', client);
}

function isStaticRegistry(direct: HybridOptions['direct']): direct is StaticRegistry {
  if (direct === undefined) throw new TypeError("hybrid direct: it is missing. Give addresses by service, such as { orders: '10.0.0.5:8080' }.");
  if (typeof (direct as Partial<StaticRegistry>).watch === 'function') return true;
  checkRecord(direct, 'hybrid direct');
  return false;
}

function canRegister(registry: Discovery | Registry): boolean {
  return typeof (registry as Partial<Registry>).register === 'function';
}
