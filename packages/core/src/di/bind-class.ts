import 'reflect-metadata';
import { injectFromBase, injectable } from 'inversify';
import type { BindInWhenOnFluentSyntax, BindToFluentSyntax, Newable, ServiceIdentifier } from 'inversify';
import { isClientClass } from '../client/client-decorators.js';
import { nameOf } from '../decorators/notes.js';
import type { Constructor } from '../decorators/notes.js';
import { injectedBy } from './inject.js';

/** What the compiler writes down under `emitDecoratorMetadata`. */
const PARAMETERS = 'design:paramtypes';

/** How long an instance lives: one for the container, one for each request, or one each time it is asked for. */
export type Scope = 'singleton' | 'request' | 'transient';

/**
 * Binds a class to itself, decorated with `@injectable()` or not: what `@Inject` on the class says comes first, then what the compiler
 * wrote down. A class without a constructor of its own takes what its base takes.
 * @throws TypeError when nothing says what a parameter is
 */
export function bindClass<T extends object>(syntax: BindToFluentSyntax<T>, type: Newable<T>, scope: Scope = 'singleton'): void {
  const tokens = injectedBy(type);
  let bound: BindInWhenOnFluentSyntax<T>;
  if (tokens === undefined) {
    markInjectable(type);
    try {
      bound = syntax.to(type);
    } catch (error) {
      const trouble = troubleWith(type, () => true);
      if (trouble === undefined) throw error;
      throw new TypeError(trouble, { cause: error });
    }
  } else {
    bound = syntax.toResolvedValue((...parts: unknown[]) => new type(...(parts as never[])), [...tokens]);
  }
  if (scope === 'singleton') bound.inSingletonScope();
  else if (scope === 'request') bound.inRequestScope();
  else bound.inTransientScope();
}

function markInjectable(type: Newable): void {
  try {
    injectable()(type);
  } catch {
    return; // it is already
  }
  const base: unknown = Object.getPrototypeOf(type);
  if (typeof base !== 'function' || base === Function.prototype || type.length > 0 || Reflect.hasOwnMetadata(PARAMETERS, type)) return;
  markInjectable(base as Newable);
  injectFromBase({ extendConstructorArguments: true, extendProperties: true })(type);
}

/** What the constructor of a class takes, as far as it is written down. */
export function wantedBy(type: Constructor): readonly unknown[] {
  const tokens = injectedBy(type);
  if (tokens !== undefined) return tokens;
  const types = (Reflect.getMetadata(PARAMETERS, type) as readonly unknown[] | undefined) ?? [];
  const marked = markedParameters(type, types);
  return types.map((one, index) => marked.get(index) ?? one);
}

/** Why a class could not be made, in words that help; undefined when there is nothing to add. */
export function troubleWith(
  type: Newable<object>,
  isBound: (token: ServiceIdentifier) => boolean,
  seen: Set<unknown> = new Set(),
): string | undefined {
  if (seen.has(type)) return undefined;
  seen.add(type);
  const name = nameOf(type);
  const tokens = injectedBy(type);
  if (tokens !== undefined) {
    const missing = tokens.findIndex((token) => !isBound(token));
    return missing === -1 ? deeper(tokens, isBound, seen) : unbound(name, missing, tokens[missing]!);
  }
  const types = Reflect.getMetadata(PARAMETERS, type) as readonly unknown[] | undefined;
  if (types === undefined) {
    return type.length === 0
      ? undefined
      : `${name}: nothing says what its ${type.length} constructor parameter${type.length === 1 ? ' is' : 's are'}. tsx, esbuild and standard decorators write no types down: put @Inject(…) on the class or its parameters, or compile with tsc, experimentalDecorators and emitDecoratorMetadata. With those, '@ferrule/core/di' has to be imported before the file of the class, and the class needs a decorator.`;
  }
  const marked = markedParameters(type, types);
  for (const [index, one] of types.entries()) {
    if (marked.has(index)) {
      const token = marked.get(index);
      if (token !== undefined && !isBound(token)) return unbound(name, index, token);
      continue;
    }
    const plain = PLAIN.get(one);
    if (plain !== undefined)
      return `${name}: parameter ${index} of its constructor is ${plain}, of which there are many: say what is meant with @Inject(token).`;
    if (one === Function || one === Object || one === undefined)
      return `${name}: parameter ${index} of its constructor was compiled to ${one === undefined ? 'undefined' : (one as { name: string }).name}. ${
        one === undefined
          ? 'Two files import each other, and the class is not there yet'
          : "Either its class is imported with 'import type', or it is an interface, which leaves nothing at run time"
      }: import the class itself, or say what is meant with @Inject(token).`;
    if (!isBound(one as ServiceIdentifier)) return unbound(name, index, one as ServiceIdentifier);
  }
  return deeper(
    types.map((one, index) => (marked.has(index) ? marked.get(index) : one)),
    isBound,
    seen,
  );
}

function deeper(tokens: readonly unknown[], isBound: (token: ServiceIdentifier) => boolean, seen: Set<unknown>): string | undefined {
  for (const token of tokens) {
    const trouble = typeof token === 'function' ? troubleWith(token as Newable<object>, isBound, seen) : undefined;
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

function unbound(name: string, index: number, token: ServiceIdentifier): string {
  const what = typeof token === 'function' ? nameOf(token) : String(token);
  return `${name} needs ${what} (parameter ${index} of its constructor), and the container has no binding for it. ${remedyFor(token, what)}`;
}

function remedyFor(token: ServiceIdentifier, what: string): string {
  if (isClientClass(token)) return `It is a @ServiceClient: add it to \`remotes\` of coreModule.`;
  if (typeof token === 'function') return `Add container.bind(${what}).toSelf(), or give it to coreModule.`;
  return 'Add container.bind(token).toConstantValue(…), or give it to coreModule.';
}

/** What the compiler writes down for types that are no classes of the application's. */
const PLAIN: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [Number, 'a number'],
  [String, 'a string'],
  [Boolean, 'a boolean'],
  [BigInt, 'a bigint'],
  [Symbol, 'a symbol'],
  [Array, 'an array'],
  [Promise, 'a promise'],
]);

/**
 * Parameters with an `@inject` of their own, each with its token; undefined where the token alone does not say whether it can be given (optional,
 * named, tagged, many). Inversify keeps them where no function leads; when they were not there, the compiler's types would count.
 */
function markedParameters(type: Constructor, types: readonly unknown[]): ReadonlyMap<number, ServiceIdentifier | undefined> {
  const metadata = Reflect.getOwnMetadata('@inversifyjs/core/classMetadataReflectKey', type) as
    | { constructorArguments?: readonly (Partial<Parameter> | undefined)[] }
    | undefined;
  const marked = new Map<number, ServiceIdentifier | undefined>();
  for (const [index, argument] of (metadata?.constructorArguments ?? []).entries()) {
    // Without a value: what a circular import left.
    if (argument?.value === undefined) continue;
    const { value, kind, name, optional, tags } = argument;
    const single = kind === SINGLE && optional !== true && name === undefined && (tags?.size ?? 0) === 0 && isToken(value);
    if (!single) marked.set(index, undefined);
    else if (value !== types[index]) marked.set(index, value);
  }
  return marked;
}

interface Parameter {
  readonly value: unknown;
  readonly kind: number;
  readonly name: unknown;
  readonly optional: boolean;
  readonly tags: ReadonlyMap<unknown, unknown>;
}

/** Inversify's `ClassElementMetadataKind.singleInjection`, which it does not export. */
const SINGLE = 1;

function isToken(value: unknown): value is ServiceIdentifier {
  return typeof value === 'symbol' || typeof value === 'string' || typeof value === 'function';
}
