import { createDirectory } from '../discovery/create-directory.js';
import type { Directory, Snapshot } from '../discovery/directory.js';
import type { Balancer } from '../balancing/balancer.js';
import { ejector as makeEjector } from '../balancing/ejector.js';
import type { Ejector } from '../balancing/ejector.js';
import type { Logger } from '../logging/logger.js';
import type { Discovery, Instance } from '../registry/registry.js';
import { createSelector } from '../selection/create-selector.js';
import type { EndpointReport } from '../selection/create-selector.js';
import type { Filter } from '../selection/filter.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Handler } from '../wrappers/wrapper.js';
import { checkMethods, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { holdOrigin, releaseOrigin } from './held-origins.js';
import { httpTransport } from './http-transport.js';
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
  /** Default `p2c()`. */
  readonly balancer?: Balancer;
  /** Default `ejector()` with the attempt's timeout; false takes nobody out of service. */
  readonly ejector?: Ejector | false;
  readonly filters?: readonly Filter[];
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
  balancer: true,
  ejector: true,
  filters: true,
  logger: true,
  clock: true,
  random: true,
  timeout: true,
  attemptTimeout: true,
  retry: true,
  circuitBreaker: true,
  bulkhead: true,
  rateLimit: true,
  fallback: true,
  errors: true,
  wrappers: true,
  attemptWrappers: true,
  telemetry: true,
});

/** The way to one service: its endpoints, its stack and the connections. */
export interface Channel extends AsyncDisposable {
  readonly service: string;
  readonly handler: Handler;
  readonly names: readonly string[];
  endpoints(): readonly EndpointReport[];
}

/**
 * Opens the way to a service or to an address.
 * @throws TypeError when the target is neither, or a name without a registry to look it up in, and for an option that does not fit.
 */
export function openChannel(target: string, options: ChannelOptions): Channel {
  const { registry, clock, random, logger, balancer, filters, attemptTimeout } = options;
  if (typeof target !== 'string' || target === '')
    throw new TypeError(
      `client: ${shown(target)} is no target. Give a service's name, such as 'orders', or an address such as 'http://127.0.0.1:8080'.`,
    );
  const which = target.includes('://') ? 'client' : `client ${shown(target)}`; // an address may hold credentials
  checkSurroundings(which, options);
  checkMethods(registry, ['watch'], `${which} registry`, 'Give a registry, for example fileRegistry()');
  checkMethods(options.directory, ['lookup', 'subscribe'], `${which} directory`, 'Give what createDirectory() made');
  checkMethods(options.transport, ['handle', 'forget', Symbol.asyncDispose], `${which} transport`, 'Give what httpTransport() made');
  if (attemptTimeout !== undefined && attemptTimeout !== false) toMs(attemptTimeout, `${which} attemptTimeout`);
  if (options.timeout !== undefined && options.timeout !== false) toMs(options.timeout, `${which} timeout`);
  const address = target.includes('://') ? addressOf(target) : undefined;
  if (address === undefined && options.directory === undefined && registry === undefined) {
    throw new TypeError(
      `client ${JSON.stringify(target)}: a service's name needs a registry or a directory to be found in. Give one, or an address such as 'http://127.0.0.1:8080'.`,
    );
  }
  const service = address?.service ?? target;
  const common = { ...(clock !== undefined && { clock }), ...(random !== undefined && { random }), ...(logger !== undefined && { logger }) };

  const owned: AsyncDisposable[] = [];
  const directory = address !== undefined ? fixed(address) : (options.directory ?? own(owned, createDirectory({ discovery: registry!, ...common })));
  const transport = options.transport ?? own(owned, httpTransport({ ...(clock !== undefined && { clock }) }));
  const ejector =
    options.ejector ?? (attemptTimeout === undefined || attemptTimeout === false ? undefined : makeEjector({ probeTimeout: attemptTimeout }));
  const selector = createSelector({
    service,
    directory,
    ...common,
    ...(balancer !== undefined && { balancer }),
    ...(ejector !== undefined && { ejector }),
    ...(filters !== undefined && { filters }),
    // An endpoint that has left, or moved, takes its connections with it, and so does a client that is disposed of.
    onArrival: (origin) => holdOrigin(transport, origin),
    onDeparture: (origin) => releaseOrigin(transport, origin),
  });
  // Baggage is for our own services: an address that was given may be anybody's.
  const telemetry = address === undefined || options.telemetry === false ? options.telemetry : { trusted: false, ...options.telemetry };
  const { handler, names } = outboundStack({ ...options, ...(telemetry !== undefined && { telemetry }), selector, transport });

  return {
    service,
    handler,
    names,
    endpoints: () => selector.endpoints(),
    async [Symbol.asyncDispose]() {
      selector.close();
      for (const part of owned.splice(0)) await part[Symbol.asyncDispose]();
    },
  };
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
function fixed(instance: Instance): Directory {
  const snapshot: Snapshot = { service: instance.service, state: 'bound', instances: [instance], revision: 1, stale: false };
  const nothing = (): void => {};
  return {
    lookup: () => snapshot,
    ready: () => Promise.resolve(snapshot),
    subscribe: () => nothing,
    onChange: () => nothing,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
