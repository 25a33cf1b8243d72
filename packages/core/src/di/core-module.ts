import { ContainerModule } from 'inversify';
import type { Container, ContainerModuleLoadOptions, Newable } from 'inversify';
import { clientOf, isClientClass } from '../client/client-decorators.js';
import type { ClientClass } from '../client/client-decorators.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import { nameOf } from '../decorators/notes.js';
import type { WrapArgument } from '../server/controller-decorators.js';
import type { ErrorMapper } from '../errors/error-mapper.js';
import type { Check } from '../health/check.js';
import { isWrapperClass } from '../server/controller-wrappers.js';
import type { ServiceOptions } from '../service/service.js';
import { bindClass } from './bind-class.js';
import type { Scope } from './bind-class.js';
import type { Module } from './module.js';
import { Tokens } from './tokens.js';
import type { TokenName } from './tokens.js';

/** Each: what coreModule bound as a class or a token, with the option it stood in, so that `createService` can look after it and explain it. */
export const PARTS: unique symbol = Symbol.for('ferrule.Parts');

export interface Part {
  readonly option: string;
  /** What of `Tokens` leads to it; undefined for providers, which nothing but other classes asks for. */
  readonly token: symbol | undefined;
  readonly value: Newable<object> | symbol;
}

type AnyClass<T extends object> = new (...args: never[]) => T;

/** A controller class that lives shorter than its service. */
export interface ScopedController {
  readonly controller: AnyClass<object>;
  /** Default `singleton`. With the others an instance is made for each request. */
  readonly scope: Scope;
}

/** Options of a service, each part as a value or as a class that the container makes. */
export interface CoreOptions extends Omit<Partial<ServiceOptions>, 'adapter' | 'controllers' | 'resolve' | 'wrappers' | 'errors' | 'registry'> {
  readonly adapter?: ServiceOptions['adapter'] | AnyClass<ServiceOptions['adapter']>;
  readonly registry?: NonNullable<ServiceOptions['registry']> | AnyClass<NonNullable<ServiceOptions['registry']>>;
  readonly controllers?: readonly (object | ScopedController)[];
  readonly wrappers?: readonly WrapArgument[];
  readonly errors?: readonly (ErrorMapper | AnyClass<ErrorMapper>)[];
  readonly checks?: readonly (Check | AnyClass<Check>)[];
  /** `@ServiceClient` classes: each becomes a token for a ready client. Into the container of the service that calls, not into a common parent. */
  readonly remotes?: readonly ClientClass[];
  /** Classes that the others need; each is bound to itself, as one instance. */
  readonly providers?: readonly AnyClass<object>[];
}

/** Each of these options is a part with a token of its own; what is left are `Tokens.Options`. */
const SINGLE: Readonly<Partial<Record<keyof CoreOptions, TokenName>>> = {
  adapter: 'Adapter',
  registry: 'Registry',
  health: 'Monitor',
  logger: 'Logger',
  clock: 'Clock',
  random: 'Random',
  observe: 'Observe',
  clients: 'ClientDefaults',
};
const EACH: Readonly<Partial<Record<keyof CoreOptions, TokenName>>> = {
  routes: 'Route',
  controllers: 'Controller',
  wrappers: 'Wrapper',
  limits: 'Limit',
  errors: 'ErrorMapper',
  checks: 'Check',
};

/**
 * A module that binds what a service is made of, each part to its token of `Tokens`, so that each can be bound anew: `container.rebind`.
 * Classes among the parts are made by the container, once.
 */
export function coreModule(options: CoreOptions = {}): ContainerModule {
  const { remotes = [], providers = [], ...given } = options;
  for (const remote of remotes) {
    if (!isClientClass(remote)) throw new TypeError(`coreModule remotes: ${remote === null ? 'null' : nameOf(remote)} has no @ServiceClient.`);
  }
  return new ContainerModule((load) => {
    const rest: Record<string, unknown> = {};
    for (const name of Object.keys(given) as (keyof typeof given)[]) {
      const value: unknown = given[name];
      const single = SINGLE[name];
      const each = EACH[name];
      if (value === undefined) continue;
      if (single !== undefined) bindPart(load, name, Tokens[single], value, name === 'adapter' || name === 'registry' ? isClass : () => false);
      else if (name === 'controllers') for (const one of value as readonly object[]) load.bind(Tokens.Controller).toConstantValue(one);
      else if (each !== undefined)
        for (const one of value as readonly unknown[]) bindPart(load, name, Tokens[each], one, MADE[name] ?? (() => false));
      else rest[name] = value;
    }
    load.bind(Tokens.Options).toConstantValue(rest);
    for (const provider of providers as readonly Newable<object>[]) {
      bindClass(load.bind(provider), provider);
      note(load, { option: 'providers', token: undefined, value: provider });
    }
    for (const remote of remotes) bindRemote(load, remote);
  });
}

/** A `@ServiceClient` class as a token: its instance calls through the service's clients. */
export function bindRemote({ bind }: Pick<ContainerModuleLoadOptions, 'bind'>, type: ClientClass): void {
  bind(type)
    .toDynamicValue((context) => clientOf(type, context.get<(target: string, options?: ClientOptions) => ServiceClient>(Tokens.Clients)))
    .inSingletonScope();
}

/** Loads modules of inversify, and those that packages bring as plain values (`expressModule()`). Gives the container back. */
export function load(container: Container, ...modules: readonly (ContainerModule | Module)[]): Container {
  for (const module of modules) {
    if (module instanceof ContainerModule) container.load(module);
    else
      module.load({
        bind: (token, make) =>
          void container
            .bind(token)
            .toDynamicValue(() => make())
            .inSingletonScope(),
      });
  }
  return container;
}

/** A class is told from a value by what its instances have: a wrapper is a function too. */
const MADE: Readonly<Partial<Record<keyof CoreOptions, (value: unknown) => boolean>>> = {
  wrappers: isWrapperClass,
  errors: isClass,
  checks: isClass,
};

function isClass(value: unknown): boolean {
  return typeof value === 'function';
}

function bindPart(load: ContainerModuleLoadOptions, option: string, token: symbol, value: unknown, isMade: (value: unknown) => boolean): void {
  if (typeof value !== 'symbol' && !isMade(value)) return void load.bind(token).toConstantValue(value);
  const part = value as Newable<object> | symbol;
  if (typeof part === 'function' && !load.isBound(part)) bindClass(load.bind(part), part);
  load.bind(token).toService(part);
  note(load, { option, token, value: part });
}

function note({ bind }: ContainerModuleLoadOptions, part: Part): void {
  bind<Part>(PARTS).toConstantValue(part);
}
