import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { noting } from '../decorators/notes.js';
import type { Constructor } from '../decorators/notes.js';
import type { Check } from '../health/check.js';
import { toMs } from '../time/duration.js';
import type { StepPosition, WrapperObject, WrapperOption } from '../wrappers/stack.js';
import { isSource } from './parameters.js';
import type { Arguments, Source } from './parameters.js';
import type { InputOf, InputSchemas } from './route-input.js';
import type { RouteOptions } from './route.js';

// Every decorator here works under `experimentalDecorators` and under the standard proposal, and only writes down what was said.

/** A decorator for a class. */
export type ClassMarker = (target: Constructor, context?: ClassDecoratorContext) => void;

/** A decorator for a method. */
export interface MethodMarker {
  (target: object, key: string | symbol, descriptor: PropertyDescriptor): void;
  (value: (...args: never[]) => unknown, context: ClassMethodDecoratorContext): void;
}

/** A decorator for a class, then meant for each of its routes, or for a method. */
export interface RoutesMarker extends MethodMarker {
  (target: Constructor, context?: ClassDecoratorContext): void;
}

/** A decorator for a method that takes arguments of the types `A`, or for a field of a `@ServiceClient` class. */
export interface RouteMarker<A extends readonly unknown[]> {
  <M extends (...args: [...A]) => unknown>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<M>): void;
  <M extends (...args: [...A]) => unknown>(value: M, context: ClassMethodDecoratorContext): void;
  (target: object, key: string | symbol, descriptor?: undefined): void;
  (value: undefined, context: ClassFieldDecoratorContext): void;
}

/**
 * On a method of a controller: a route to it. Sources say where its arguments come from, and its types are checked against them; without
 * sources and parameter decorators it gets the call, and with schemas (`input`) what they made as its second argument.
 * On a field of a `@ServiceClient` class: the operation that the field calls.
 */
export interface VerbDecorator {
  <const S extends readonly [Source, ...Source[]]>(path: string, ...sources: S): RouteMarker<Arguments<S>>;
  <const S extends readonly [Source, ...Source[]]>(path: string, options: RouteOptions, ...sources: S): RouteMarker<Arguments<S>>;
  <I extends InputSchemas>(path: string, options: RouteOptions & { readonly input: I }): RouteMarker<readonly [Call, InputOf<I>]>;
  (path?: string, options?: RouteOptions): RouteMarker<never[]>;
}

/** What a verb has written down. */
export interface VerbNote {
  readonly verb: string;
  readonly path: string;
  readonly options: RouteOptions;
  readonly sources: readonly Source[];
}

/** A class whose methods are routes, below `prefix`. */
export function Controller(prefix: string = ''): ClassMarker {
  if (typeof prefix !== 'string' || (prefix !== '' && !prefix.startsWith('/')))
    throw new TypeError(`@Controller(${JSON.stringify(prefix)}): a prefix starts with a slash, for example '/orders'.`);
  return noting('@Controller', prefix.replace(/\/+$/, ''), ['class']);
}

export const Get: VerbDecorator = verb('Get');
export const Post: VerbDecorator = verb('Post');
export const Put: VerbDecorator = verb('Put');
export const Patch: VerbDecorator = verb('Patch');
export const Delete: VerbDecorator = verb('Delete');
export const Head: VerbDecorator = verb('Head');
export const Options: VerbDecorator = verb('Options');

/** The status of a result that is no Reply. Default 200, and 204 when the result is undefined. */
export function Status(status: number): MethodMarker {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new TypeError(`@Status(${String(status)}): that is no final HTTP status. Give an integer from 200 to 599.`);
  return noting('@Status', status, ['method']);
}

/** A class of wrappers, for the container to make; without one it takes no arguments. */
export type WrapperClass = new (...args: never[]) => WrapperObject;

/** What `@Wrap` takes: a wrapper, a class of wrappers, a token for `resolve`, or one of them with a place in the service's stack. */
export type WrapArgument = WrapperOption | WrapperClass | symbol | (StepPosition & { readonly wrapper: WrapperClass | symbol });

/** Wrappers around one route, or around each route of the class; the first is the outermost. They stand outside of the named policies. */
export function Wrap(...wrappers: readonly WrapArgument[]): RoutesMarker {
  for (const [index, wrapper] of wrappers.entries()) {
    const isObject = typeof wrapper === 'object' && wrapper !== null && ('wrap' in wrapper || 'wrapper' in wrapper);
    if (typeof wrapper !== 'function' && typeof wrapper !== 'symbol' && !isObject)
      throw new TypeError(
        `@Wrap: argument ${index} is ${wrapper === null ? 'null' : typeof wrapper}. Give a wrapper, { wrapper, before } or a class with wrap(next); a factory such as timeout() has to be called.`,
      );
  }
  return noting('@Wrap', wrappers, ['class', 'method']);
}

/** What `@MapError` makes of an error: a reply, another error to be thrown, or undefined for "not mine". */
export type ErrorMapping<E> = (error: E, call: Call) => Reply | Error | undefined;

/** What `@MapError` has written down. */
export interface MapErrorNote {
  readonly of: Constructor;
  readonly map: ErrorMapping<unknown>;
}

/**
 * What becomes of errors of one class. Around everything else of the route; that of a method is asked before that of its class.
 * @throws TypeError when the first argument is no class, or the second no function
 */
export function MapError<E>(of: abstract new (...args: never[]) => E, map: ErrorMapping<E>): RoutesMarker {
  if (typeof of !== 'function') throw new TypeError(`@MapError: the first argument is ${typeof of}, not a class of errors.`);
  if (!isClass(of))
    throw new TypeError(
      `@MapError: the first argument is a function that makes no errors${isClass(map) ? ', and the second is a class: they are the wrong way round' : ''}. Give the class first, then (error, call) => Reply | Error.`,
    );
  if (typeof map !== 'function')
    throw new TypeError(`@MapError(${of.name}): the second argument is ${typeof map}, not (error, call) => Reply | Error.`);
  return noting('@MapError', { of, map }, ['class', 'method']);
}

/** What can stand behind `instanceof`: an arrow function or a method has no prototype. */
function isClass(value: unknown): boolean {
  return typeof value === 'function' && typeof (value as { prototype?: unknown }).prototype === 'object';
}

/** What `@HealthCheck` has written down. */
export type HealthCheckNote = Omit<Check, 'run'>;

/** The method is a health check of the service: see `Check.run` for how it fails. Never part of `/health/live`. */
export function HealthCheck(name: string, options: Omit<Check, 'name' | 'run'> = {}): MethodMarker {
  if (typeof name !== 'string' || name === '')
    throw new TypeError(`@HealthCheck(${JSON.stringify(name)}): give the check a name, such as 'database'.`);
  if (options.timeout !== undefined) toMs(options.timeout, `@HealthCheck('${name}') timeout`);
  return noting('@HealthCheck', { ...options, name }, ['method']);
}

function verb(name: string): VerbDecorator {
  const by = `@${name}`;
  const decorator = (path: string = '', ...rest: readonly unknown[]): RouteMarker<never[]> => {
    if (typeof path !== 'string' || (path !== '' && !path.startsWith('/')))
      throw new TypeError(`${by}(${JSON.stringify(path)}): a path starts with a slash, for example '/:id'; without one it is the controller's own.`);
    const [first] = rest;
    const options = first === undefined || isSource(first) ? undefined : (first as RouteOptions);
    if (options !== undefined && (typeof options !== 'object' || options === null))
      throw new TypeError(
        `${by}('${path}'): the second argument is ${typeof first}. Give options, or sources such as param('id'); wrappers belong into @Wrap.`,
      );
    const sources = options === undefined ? rest.filter((one) => one !== undefined) : rest.slice(1);
    for (const [index, one] of sources.entries()) {
      if (!isSource(one))
        throw new TypeError(
          `${by}('${path}'): the source of argument ${index} is ${typeof one}. Use param(), query(), header(), body() or context().`,
        );
    }
    if (options?.input !== undefined && sources.length > 0)
      throw new TypeError(`${by}('${path}'): give either input or sources; with input the method gets (call, input).`);
    const note: VerbNote = { verb: name.toUpperCase(), path, options: options ?? {}, sources: sources as readonly Source[] };
    return noting(by, note, ['method', 'field']);
  };
  return decorator as VerbDecorator;
}
