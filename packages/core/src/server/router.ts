import createRouter from 'find-my-way';
import type { HTTPMethod, HTTPVersion, Instance } from 'find-my-way';
import { begins } from '../call/begun.js';
import type { Call, Params } from '../call/call.js';
import { fails, handlerOf, settling } from '../call/flow.js';
import { operation } from '../call/operation.js';
import type { Operation } from '../call/operation.js';
import type { Reply } from '../call/reply.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { InForce } from '../wrappers/in-force.js';
import { Stack } from '../wrappers/stack.js';
import { compose, traitsOf } from '../wrappers/wrapper.js';
import type { Handler, Wrapper } from '../wrappers/wrapper.js';
import { DEFAULT_BODY_LIMIT, hasBody, readBody } from './body.js';
import { EXCHANGE } from './exchange.js';
import type { Exchange } from './exchange.js';
import { inboundCall } from './inbound-call.js';
import type { CallSource } from './inbound-call.js';
import { isNative, refuseReplays } from './native.js';
import { replyOf } from './render.js';
import { requestIds } from './request-id.js';
import type { Route } from './route.js';

/** Longer than any path that Node accepts by default: a parameter is limited by the request's head alone. */
const LONGEST_PARAM = 65_536;

const SLASH = 0x2f;
const ABSOLUTE = /^https?:\/\//i;

/** A route with everything that was composed for it at start-up. */
interface Entry {
  readonly operation: Operation;
  readonly handle: Handler;
  readonly chain: readonly InForce[];
}

/**
 * The routes of a service on one radix tree: the same path syntax, precedence and parameters on every framework, and matching
 * that does not slow down as routes are added. Paths match in any case and with or without a slash at the end; parameters keep
 * their case and arrive decoded; GET answers HEAD unless HEAD has a route of its own.
 */
export class RouteTable {
  readonly service: string;
  readonly routes: readonly Route[];
  readonly #tree: Instance<HTTPVersion.V1>;
  readonly #methods: readonly string[];
  readonly #source: CallSource;
  readonly #entries: ReadonlyMap<Route, Entry>;

  /**
   * `wrap` stands around every route's own wrappers. In a stack they go to its step `route`, those that say where they stand to that place.
   * @throws TypeError when a path is malformed or declared twice for one method, a position names no step, or a wrapper that runs its
   * handler again stands around a native one.
   */
  constructor(service: string, routes: readonly Route[], wrap: Wrapper | Stack, clock: Clock = systemClock) {
    this.service = service;
    this.routes = Object.freeze([...routes]);
    this.#source = { clock, newId: requestIds() };
    // The query stays text here: the call parses it when it is first read. A bad path is found by `store` being null.
    const tree = createRouter({
      caseSensitive: false,
      ignoreTrailingSlash: true,
      maxParamLength: LONGEST_PARAM,
      querystringParser: (text) => text,
      onBadUrl: nothing,
    });
    this.#tree = tree;
    const entries = new Map<Route, Entry>();
    this.#entries = entries;
    for (const route of routes) {
      const entry = entryOf(service, route, wrap);
      entries.set(route, entry);
      add(tree, route.method, route, entry);
    }
    for (const route of routes) {
      if (route.method === 'GET' && !tree.hasRoute('HEAD', route.path)) add(tree, 'HEAD', route, entries.get(route)!);
    }
    this.#methods = [...new Set(routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].toSorted();
  }

  /** The route for a request, ready to run; undefined when there is none or the path is malformed. `url` may carry a query. */
  match(method: string, url: string): Match | undefined {
    // `*` and `host:port` are no paths (RFC 9112, 3.2); the tree would take them for one.
    if (url.charCodeAt(0) !== SLASH && !ABSOLUTE.test(url)) return undefined;
    const found = this.#tree.find(method as HTTPMethod, url);
    if (found === null || found.store === null || hasEmpty(found.params)) return undefined;
    return new Match(found.store as Entry, found.params as Params, found.searchParams as unknown as string, this.#source);
  }

  /** The names of the wrappers around a route of this table, its own among them, the outermost first. */
  chainOf(route: Route): readonly string[] {
    return this.inForceAt(route).map(({ name }) => name);
  }

  /** The same, with the wrappers themselves. */
  inForceAt(route: Route): readonly InForce[] {
    return this.#entries.get(route)?.chain ?? [];
  }

  /** The methods that have a route for this path, sorted; none for a malformed one. */
  allowed(url: string): readonly string[] {
    return this.#methods.filter((method) => this.match(method, url) !== undefined);
  }
}

/** A request's route with what the path and query hold. */
export class Match {
  readonly params: Params;
  /** The text behind the question mark. */
  readonly query: string;
  readonly #entry: Entry;
  readonly #source: CallSource;

  constructor(entry: Entry, params: Params, query: string, source: CallSource) {
    this.#entry = entry;
    this.params = params;
    this.query = query;
    this.#source = source;
  }

  /** Runs the whole stack once for this request. It rejects only when errors are left to the framework. */
  run(exchange: Exchange): Promise<Reply> {
    const { operation: what, handle } = this.#entry;
    const call = inboundCall(exchange, what, this.params, this.query, this.#source);
    try {
      return handle(call);
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

/** The tree finds `/users/:id` for `/users//` too; a parameter is never empty, only what `*` stands for may be. */
function hasEmpty(params: Readonly<Record<string, string | undefined>>): boolean {
  for (const name in params) if (params[name] === '' && name !== '*') return true;
  return false;
}

/** Whether the path of a request target cannot be decoded. */
export function isMalformedPath(url: string): boolean {
  const end = url.search(/[?#]/);
  try {
    decodeURI(end === -1 ? url : url.slice(0, end));
    return false;
  } catch {
    return true;
  }
}

function add(tree: Instance<HTTPVersion.V1>, method: string, route: Route, entry: Entry): void {
  try {
    tree.on(method as HTTPMethod, route.path, nothing, entry);
  } catch (error) {
    throw new TypeError(
      `route ${route.method} ${route.path}: ${(error as Error).message.replace(/ with constraints '\{\}'$/, '')}. Give each method and path once; see the path syntax in the docs of route().`,
    );
  }
}

function entryOf(service: string, route: Route, wrap: Wrapper | Stack): Entry {
  const { method, path, options, wrappers, placed = [] } = route;
  const where = `route ${method} ${path}`;
  const what = operation(service, method, path, {
    ...(options.name !== undefined && { name: options.name }),
    ...(options.idempotent !== undefined && { idempotent: options.idempotent }),
  });
  Object.freeze(what);
  if (wrap instanceof Stack) {
    const stack = wrap.copy().addAll(wrappers, where, 'route').addAll(placed, where);
    refuseReplays(route.handler, stack.wrappers, where);
    return { operation: what, handle: stack.around(endOf(route)), chain: stack.inForce };
  }
  if (placed.length > 0) throw new TypeError(`${where}: a wrapper has a position, which needs the named steps of a stack. Leave it out.`);
  const chain = [wrap, ...wrappers].map((wrapper) => ({ name: traitsOf(wrapper).name, wrapper }));
  return { operation: what, handle: compose(wrap, ...wrappers)(endOf(route)), chain };
}

/** The innermost handler: reads the body, where there is one and it is wanted, calls the route's handler and makes a Reply of its result. Not for a call that was aborted before. */
export function endOf({ handler, options }: Pick<Route, 'handler' | 'options'>): Handler {
  if (isNative(handler)) return handler as Handler;
  const { status, body: kind = 'parse', bodyLimit = DEFAULT_BODY_LIMIT } = options;
  const finish = (result: unknown): Reply => replyOf(result, status);
  const run = (call: Call): Promise<Reply> => {
    // The client left while the app's middleware, a queue or the body was waited for: there is nobody to do it for.
    if (call.aborted) throw call.reason;
    begins(call);
    const result = handler(call);
    return isThenable(result) ? Promise.resolve(result).then(finish) : Promise.resolve(finish(result));
  };
  const start = (call: Call): Promise<Reply> => {
    if (kind === 'none' || !hasBody(call.headers)) return run(call);
    const exchange = call.values.get(EXCHANGE);
    if (exchange === undefined) return run(call);
    if (kind === 'stream') return run(call.derive({ body: exchange.req }));
    return readBody(exchange, call, kind, bodyLimit).then((body) => run(call.derive({ body })));
  };
  return handlerOf<Call, Reply>((call, to) => {
    let result: Promise<Reply>;
    try {
      result = start(call);
    } catch (error) {
      return fails(error, to);
    }
    return settling(result, to);
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function nothing(): void {}
