import { createDirectory } from '../discovery/create-directory.js';
import type { Directory, Snapshot, SnapshotSource } from '../discovery/directory.js';
import type { Balancer } from '../balancing/balancer.js';
import { ejector as makeEjector } from '../balancing/ejector.js';
import type { Ejector } from '../balancing/ejector.js';
import type { Subset } from '../balancing/subset.js';
import type { Logger } from '../logging/logger.js';
import type { HealthSource } from '../registry/health-source.js';
import type { Discovery, Instance } from '../registry/registry.js';
import { createSelector } from '../selection/create-selector.js';
import type { EndpointReport } from '../selection/service-selector.js';
import type { Selector } from '../selection/selector.js';
import type { Filter } from '../selection/filter.js';
import type { PriorityChange } from '../selection/priority-watch.js';
import type { Router } from '../selection/router.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import { observedPolicies } from '../telemetry/policy-metrics.js';
import { observedStates } from '../telemetry/state-metrics.js';
import { directoryState, isReadableDirectory, pickState } from '../telemetry/state-readers.js';
import type { InForce } from '../wrappers/in-force.js';
import type { Handler } from '../wrappers/wrapper.js';
import { checkMethods, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { adaptiveScore } from '../health/adaptive-score/adaptive-score.js';
import type { AdaptiveScore } from '../health/adaptive-score/adaptive-score.js';
import { checkBalancer, listOf } from '../selection/check-selector.js';
import { AddressSelector } from './address-selector.js';
import { holdOrigin, releaseOrigin } from './held-origins.js';
import { httpTransport } from './http-transport.js';
import { checkPool } from './pool-options.js';
import type { PoolOptions } from './pool-options.js';
import { outboundStack } from './stack.js';
import type { OutboundPolicies } from './stack.js';
import type { Transport } from './transport.js';

export interface ChannelOptions extends OutboundPolicies {
  /** Where the instances of a named service come from. It stays open. */
  readonly registry?: Discovery;
  /** A cache of a registry that several clients share, in place of `registry`. It stays open. */
  readonly directory?: Directory;
  /** Connections that several clients share. It stays open. Default: a new `httpTransport()`. */
  readonly transport?: Transport;
  /** The connections to the service's instances. With it the client has connections of its own, made as those of `transport` if there is one. Default: the transport's. */
  readonly pool?: PoolOptions;
  /** Default `p2c()`. */
  readonly balancer?: Balancer;
  /** Asked when `balancer` declines a call, as a hash does without its key. Endpoints are measured by the load of `balancer`, if it has one. Default `roundRobin()`. */
  readonly fallbackBalancer?: Balancer;
  /** Default `ejector()` with the attempt's timeout; false takes nobody out of service. */
  readonly ejector?: Ejector | false;
  /** All have to keep an instance: `byVersion()`, `byTags()`, `byMetadata()` or your own. Default none. */
  readonly filters?: readonly Filter[];
  /** Which instances a call may reach, as `routing()` and `canary()` make it; of several, the first that has an opinion. Default none. */
  readonly routing?: Router | readonly Router[];
  /** Whose instances are preferred: the caller's own zone. Default: all zones are alike. */
  readonly zone?: string;
  /** Which of the instances this client uses at all, as `subset()` makes it. Default: all. */
  readonly subset?: Subset;
  /** What others than the registry know of the instances' health: active checks, `metadataHealth()`. Default none. */
  readonly health?: HealthSource | readonly HealthSource[];
  /** Hears when calls begin to go to instances of another priority, first. Must not throw. */
  readonly onPriority?: (change: PriorityChange) => void;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** The names of all of them. */
export const CHANNEL_OPTIONS: readonly string[] = namesOf<ChannelOptions>({
  registry: true,
  directory: true,
  transport: true,
  pool: true,
  balancer: true,
  fallbackBalancer: true,
  ejector: true,
  filters: true,
  routing: true,
  zone: true,
  subset: true,
  health: true,
  onPriority: true,
  logger: true,
  clock: true,
  random: true,
  timeout: true,
  attemptTimeout: true,
  retry: true,
  circuitBreaker: true,
  bulkhead: true,
  rateLimit: true,
  concurrencyLimit: true,
  replyCache: true,
  adaptiveScore: true,
  hedge: true,
  throttle: true,
  chaos: true,
  fallback: true,
  errors: true,
  toOwn: true,
  wrappers: true,
  attemptWrappers: true,
  telemetry: true,
});

/** The way to one service: its endpoints, its stack and the connections. */
export interface Channel extends AsyncDisposable {
  readonly service: string;
  readonly handler: Handler;
  readonly names: readonly string[];
  readonly inForce: readonly InForce[];
  /** Made by or given as `adaptiveScore`. */
  readonly score: AdaptiveScore | undefined;
  endpoints(): readonly EndpointReport[];
}

/**
 * Opens the way to a service or to an address.
 * @throws TypeError when the target is neither, or a name without a registry to look it up in, and for an option that does not fit.
 */
export function openChannel(target: string, options: ChannelOptions): Channel {
  const { registry, clock, random, logger, balancer, fallbackBalancer, filters, routing, zone, health, onPriority, attemptTimeout, pool } = options;
  if (typeof target !== 'string' || target === '')
    throw new TypeError(
      `client: ${shown(target)} is no target. Give a service's name, such as 'orders', or an address such as 'http://127.0.0.1:8080'.`,
    );
  const which = target.includes('://') ? 'client' : `client ${shown(target)}`; // an address may hold credentials
  checkSurroundings(which, options);
  checkMethods(registry, ['watch'], `${which} registry`, 'Give a registry, for example fileRegistry()');
  checkMethods(options.directory, ['lookup', 'subscribe'], `${which} directory`, 'Give what createDirectory() made');
  checkMethods(options.transport, ['handle', 'forget', Symbol.asyncDispose], `${which} transport`, 'Give what httpTransport() made');
  checkBalancer(fallbackBalancer, `${which} fallbackBalancer`);
  if (attemptTimeout !== undefined && attemptTimeout !== false) toMs(attemptTimeout, `${which} attemptTimeout`);
  if (options.timeout !== undefined && options.timeout !== false) toMs(options.timeout, `${which} timeout`);
  if (pool !== undefined) checkPool(pool, `${which} pool`);
  const address = target.includes('://') ? addressOf(target) : undefined;
  if (address === undefined && options.directory === undefined && registry === undefined) {
    throw new TypeError(
      `client ${JSON.stringify(target)}: a service's name needs a registry or a directory to be found in. Give one, or an address such as 'http://127.0.0.1:8080'.`,
    );
  }
  const service = address?.service ?? target;
  const common = { ...(clock !== undefined && { clock }), ...(random !== undefined && { random }), ...(logger !== undefined && { logger }) };

  const score = scoreOf(which, service, options, address !== undefined);

  const owned: AsyncDisposable[] = [];
  const directory: SnapshotSource =
    address !== undefined ? fixed(address) : (options.directory ?? own(owned, createDirectory({ discovery: registry!, ...common })));
  const transport = pool === undefined && options.transport !== undefined ? options.transport : own(owned, ownTransport(which, options));
  const { ejector = attemptTimeout === undefined || attemptTimeout === false ? undefined : makeEjector({ probeTimeout: attemptTimeout }) } = options;
  const hold = (origin: string, serverName?: string): void => holdOrigin(transport, origin, serverName);
  const release = (origin: string, serverName?: string): void => releaseOrigin(transport, origin, serverName);
  const selector = createSelector({
    service,
    directory,
    ...common,
    ...(balancer !== undefined && { balancer }),
    ...(fallbackBalancer !== undefined && { fallback: fallbackBalancer }),
    ...(ejector !== undefined && { ejector }),
    ...(filters !== undefined && { filters }),
    ...(routing !== undefined && { routing }),
    ...(zone !== undefined && { zone }),
    ...(options.subset !== undefined && { subset: options.subset }),
    health: [...listOf(health), ...listOf(score)],
    ...(onPriority !== undefined && { onPriority }),
    // An endpoint that has left, or moved, takes its connections with it, and so does a client that is disposed of.
    onArrival: hold,
    onDeparture: release,
  });
  const addressed = new AddressSelector({ selector, clock: clock ?? systemClock, onArrival: hold, onDeparture: release });
  const selecting: Selector = { select: (call) => addressed.select(call), elsewhere: (call) => addressed.elsewhere(call) };
  // Baggage is for our own services: an address that was given may be anybody's.
  const telemetry = address === undefined || options.telemetry === false ? options.telemetry : { trusted: false, ...options.telemetry };
  const { handler, names, inForce } = outboundStack({
    ...options,
    ...(telemetry !== undefined && { telemetry }),
    ...(score !== undefined && { score }),
    selector: selecting,
    transport,
  });
  const metrics = telemetry === false ? undefined : observedPolicies(inForce, { service, meterProvider: telemetry?.meterProvider });
  // An address alone has one endpoint, and nobody who would look for it or choose.
  const read = telemetry === false || address !== undefined ? [] : [pickState(selector)];
  if (read.length > 0 && isReadableDirectory(directory)) read.push(directoryState(directory));
  const states = observedStates(read, telemetry === false ? undefined : telemetry?.meterProvider);

  const begin = (): boolean => metrics === undefined || (metrics.begin() && states.begin());

  return {
    service,
    // An SDK may be registered after the client was made; until then each call looks whether there is one.
    handler: begin() ? handler : (call) => (begin(), handler(call)),
    names,
    inForce,
    score,
    endpoints: () => [...selector.endpoints(), ...addressed.endpoints()],
    async [Symbol.asyncDispose]() {
      metrics?.end();
      states.end();
      selector.close();
      addressed.close();
      for (const part of owned.splice(0)) await part[Symbol.asyncDispose]();
    },
  };
}

/** @throws TypeError for one that was made for another service: its health source would know nothing of these instances. */
function scoreOf(which: string, service: string, { adaptiveScore: given, clock }: ChannelOptions, isAddress: boolean): AdaptiveScore | undefined {
  if (given === undefined || given === false) return undefined;
  if (given === true || typeof given === 'object')
    return adaptiveScore({ ...(clock !== undefined && { clock }), ...(given === true ? {} : given), service });
  checkMethods(
    given,
    ['healthOf', 'onChange', 'stats'],
    `${which} adaptiveScore`,
    'Give true, its options, such as { sampleSize: 20 }, or what adaptiveScore() made',
  );
  if (!isAddress && given.service !== service)
    throw new TypeError(`${which} adaptiveScore: it was made for ${shown(given.service)}. Give one with service: ${shown(service)}, or its options.`);
  return given;
}

/** One of the channel's own: new, or of the kind of the one that was given. @throws TypeError when that has one kind of connections for all */
function ownTransport(which: string, { transport, pool = {}, clock }: ChannelOptions): Transport {
  if (transport === undefined) return httpTransport({ ...(clock !== undefined && { clock }), ...pool });
  if (transport.withPool === undefined)
    throw new TypeError(
      `${which} pool: the transport ${shown(transport.name)} has no withPool(), so its connections are the same for all. Leave out pool, or give what httpTransport() made.`,
    );
  return transport.withPool(pool);
}

function own<P extends AsyncDisposable>(owned: AsyncDisposable[], part: P): P {
  owned.push(part);
  return part;
}

/** @throws TypeError when it is more than scheme, host and port. */
function addressOf(target: string): Instance {
  const url = URL.canParse(target) ? new URL(target) : undefined;
  if (
    url === undefined ||
    (url.protocol !== 'http:' && url.protocol !== 'https:') ||
    url.username !== '' ||
    url.password !== '' ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new TypeError(
      `client ${JSON.stringify(url === undefined ? target : `${url.protocol}//${url.host}…`)}: give scheme, host and port alone, such as 'http://127.0.0.1:8080'. Paths belong into the requests, credentials into headers.`,
    );
  }
  const secure = url.protocol === 'https:';
  return {
    id: url.host,
    service: url.host,
    scheme: secure ? 'https' : 'http',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
  };
}

/** A directory of one address that never changes. */
function fixed(instance: Instance): SnapshotSource {
  const snapshot: Snapshot = { service: instance.service, state: 'bound', instances: [instance], revision: 1, stale: false };
  return {
    lookup: () => snapshot,
    subscribe: () => () => {},
  };
}
