import type { Container, Newable, ServiceIdentifier } from 'inversify';
import { isClientClass } from '../client/client-decorators.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import type { Constructor } from '../decorators/notes.js';
import type { SnapshotStore } from '../discovery/snapshot-store.js';
import type { Check } from '../health/check.js';
import type { Monitor } from '../health/monitor.js';
import type { MonitorOptions } from '../health/monitor-options.js';
import type { Resolve } from '../server/resolve.js';
import { createService as assemble } from '../service/create-service.js';
import type { Service, ServiceOptions } from '../service/service.js';
import type { ClientDefaults } from '../service/service-clients.js';
import type { WrapperOption } from '../wrappers/stack.js';
import { bindClass, troubleWith, wantedBy } from './bind-class.js';
import { PARTS, bindRemote } from './core-module.js';
import type { Part, ScopedController } from './core-module.js';
import { Tokens } from './tokens.js';
import type { TokenName } from './tokens.js';

/**
 * The service of a container's parts: see `Tokens` for what is looked up; `options` come before what is bound. Controllers are made at once, so
 * that what cannot be made is known now; classes that nobody bound are bound here, as one instance each. The service is bound to
 * `Tokens.Service`. A controller lives as long as its service whatever scope its binding has, which inversify tells nobody: only
 * `{ controller, scope }` among the controllers has instances made for each request. That those can be made is looked at here, without making one.
 *
 * Several services of one process have a container each, below a common one for what they share (`new Container({ parent })`): wrappers,
 * limits, mappers, checks and filters of the parent come first, for every other part the nearer binding counts.
 * @throws TypeError naming the class and the parameter that the container cannot give, and why; what `createService` of `@ferrule/core` throws
 */
export function createService(container: Container, options: Partial<ServiceOptions> = {}): Service {
  if (typeof (container as { isBound?: unknown } | undefined)?.isBound !== 'function')
    throw new TypeError(
      'createService of @ferrule/core/di takes a container first: createService(container, options). That of @ferrule/core takes options alone.',
    );
  const one = <T>(name: TokenName): T | undefined => (container.isBound(Tokens[name]) ? resolved<T>(container, Tokens[name]) : undefined);
  const each = <T>(name: TokenName): readonly T[] => all<T>(container, Tokens[name]);

  const clients = lateClients();
  if (!container.isCurrentBound(Tokens.Clients)) container.bind(Tokens.Clients).toConstantValue(clients.open);
  lookAfterParts(container);
  const pieces = Object.assign({}, ...all<Partial<ServiceOptions>>(container, Tokens.Options)) as Partial<ServiceOptions>;
  const clock = one<NonNullable<ServiceOptions['clock']>>('Clock');
  const health = withChecks(one<Monitor | MonitorOptions>('Monitor') ?? options.health, each<Check>('Check'));
  const { controllers, perCall } = controllersOf(container);

  const parts: { [K in keyof ServiceOptions]?: ServiceOptions[K] | undefined } = {
    adapter: one('Adapter'),
    registry: one('Registry'),
    logger: one('Logger'),
    observe: one('Observe'),
    random: one('Random'),
    clock,
    health,
    routes: each('Route'),
    controllers,
    wrappers: each<WrapperOption>('Wrapper'),
    limits: each('Limit'),
    errors: each('ErrorMapper'),
    clients: clientDefaults(one, each),
    resolve: resolveOf(container, perCall),
  };
  const merged = { ...pieces, ...present(parts), ...options, health } as { -readonly [K in keyof ServiceOptions]: ServiceOptions[K] };
  const store = one<SnapshotStore>('SnapshotStore');
  if (store !== undefined) merged.discovery = { store, ...merged.discovery };
  if (merged.name === undefined)
    throw new TypeError("createService: name is missing. Load coreModule({ name: 'orders', … }), or give it in the options.");
  if (merged.adapter === undefined)
    throw new TypeError('createService: no adapter is bound. Load expressModule() or koaModule(), or bind Tokens.Adapter to an HttpAdapter.');
  const service = assemble(merged);
  clients.attach(service);
  if (container.isCurrentBound(Tokens.Service)) container.unbind(Tokens.Service);
  container.bind(Tokens.Service).toConstantValue(service);
  return service;
}

function clientDefaults(one: <T>(name: TokenName) => T | undefined, each: <T>(name: TokenName) => readonly T[]): ClientDefaults {
  const parts: { [K in keyof ClientOptions]?: ClientOptions[K] | undefined } = {
    directory: one('Directory'),
    transport: one('Transport'),
    balancer: one('Balancer'),
    ejector: one('Ejector'),
    filters: some(each('Filter')),
    errors: some(each('ErrorMapper')),
    wrappers: some(each<WrapperOption>('ClientWrapper')),
    attemptWrappers: some(each<WrapperOption>('AttemptWrapper')),
  };
  return { ...present(parts), ...one<ClientDefaults>('ClientDefaults') };
}

function controllersOf(container: Container): { controllers: readonly object[]; perCall: ReadonlySet<unknown> } {
  const perCall = new Set<unknown>();
  const bound = container.isBound(Tokens.Controller) ? container.getAll<object>(Tokens.Controller) : [];
  const controllers = bound.map((given) => {
    if (typeof given === 'function' || !isScoped(given)) return given;
    const { controller, scope } = given;
    if (!container.isBound(controller)) bindClass(container.bind(controller as Newable<object>), controller as Newable<object>, scope);
    if (scope !== 'singleton') {
      checkPlan(container, controller as Newable<object>);
      perCall.add(controller);
    }
    return controller;
  });
  return { controllers, perCall };
}

/**
 * Throws when the container cannot give a class what it needs. Makes no instance: inversify plans all before it makes the first, and the first
 * to be made here throws.
 */
function checkPlan(container: Container, type: Newable<object>): void {
  bindRemotesOf(container, type);
  const stop = Symbol('ferrule.stop');
  const probe = Symbol('ferrule.probe');
  let planned = false;
  container.bind(stop).toDynamicValue(() => {
    planned = true;
    throw new Error('planned');
  });
  container.bind(probe).toResolvedValue((..._parts: unknown[]) => undefined, [stop, type]);
  try {
    container.get(probe);
  } catch (error) {
    if (!planned) throw explained(container, type, error);
  } finally {
    container.unbind(probe);
    container.unbind(stop);
  }
}

function isScoped(given: object): given is ScopedController {
  return Object.hasOwn(given, 'controller') && Object.hasOwn(given, 'scope');
}

/** A token that leads nowhere would otherwise be left out of a list without a word. */
function lookAfterParts(container: Container): void {
  for (const { option, value } of all<Part>(container, PARTS)) {
    if (typeof value === 'symbol' && !container.isBound(value))
      throw new TypeError(
        `${option} of coreModule: the container has no binding for ${String(value)}. Add container.bind(token).to…, or give the part itself.`,
      );
  }
  if (container.isCurrentBound(PARTS)) for (const { value } of container.getAll<Part>(PARTS)) bindRemotesOf(container, value);
}

function resolveOf(container: Container, perCall: ReadonlySet<unknown>): Resolve {
  const resolve = (token: Constructor | symbol): unknown => {
    if (typeof token === 'function' && !container.isBound(token)) {
      if (isClientClass(token)) bindRemote({ bind: (id) => container.bind(id) }, token);
      else bindClass(container.bind(token as Newable<object>), token as Newable<object>);
    }
    return resolved(container, token as ServiceIdentifier);
  };
  return Object.assign(resolve, { perCall: (type: Constructor) => perCall.has(type) });
}

/** As the container resolves it; a failure says what is to be done. */
function resolved<T>(container: Container, token: ServiceIdentifier): T {
  bindRemotesOf(container, token);
  return explaining(container, token, () => container.get<T>(token as ServiceIdentifier<T>));
}

function explaining<T>(container: Container, token: ServiceIdentifier, get: () => T): T {
  try {
    return get();
  } catch (error) {
    throw explained(container, token, error);
  }
}

/** The failure in words that help, when there are some: of a class, or of what coreModule bound to the token. */
function explained(container: Container, token: ServiceIdentifier, error: unknown): unknown {
  const isBound = (one: ServiceIdentifier): boolean => container.isBound(one);
  if (typeof token === 'symbol' && !isBound(token)) return new TypeError(`the container has no binding for ${String(token)}.`, { cause: error });
  for (const type of typeof token === 'function' ? [token as Newable<object>] : classesBehind(container, token)) {
    const trouble = troubleWith(type, isBound);
    if (trouble !== undefined) return new TypeError(trouble, { cause: error });
  }
  return error;
}

function classesBehind(container: Container, token: ServiceIdentifier): readonly Newable<object>[] {
  if (token === PARTS) return [];
  return all<Part>(container, PARTS).flatMap((part) => (part.token === token && typeof part.value === 'function' ? [part.value] : []));
}

/**
 * Client classes that a class needs, itself or through others, need no binding of the application's. They are bound in this container, whose
 * service has the clients; for that reason a class that a parent container has bound, and shares, is left as it is.
 */
function bindRemotesOf(container: Container, token: unknown, seen: Set<unknown> = new Set()): void {
  if (typeof token !== 'function' || seen.has(token)) return;
  seen.add(token);
  for (const type of wantedBy(token as Constructor)) {
    if (typeof type !== 'function') continue;
    if (isClientClass(type)) {
      if (!container.isCurrentBound(type)) bindRemote({ bind: (id) => container.bind(id) }, type);
    } else if (container.isCurrentBound(type as Newable) || !container.isBound(type as Newable)) {
      bindRemotesOf(container, type, seen);
    }
  }
}

/** Parents first: what they bind stands around. */
function all<T>(container: Container, token: symbol): readonly T[] {
  if (!container.isBound(token)) return [];
  return explaining(container, token, () => {
    const own = container.isCurrentBound(token) ? container.getAll<T>(token) : [];
    const chained = container.getAll<T>(token, { chained: true });
    return [...chained.slice(own.length), ...own];
  });
}

/** Options stay options: the service makes its monitor of them, with its logger, clock and version. */
function withChecks(given: Monitor | MonitorOptions = {}, checks: readonly Check[]): Monitor | MonitorOptions {
  if (checks.length === 0) return given;
  if (!('moveTo' in given)) return { ...given, checks: [...(given.checks ?? []), ...checks] };
  for (const check of checks) given.add(check);
  return given;
}

/** Controllers are made before their service, which has the clients: they are opened when it is there. */
function lateClients(): { open: (target: string, options?: ClientOptions) => ServiceClient; attach(service: Service): void } {
  let service: Service | undefined;
  const waiting: (() => unknown)[] = [];
  return {
    open(target, options) {
      let opened: ServiceClient | undefined;
      const now = (): ServiceClient => {
        if (service === undefined) throw new TypeError(`client '${target}': its container has no service yet. Call createService(container) first.`);
        return (opened ??= service.client(target, options));
      };
      if (service !== undefined) return now();
      waiting.push(now);
      return new Proxy({} as ServiceClient, { get: (_, key) => Reflect.get(now(), key) as unknown });
    },
    attach(made) {
      service = made;
      for (const now of waiting) now();
    },
  };
}

function present<T extends object>(parts: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}
