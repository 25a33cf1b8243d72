import type { Call, CallHeaders, Params, Query as QueryValues } from '../call/call.js';
import { noting } from '../decorators/notes.js';
import type { FieldError } from '../errors/service-error.js';
import { checkSchema, invalidInput, isStandardSchema, pointerToken, validate } from '../validation/standard-schema.js';
import type { StandardSchema } from '../validation/standard-schema.js';

declare const TYPE: unique symbol;
const SOURCE: unique symbol = Symbol.for('ferrule.source');

/** Makes a value of a text, or a promise of one; what it throws or rejects with says that the text does not fit (400). `Number`, `BigInt` and `Boolean` refuse what is none (`''`, `abc`); `Boolean` knows true, false, 1 and 0. */
export type Convert<T> = (text: string) => T | Promise<T>;

/** Where an argument of a controller method comes from, and of which type it is. */
export interface Source<T = unknown> {
  readonly [SOURCE]: true;
  readonly from: 'params' | 'query' | 'headers' | 'body' | 'call';
  /** Undefined: all of them. */
  readonly name: string | undefined;
  readonly as: Convert<unknown> | StandardSchema | undefined;
  readonly [TYPE]?: T;
}

/** The types of the arguments that sources give. */
export type Arguments<S extends readonly Source[]> = { -readonly [I in keyof S]: S[I] extends Source<infer T> ? T : never };

/** A path parameter, as text or converted; without a name all of them, as a schema makes them. */
export function param(name: string): Source<string>;
export function param<T>(name: string, as: StandardSchema<unknown, T> | Convert<T>): Source<T>;
export function param<T>(schema: StandardSchema<unknown, T>): Source<T>;
export function param(): Source<Params>;
export function param<T>(first?: string | StandardSchema<unknown, T>, as?: StandardSchema<unknown, T> | Convert<T>): Source<T> {
  return source('params', first, as);
}

/**
 * A query parameter; undefined when it is missing, unless a schema says otherwise. One that is given twice does not fit unless a schema
 * takes arrays. Without a name all of them, as a schema makes them.
 */
export function query(name: string): Source<string | undefined>;
export function query<T>(name: string, as: StandardSchema<unknown, T>): Source<T>;
export function query<T>(name: string, as: Convert<T>): Source<T | undefined>;
export function query<T>(schema: StandardSchema<unknown, T>): Source<T>;
export function query(): Source<QueryValues>;
export function query<T>(first?: string | StandardSchema<unknown, T>, as?: StandardSchema<unknown, T> | Convert<T>): Source<T> {
  return source('query', first, as);
}

/** A header field, its name in any case; undefined when it is missing, unless a schema says otherwise. */
export function header(name: string): Source<string | undefined>;
export function header<T>(name: string, as: StandardSchema<unknown, T>): Source<T>;
export function header<T>(name: string, as: Convert<T>): Source<T | undefined>;
export function header<T>(schema: StandardSchema<unknown, T>): Source<T>;
export function header(): Source<CallHeaders>;
export function header<T>(first?: string | StandardSchema<unknown, T>, as?: StandardSchema<unknown, T> | Convert<T>): Source<T> {
  return source('headers', typeof first === 'string' ? first.toLowerCase() : first, as);
}

/** The body, as a schema makes it; without one it is taken on trust. */
export function body<T = unknown>(schema?: StandardSchema<unknown, T>): Source<T> {
  return source('body', schema, undefined);
}

/** The call itself. */
export function context(): Source<Call> {
  return source('call', undefined, undefined);
}

/** For TypeScript's `experimentalDecorators`: standard decorators have none for parameters, give sources to the verb there. */
export type ParameterMarker = (target: object, key: string | symbol | undefined, index: number) => void;

interface NamedParameter {
  (): ParameterMarker;
  (name: string, as?: StandardSchema | Convert<unknown>): ParameterMarker;
  (schema: StandardSchema): ParameterMarker;
}

/** `param()` as a parameter decorator. The type of the parameter is not checked, and converts nothing: `@Param('n', Number) n: number`. */
export const Param: NamedParameter = marker('@Param', param);
/** `query()` as a parameter decorator. */
export const Query: NamedParameter = marker('@Query', query);
/** Query parameters by name; a repeated one is an array. */
export type Query = QueryValues;
/** `header()` as a parameter decorator. */
export const Header: NamedParameter = marker('@Header', header);
/** `body()` as a parameter decorator. */
export const Body: (schema?: StandardSchema) => ParameterMarker = marker('@Body', body as (...args: unknown[]) => Source);
/** `context()` as a parameter decorator. */
export const Context: () => ParameterMarker = marker('@Context', context);

function marker(by: string, make: (...args: unknown[]) => Source): (...args: unknown[]) => ParameterMarker {
  return (...args) => noting(by, make(...args), ['parameter']);
}

export function isSource(value: unknown): value is Source {
  return typeof value === 'object' && value !== null && (value as { [SOURCE]?: unknown })[SOURCE] === true;
}

/**
 * One function that reads all sources of a call; a promise only when a schema needs one. It throws (rejects with) INVALID_ARGUMENT naming
 * everything that does not fit, not the first thing alone.
 */
export function argumentsOf(sources: readonly Source[]): (call: Call) => unknown[] | Promise<unknown[]> {
  const readers = sources.map(readerOf);
  return (call) => {
    const issues: FieldError[] = [];
    const values: unknown[] = [];
    let late = false;
    for (const read of readers) {
      let value: unknown;
      try {
        value = read(call, issues);
      } catch (error) {
        // Thrown at once it would leave the promises of those before it without anybody to hear them: an unhandled rejection ends the process.
        value = Promise.reject(error);
      }
      if (value instanceof Promise) late = true;
      values.push(value);
    }
    if (late) return Promise.all(values).then((settled) => fitting(settled, issues));
    return fitting(values, issues);
  };
}

function fitting(values: unknown[], issues: readonly FieldError[]): unknown[] {
  if (issues.length > 0) throw invalidInput(issues);
  return values;
}

type Reader = (call: Call, issues: FieldError[]) => unknown;

function readerOf({ from, name, as }: Source): Reader {
  if (from === 'call') return (call) => call;
  // A body's pointer is one into the body (`#/email`), as RFC 9457 has it; the others begin with what they point into.
  const pointer = from === 'body' ? '#' : name === undefined ? `#/${from}` : `#/${from}/${pointerToken(name)}`;
  const raw: (call: Call) => unknown =
    from === 'body'
      ? (call) => call.body
      : name === undefined
        ? (call) => call[from]
        : from === 'headers'
          ? (call) => call.header(name)
          : (call) => call[from][name];
  if (isStandardSchema(as)) return (call, issues) => validate(as, raw(call), pointer, issues);
  if (name === undefined) return raw;
  const convert = as === undefined ? undefined : converting(as);
  return (call, issues) => {
    const text = raw(call);
    if (text === undefined) return undefined;
    if (typeof text !== 'string') return void issues.push({ pointer, detail: 'is given more than once' });
    if (convert === undefined) return text;
    const misfit = (error: unknown): undefined => void issues.push({ pointer, detail: error instanceof Misfit ? error.message : 'does not fit' });
    try {
      const value = convert(text);
      return isThenable(value) ? Promise.resolve(value).then(undefined, misfit) : value;
    } catch (error) {
      return misfit(error);
    }
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

class Misfit extends Error {}

function converting(as: Convert<unknown>): Convert<unknown> {
  const known: Convert<unknown> | undefined = CONVERSIONS.get(as);
  return known ?? as;
}

const CONVERSIONS = new Map<unknown, Convert<unknown>>([
  [
    Number,
    (text) => {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (!Number.isFinite(value)) throw new Misfit('must be a number');
      return value;
    },
  ],
  [
    BigInt,
    (text) => {
      if (!/^[+-]?\d{1,100}$/.test(text)) throw new Misfit('must be a whole number');
      return BigInt(text.replace(/^\+/, ''));
    },
  ],
  [
    Boolean,
    (text) => {
      if (text === 'true' || text === '1') return true;
      if (text === 'false' || text === '0') return false;
      throw new Misfit('must be true or false');
    },
  ],
]);

function source<T>(from: Source['from'], first: unknown, as: unknown): Source<T> {
  const where = `${from === 'params' ? 'param' : from === 'headers' ? 'header' : from}(${typeof first === 'string' ? `'${first}'` : ''})`;
  if (first !== undefined && typeof first !== 'string') return make(from, undefined, checkSchema(first, where));
  if (first === '') throw new TypeError(`${where}: the name is empty. Give a name, or nothing for all of them.`);
  if (as === Date || as === String || as === Symbol)
    throw new TypeError(
      as === String
        ? `${where}: it is text already. Leave String out.`
        : `${where}: ${(as as { name: string }).name} makes no value of a text when it is called. Give a function such as (text) => new Date(text), or a schema.`,
    );
  if (as !== undefined && typeof as !== 'function') checkSchema(as, where);
  if (as !== undefined && first === undefined) throw new TypeError(`${where}: what is converted needs a name.`);
  return make(from, first, as as Convert<unknown> | undefined);
}

function make<T>(from: Source['from'], name: string | undefined, as: Source['as']): Source<T> {
  return Object.freeze({ [SOURCE]: true as const, from, name, as });
}
