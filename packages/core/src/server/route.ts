import { METHODS } from 'node:http';
import type { Call } from '../call/call.js';
import { isPlaced, wrapperOf } from '../wrappers/stack.js';
import type { PlacedWrapper, WrapperOption } from '../wrappers/stack.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import type { StandardSchema } from '../validation/standard-schema.js';
import { refuseReplays } from './native.js';
import { withSchemas } from './route-input.js';
import type { InputOf, InputSchemas } from './route-input.js';

/** What a handler may give: a value is sent as JSON, undefined is 204, a Reply goes as it is, text as text/plain, bytes and streams as application/octet-stream. */
export type Result = unknown;

/** A controller method: takes a call and gives its result. */
export type RouteHandler = (call: Call) => Result | Promise<Result>;

export interface RouteOptions {
  /** The operation's name, unique within the service. Default `METHOD /path`. */
  readonly name?: string;
  /** Status of a result that is no Reply. Default 200, and 204 when the result is undefined. */
  readonly status?: number;
  /** Whether doing it twice is the same as doing it once. Default: what RFC 9110 says of the method. */
  readonly idempotent?: boolean;
  /** The longest body in bytes; a longer one is answered 413. Default 1,048,576. */
  readonly bodyLimit?: number;
  /**
   * `parse` (default): JSON, text and forms by content type, bytes for every other type; `bytes`: a Buffer;
   * `stream`: the request itself, without a limit; `none`: the body is not read.
   */
  readonly body?: 'parse' | 'bytes' | 'stream' | 'none';
  /**
   * Wrappers around this route alone, the outermost first, outside of those that are given as arguments. One with a position
   * (`{ wrapper, before: 'timeout' }`) stands there in the service's stack, for this route alone.
   */
  readonly wrappers?: readonly WrapperOption[];
  /** Schemas for the parts of the request, validated after the body was read: 400 with the places that do not fit. The handler gets what they made as its second argument. */
  readonly input?: InputSchemas;
  /** A schema for the result; what it makes of the result is sent, and a result that does not fit is a 500. */
  readonly output?: StandardSchema;
}

/** A route is a frozen value: it may be kept in a list, filtered and described. */
export interface Route {
  /** In capitals. */
  readonly method: string;
  /** The template: `/orders/:id`, `/files/*`, `/:year(^\\d{4}$)`. */
  readonly path: string;
  readonly options: Omit<RouteOptions, 'wrappers'>;
  /** The first is the outermost; they stand inside of the service's own. */
  readonly wrappers: readonly Wrapper[];
  /** Those of its wrappers that have a position in the service's stack. */
  readonly placed?: readonly PlacedWrapper[];
  readonly handler: RouteHandler;
}

/** What may stand between path and handler: options first, if any, then wrappers, the outermost first. */
export interface Verb {
  (path: string, handler: RouteHandler): Route;
  <I extends InputSchemas>(path: string, options: RouteOptions & { readonly input: I }, handler: (call: Call, input: InputOf<I>) => Result): Route;
  <I extends InputSchemas>(
    path: string,
    options: RouteOptions & { readonly input: I },
    ...parts: readonly [...Wrapper[], (call: Call, input: InputOf<I>) => Result]
  ): Route;
  (path: string, first: RouteOptions | Wrapper, handler: RouteHandler): Route;
  (path: string, first: RouteOptions | Wrapper, second: Wrapper, handler: RouteHandler): Route;
  (path: string, first: RouteOptions | Wrapper, second: Wrapper, third: Wrapper, handler: RouteHandler): Route;
  (path: string, ...parts: readonly [RouteOptions | Wrapper, ...Wrapper[], RouteHandler]): Route;
}

type Parts = readonly (RouteOptions | Wrapper | RouteHandler | ((call: Call, input: never) => Result))[];

export const get: Verb = verb('GET');
export const post: Verb = verb('POST');
export const put: Verb = verb('PUT');
export const patch: Verb = verb('PATCH');
/** DELETE; in a module of your own you may import it under another name, `delete` is reserved. */
export const del: Verb = verb('DELETE');
export const head: Verb = verb('HEAD');
export const options: Verb = verb('OPTIONS');

/**
 * A route for any method.
 * @throws TypeError when the method or path is malformed, an option is unknown or wrong, a wrapper or the handler is no
 * function, or a wrapper that runs its handler again stands around a native one.
 */
export function route(method: string, path: string, ...parts: readonly [...(RouteOptions | Wrapper)[], RouteHandler]): Route {
  return build(method, path, parts);
}

function verb(method: string): Verb {
  return (path: string, ...parts: Parts) => build(method, path, parts);
}

function build(methodGiven: string, path: string, parts: Parts): Route {
  const method = typeof methodGiven === 'string' ? methodGiven.toUpperCase() : String(methodGiven);
  const where = `route ${method} ${String(path)}`;
  if (!METHODS.includes(method)) throw new TypeError(`${where}: the method is unknown. Use one of ${METHODS.join(', ')}.`);
  if (typeof path !== 'string' || !path.startsWith('/')) throw new TypeError(`${where}: a path starts with a slash, for example /orders/:id.`);
  checkParams(path, where);
  const handler = parts.at(-1);
  if (typeof handler !== 'function') throw new TypeError(`${where}: the last argument is ${kindOf(handler)}, not a handler (call) => result.`);
  const first = parts[0];
  const given = parts.length > 1 && typeof first === 'object' && first !== null ? first : undefined;
  const positional = parts.slice(given === undefined ? 0 : 1, -1) as readonly Wrapper[];
  for (const wrapper of positional) {
    if (typeof wrapper !== 'function')
      throw new TypeError(
        `${where}: ${kindOf(wrapper)} stands where a wrapper was expected. Options come first; a factory such as timeout() has to be called.`,
      );
  }
  const asked = given?.wrappers ?? [];
  if (!Array.isArray(asked)) throw new TypeError(`${where}: wrappers is ${kindOf(asked)}. Give an array, the outermost first.`);
  const options = asked as readonly WrapperOption[];
  const placed = options.filter(isPlaced);
  const wrappers = [...options.flatMap((option) => (isPlaced(option) ? [] : [option])), ...positional].map((wrapper) => wrapperOf(wrapper, where));
  refuseReplays(handler as RouteHandler, wrappers, where);
  return Object.freeze({
    method,
    path,
    options: checkedOptions(given ?? {}, where),
    wrappers: Object.freeze(wrappers),
    ...(placed.length > 0 && { placed: Object.freeze(placed) }),
    handler: withSchemas(handler as RouteHandler, given?.input, given?.output, where),
  });
}

/** What find-my-way takes for the end of a parameter's name. */
const PARAM = /:([^/:(.-]*)/g;

/** The tree takes both: of one name twice only the last would arrive, and a parameter without a name not at all. */
function checkParams(path: string, where: string): void {
  const names = new Set<string>();
  // `::` is a colon; one inside of a pattern belongs to that.
  for (const [, name = ''] of withoutPatterns(path.replaceAll('::', '')).matchAll(PARAM)) {
    if (name === '') throw new TypeError(`${where}: a parameter has no name. Write /orders/:id, or :: for a colon.`);
    if (names.has(name)) throw new TypeError(`${where}: there are two parameters ${name}. Give each a name of its own.`);
    names.add(name);
  }
}

/** The path with an empty pair for each pattern in parentheses. */
function withoutPatterns(path: string): string {
  let depth = 0;
  let kept = '';
  for (let at = 0; at < path.length; at++) {
    const char = path[at]!;
    if (char === '\\' && depth > 0) {
      at++;
      continue;
    }
    if (char === ')' && depth > 0) depth--;
    if (depth === 0) kept += char;
    if (char === '(') depth++;
  }
  return kept;
}

const KNOWN: ReadonlySet<string> = new Set(['name', 'status', 'idempotent', 'bodyLimit', 'body', 'wrappers', 'input', 'output']);
const BODIES: readonly unknown[] = ['parse', 'bytes', 'stream', 'none'];

function checkedOptions({ wrappers: _, ...given }: RouteOptions, where: string): Route['options'] {
  for (const key of Object.keys(given)) {
    if (!KNOWN.has(key)) throw new TypeError(`${where}: option ${key} is unknown. Use ${[...KNOWN].join(', ')}.`);
  }
  const { status, bodyLimit, body } = given;
  if (status !== undefined && (!Number.isInteger(status) || status < 200 || status > 599))
    throw new TypeError(`${where}: status ${String(status)} is no final HTTP status. Give an integer from 200 to 599.`);
  if (bodyLimit !== undefined && (!Number.isSafeInteger(bodyLimit) || bodyLimit < 0))
    throw new TypeError(`${where}: bodyLimit ${String(bodyLimit)} is no number of bytes. Give an integer from 0.`);
  if (body !== undefined && !BODIES.includes(body))
    throw new TypeError(`${where}: body ${JSON.stringify(body)} is unknown. Use ${BODIES.join(', ')}.`);
  return Object.freeze({ ...given });
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}
