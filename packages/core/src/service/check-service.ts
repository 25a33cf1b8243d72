import { checkMappers } from '../errors/error-mapper.js';
import { checkErrorReplies } from '../errors/error-replies.js';
import { checkFlag, checkFunction, checkList, checkMethods, checkOptions, checkRecord, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { checkHealthServer } from '../server/health-server.js';
import type { HealthServerOptions } from '../server/health-server.js';
import { checkPort } from '../server/listen-options.js';
import type { ListenOptions, ServerLimits } from '../server/http-adapter.js';
import type { Route } from '../server/route.js';
import type { AdvertiseOptions } from './advertise.js';
import { checkFlushables } from './flush-telemetry.js';
import { checkCatalogues, checkErrorWatches } from './error-watches.js';
import type { ServiceOptions } from './service.js';

const ADVERTISE = namesOf<AdvertiseOptions>({ host: true, port: true });
const LISTEN = namesOf<ListenOptions>({ host: true, port: true, server: true });
const HEALTH_SERVER = namesOf<HealthServerOptions>({ port: true, host: true });
const LIMITS = namesOf<ServerLimits>({
  keepAliveTimeout: true,
  headersTimeout: true,
  requestTimeout: true,
  stallTimeout: true,
  maxConnections: true,
});

/** What can be known to be wrong before anything is made of it. @throws TypeError naming the option. */
export function checkServiceOptions(options: ServiceOptions): void {
  const { name, adapter, registry, routes, wrappers, limits, errors, advertise, listen, clients, health, healthServer } = options;
  if (typeof name !== 'string' || name === '')
    throw new TypeError(`createService name: ${shown(name)} is no name. Give what other services call it, such as 'orders'.`);
  if (typeof adapter === 'function')
    throw new TypeError(
      `createService adapter: ${shown(adapter)} has to be called. Write expressAdapter() or koaAdapter(), with { app } for an app of yours.`,
    );
  if (adapter === undefined)
    throw new TypeError('createService adapter: there is none. Give an HttpAdapter, such as expressAdapter() or koaAdapter().');
  checkMethods(
    adapter,
    ['mount', 'listen', 'attach', 'startDraining', 'close'],
    'createService adapter',
    'Give an HttpAdapter, such as expressAdapter()',
  );
  checkMethods(registry, ['register'], 'createService registry', 'Give a registry, such as fileRegistry()');
  checkSurroundings('createService', options);
  checkList(routes, 'createService routes', 'routes, such as get(path, handler)');
  for (const [index, one] of (routes ?? []).entries()) checkRoute(one, index);
  checkRecord(options.routePolicies, 'createService routePolicies');
  checkList(wrappers, 'createService wrappers', 'wrappers, the outermost first');
  checkList(limits, 'createService limits', 'wrappers, the outermost first');
  checkMappers(errors, 'createService errors');
  if (options.errorReplies !== undefined) checkErrorReplies(options.errorReplies, 'createService errorReplies');
  checkErrorWatches(options.errorMonitor, 'createService errorMonitor');
  checkCatalogues(options.catalogues, 'createService catalogues');
  if (options.rateLimit !== undefined && (typeof options.rateLimit !== 'object' || options.rateLimit === null))
    throw new TypeError(`createService rateLimit: ${shown(options.rateLimit)} does not fit. Give its options, such as { limit: 100, per: '1s' }.`);
  const found: unknown = options.concurrencyLimit;
  if (found !== undefined && typeof found !== 'boolean' && (typeof found !== 'object' || found === null))
    throw new TypeError(`createService concurrencyLimit: ${shown(found)} does not fit. Give its options, such as { max: 100 }, or true or false.`);
  if (advertise !== undefined) checkOptions('createService advertise', advertise, ADVERTISE);
  if (listen !== undefined) checkOptions('createService listen', listen, LISTEN);
  if (listen?.port !== undefined) checkPort(listen.port);
  if (listen?.host !== undefined && (typeof listen.host !== 'string' || listen.host === ''))
    throw new TypeError(
      `createService listen.host: ${shown(listen.host)} is no address. Give one of this machine, such as '127.0.0.1', or leave it out for all.`,
    );
  if (healthServer !== undefined) {
    checkOptions('createService healthServer', healthServer, HEALTH_SERVER);
    checkHealthServer(healthServer, 'createService healthServer');
    if (healthServer.port !== 0 && healthServer.port === listen?.port && healthServer.host === listen.host)
      throw new TypeError(`createService healthServer port: ${healthServer.port} is that of listen, which answers health already. Give another one.`);
  }
  if (listen?.server !== undefined) checkOptions('createService listen.server', listen.server, LIMITS);
  if (clients !== undefined && (typeof clients !== 'object' || clients === null))
    throw new TypeError(`createService clients: ${shown(clients)} is no options object. Give what clients start from, such as { timeout: '2s' }.`);
  if (health !== undefined && (typeof health !== 'object' || health === null))
    throw new TypeError(`createService health: ${shown(health)} is neither a monitor nor its options. Give monitor(…), or { checks: […] }.`);
  checkMethods(options.degradation, ['start', 'stop', 'evaluate'], 'createService degradation', 'Give what degradation({ sources, rules }) made');
  checkFunction(options.resolve, 'createService resolve');
  checkFlag(options.signals, 'createService signals');
  checkFlag(options.failFast, 'createService failFast');
  checkFlushables(options.telemetry, 'createService telemetry');
}

/** @throws TypeError for a route that health requests would never let through to its handler. */
export function checkHealthPaths(routes: readonly Route[], { path: base, aliases }: { readonly path: string; readonly aliases: boolean }): void {
  const taken = ['', '/live', '/ready', '/startup'].map((end) => `${base}${end}`.toLowerCase());
  if (aliases) taken.push('/livez', '/readyz');
  const groups = `${base}/groups/`.toLowerCase();
  for (const { method, path } of routes) {
    const plain = path.replace(/\/$/, '').toLowerCase();
    // A group may be added when the service runs, so all of their paths are taken.
    const isGroup = plain.startsWith(groups) && !plain.slice(groups.length).includes('/');
    if (!isGroup && !taken.includes(plain)) continue;
    throw new TypeError(
      `createService routes: ${method} ${path} would never be reached, health requests are answered before. Give the route another path, or health one of its own, such as health: { path: '/-/health' }.`,
    );
  }
}

function checkRoute(route: unknown, index: number): void {
  const { method, path, handler, options, wrappers } = (typeof route === 'object' && route !== null ? route : {}) as Partial<Route>;
  const isRoute = typeof method === 'string' && typeof path === 'string' && typeof handler === 'function';
  if (isRoute && typeof options === 'object' && Array.isArray(wrappers)) return;
  throw new TypeError(
    `createService routes[${index}]: ${shown(route)} is no route. Make it with get(path, handler), post(), route(method, …) and so on.`,
  );
}
