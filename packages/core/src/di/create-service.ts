import type { Container, Newable, ServiceIdentifier } from 'inversify';
import { isClientClass } from '../client/client-decorators.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import type { Constructor } from '../decorators/notes.js';
import type { Check } from '../health/check.js';
import { monitor } from '../health/monitor.js';
import type { Monitor, MonitorOptions } from '../health/monitor.js';
import type { Resolve } from '../server/resolve.js';
import { createService as assemble } from '../service/create-service.js';
import type { Service, ServiceOptions } from '../service/create-service.js';
import type { ClientDefaults } from '../service/service-clients.js';
import type { WrapperOption } from '../wrappers/stack.js';
import { bindClass, troubleWith, wantedBy } from './bind-class.js';
import { bindRemote } from './core-module.js';
import type { ScopedController } from './core-module.js';
import { Tokens } from './tokens.js';
import type { TokenName } from './tokens.js';

/**
 * The service of a container's parts: see `Tokens` for what is looked up; `options` come before what is bound. Controllers are made at once, so
 * that what cannot be made is known now; classes that nobody bound are bound here, as one instance each. The service is bound to
 * `Tokens.Service`.
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
  const pieces = Object.assign({}, ...all<Partial<ServiceOptions>>(container, Tokens.Options)) as Partial<ServiceOptions>;
  const clock = one<NonNullable<ServiceOptions['clock']>>('Clock');
  const health = monitorOf(one<Monitor | MonitorOptions>('Monitor') ?? options.health, each<Check>('Check'), clock);
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
  const merged = { ...pieces, ...present(parts), ...options, health } as ServiceOptions;
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
    if (scope !== 'singleton') perCall.add(controller);
    return controller;
  });
  return { controllers, perCall };
}

function isScoped(given: object): given is ScopedController {
  return Object.hasOwn(given, 'controller') && Object.hasOwn(given, 'scope');
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
  try {
    return container.get<T>(token as ServiceIdentifier<T>);
  } catch (error) {
    const trouble = typeof token === 'function' ? troubleWith(token as Newable<object>, (one) => container.isBound(one)) : undefined;
    if (trouble !== undefined) throw new TypeError(trouble, { cause: error });
    throw error;
  }
}

/** Client classes among the constructor's parameters need no binding of the application's. In this container: its service has the clients. */
function bindRemotesOf(container: Container, token: ServiceIdentifier): void {
  if (typeof token !== 'function') return;
  for (const type of wantedBy(token as Constructor)) {
    if (isClientClass(type) && !container.isCurrentBound(type)) bindRemote({ bind: (id) => container.bind(id) }, type);
  }
}

/** Parents first: what they bind stands around. */
function all<T>(container: Container, token: symbol): readonly T[] {
  if (!container.isBound(token)) return [];
  const own = container.isCurrentBound(token) ? container.getAll<T>(token) : [];
  const chained = container.getAll<T>(token, { chained: true });
  return [...chained.slice(own.length), ...own];
}

function monitorOf(given: Monitor | MonitorOptions | undefined, checks: readonly Check[], clock: ServiceOptions['clock']): Monitor {
  const made = given !== undefined && 'moveTo' in given ? given : monitor({ ...(clock !== undefined && { clock }), ...given });
  for (const check of checks) made.add(check);
  return made;
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
