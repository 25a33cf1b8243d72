import { checkOptions, namesOf } from '../options/check.js';
import { nearest } from '../options/nearest.js';
import { shown } from '../options/shown.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { bulkhead } from '../wrappers/bulkhead.js';
import type { BulkheadOptions } from '../wrappers/bulkhead.js';
import { concurrencyLimit } from '../wrappers/concurrency-limit.js';
import type { ConcurrencyLimitOptions } from '../wrappers/concurrency-limit.js';
import { rateLimit } from '../wrappers/rate-limit.js';
import type { KeyedRateLimitOptions, RateLimitOptions } from '../wrappers/rate-limit.js';
import { replyCache } from '../wrappers/reply-cache/reply-cache.js';
import type { ReplyCacheOptions } from '../wrappers/reply-cache/options.js';
import { timeout } from '../wrappers/timeout.js';
import { traitsOf } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { refuseReplays } from './native.js';
import type { Route } from './route.js';

/** Policies around one route. Each takes the place of the one of its kind that the route has of its own; false: none of that kind. */
export interface RoutePolicies {
  /** Bound of the work for a request to it; below that of the service, which stands outside of it. */
  readonly timeout?: Duration | false;
  /** How many requests to it may be open at once, by `bulkhead()`. */
  readonly bulkhead?: number | BulkheadOptions | false;
  /** By `rateLimit()`, beside that of the service. */
  readonly rateLimit?: RateLimitOptions | KeyedRateLimitOptions | false;
  /** By `concurrencyLimit()`; true: with its defaults. */
  readonly concurrencyLimit?: ConcurrencyLimitOptions | boolean;
  /** By `replyCache()`; true: as the replies themselves allow. */
  readonly replyCache?: ReplyCacheOptions | boolean;
}

interface Surroundings {
  readonly clock: Clock;
  readonly random: () => number;
}

type Maker<O> = (options: O, surroundings: Surroundings) => Wrapper;

/** The outermost first: the order that policies of decorators have too. */
const MAKERS: { readonly [K in keyof RoutePolicies]-?: Maker<Exclude<RoutePolicies[K], false | undefined>> } = {
  replyCache: (options, { clock }) => replyCache({ clock, ...(options === true ? {} : options) }),
  timeout: (limit, { clock }) => timeout({ limit, clock }),
  rateLimit: (options, { clock }) => rateLimit({ clock, ...options } as KeyedRateLimitOptions),
  bulkhead: (options, { clock }) => bulkhead(typeof options === 'number' ? { limit: options, clock } : { clock, ...options }),
  concurrencyLimit: (options, { clock, random }) => concurrencyLimit({ clock, random, ...(options === true ? {} : options) }),
};
const KINDS = Object.keys(MAKERS) as readonly (keyof RoutePolicies)[];
/** Policies that stand inside of these, by that same order. */
const INNER: ReadonlySet<string> = new Set(['circuitBreaker', 'retry', 'hedge', 'throttle', 'chaos']);
const OPTIONS = namesOf<RoutePolicies>({ timeout: true, bulkhead: true, rateLimit: true, concurrencyLimit: true, replyCache: true });

/** The policy, undefined for false. @throws TypeError when its options do not fit. */
export function routePolicy<K extends keyof RoutePolicies>(
  kind: K,
  options: Exclude<RoutePolicies[K], undefined>,
  surroundings: Surroundings,
): Wrapper | undefined {
  return options === false ? undefined : (MAKERS[kind] as Maker<unknown>)(options, surroundings);
}

/** What the service that the routes are of says. */
interface RoutePoliciesContext extends Surroundings {
  /** Of the service; false for none. */
  readonly timeout: Duration | false;
}

/**
 * The routes with these policies around those that they name: by `GET /orders/:id`, as it was declared, or by the name of the operation.
 * They stand next to the handler, inside of the service's stack and of the route's other wrappers (who may read is asked before a kept reply is
 * given), but for a breaker, a retry and the like that stand next to it in code, by the one order of policies.
 * @throws TypeError for a name that no route has, a policy that does not fit, and a timeout that the service's would always forestall.
 */
export function withRoutePolicies(
  routes: readonly Route[],
  policies: Readonly<Record<string, RoutePolicies>>,
  context: RoutePoliciesContext,
): readonly Route[] {
  const result = [...routes];
  for (const [name, given] of Object.entries(policies)) {
    const where = `routePolicies[${JSON.stringify(name)}]`;
    checkOptions(where, given, OPTIONS);
    const at = routes.findIndex((route) => nameOf(route) === name || route.options.name === name);
    if (at < 0) throw unknownRoute(where, name, routes);
    if (result[at] !== routes[at]) throw new TypeError(`${where}: ${nameOf(routes[at]!)} has policies under its other name too. Give them once.`);
    result[at] = around(routes[at]!, given, where, context);
  }
  return result;
}

function around(route: Route, given: RoutePolicies, where: string, context: RoutePoliciesContext): Route {
  const kinds = KINDS.filter((kind) => given[kind] !== undefined);
  checkTimeout(given.timeout, where, context.timeout);
  const made = kinds.flatMap((kind) => {
    try {
      return routePolicy(kind, given[kind]!, context) ?? [];
    } catch (error) {
      throw new TypeError(`${where}.${kind}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  });
  const replaced = (wrapper: Wrapper): boolean => (kinds as readonly string[]).includes(traitsOf(wrapper).name);
  const kept = route.wrappers.filter((wrapper) => !replaced(wrapper));
  let end = kept.length;
  while (end > 0 && INNER.has(traitsOf(kept[end - 1]!).name)) end--;
  const wrappers = [...kept.slice(0, end), ...made, ...kept.slice(end)];
  refuseReplays(route.handler, wrappers, where);
  return Object.freeze({ ...route, wrappers: Object.freeze(wrappers) });
}

function checkTimeout(limit: RoutePolicies['timeout'], where: string, ofService: Duration | false): void {
  if (limit === undefined || limit === false || ofService === false) return;
  const serviceMs = toMs(ofService, 'timeout');
  if (toMs(limit, `${where}.timeout`) <= serviceMs) return;
  throw new TypeError(
    `${where}.timeout: ${shown(limit)} is longer than the timeout of the service, ${serviceMs} ms, which would end the work before. Give a shorter one, or raise timeout of the service.`,
  );
}

function unknownRoute(where: string, name: string, routes: readonly Route[]): TypeError {
  const known = routes.flatMap((route) => [nameOf(route), ...(route.options.name === undefined ? [] : [route.options.name])]);
  const meant = nearest(name, known);
  return new TypeError(
    `${where}: there is no such route.${meant.length === 0 ? '' : ` Did you mean ${meant.join(' or ')}?`} There are ${known.length === 0 ? 'none' : known.join(', ')}.`,
  );
}

function nameOf({ method, path }: Route): string {
  return `${method} ${path}`;
}
