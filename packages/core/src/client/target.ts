import { checkRecord } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Params, Query } from '../call/call.js';

/** What may stand for a path parameter or a query value. */
export type TargetValue = string | number | bigint | boolean;

/** Query values by name; an array repeats the name, undefined leaves it out. */
export type TargetQuery = Readonly<Record<string, TargetValue | readonly TargetValue[] | undefined>>;

/** A path template such as `/orders/:id` or `/files/*`, compiled once and filled in per call. */
export interface PathTemplate {
  readonly text: string;
  /** The encoded path. @throws TypeError naming a parameter that is missing, unknown, empty or would change the path. */
  fill(params?: Readonly<Record<string, TargetValue>>): string;
}

type Part = string | { readonly param: string };

const PARAM = /:([A-Za-z_]\w*)/g;
// Only what a path may hold as it is (RFC 3986, 3.3), the colon of a parameter and the star of a rest.
const TEMPLATE = /^\/(?!\/)[\w.~%!$&'()*+,;=:@/-]*$/;

/**
 * Compiles a template. `:name` stands for one segment or a part of one, `*` at the end for any number of segments.
 *
 * The result always starts with exactly one slash and never climbs: parameters are encoded, and a segment that
 * would become `.` or `..` is refused, so that a value can change neither the host nor the route.
 * @throws TypeError when the template is no absolute path or holds a query, `.` or `..`.
 */
export function pathTemplate(text: string): PathTemplate {
  if (typeof text !== 'string' || !TEMPLATE.test(text)) {
    throw new TypeError(
      `Path ${shown(text)}: give an absolute path template such as '/orders/:id', encoded, without scheme, host, query and '//' at the start. Values go into params and query.`,
    );
  }
  const segments = text.slice(1).split('/').map(partsOf);
  const names = new Set<string>();
  for (const [index, parts] of segments.entries()) {
    if (parts.length === 1 && typeof parts[0] === 'string' && isDots(parts[0]))
      throw new TypeError(`Path '${text}': the segment '${parts[0]}' climbs. Write the path that is meant.`);
    for (const part of parts) {
      if (typeof part === 'string') continue;
      if (part.param === '*' && (parts.length > 1 || index < segments.length - 1))
        throw new TypeError(`Path '${text}': '*' is allowed as the last segment only.`);
      if (names.has(part.param)) throw new TypeError(`Path '${text}': the parameter '${part.param}' stands there twice.`);
      names.add(part.param);
    }
  }
  if (names.size === 0) {
    return {
      text,
      fill(params) {
        if (params !== undefined) refuseUnknown(text, names, params);
        return text;
      },
    };
  }
  return {
    text,
    fill(params = {}) {
      let path = '';
      for (const parts of segments) path += `/${fillSegment(text, parts, params)}`;
      refuseUnknown(text, names, params);
      return path;
    },
  };
}

/** The text behind the question mark, which is left out; '' for none. @throws TypeError naming a value that is no text, number or boolean. */
export function queryText(query: TargetQuery | Query | string | undefined): string {
  if (query === undefined) return '';
  if (typeof query === 'string') {
    const text = query.startsWith('?') ? query.slice(1) : query;
    if (!/^[!"$-~]*$/.test(text))
      throw new TypeError('Query text: it holds a space, a control character, # or text that is not encoded. Give an object, and it is encoded.');
    return text;
  }
  checkRecord(query, 'request query');
  let text = '';
  for (const name of Object.keys(query)) {
    const value = query[name];
    if (value === undefined) continue;
    for (const single of Array.isArray(value) ? (value as readonly TargetValue[]) : [value as TargetValue]) {
      text += `${text === '' ? '' : '&'}${encode(name, `query '${name}'`)}=${encode(single, `query '${name}'`)}`;
    }
  }
  return text;
}

/** Path and query of a call that nobody encoded before: from its operation's template, its params and its query. */
export function targetOf(
  template: PathTemplate,
  params: Params | Readonly<Record<string, TargetValue>> | undefined,
  query: TargetQuery | Query | string | undefined,
): string {
  const path = template.fill(params);
  const text = queryText(query);
  return text === '' ? path : `${path}?${text}`;
}

function partsOf(segment: string): Part[] {
  if (segment === '*') return [{ param: '*' }];
  if (segment.includes('*')) throw new TypeError(`Path segment '${segment}': '*' stands alone or is written %2A.`);
  const parts: Part[] = [];
  let at = 0;
  for (const match of segment.matchAll(PARAM)) {
    if (match.index > at) parts.push(segment.slice(at, match.index));
    parts.push({ param: match[1]! });
    at = match.index + match[0].length;
  }
  if (at < segment.length) parts.push(segment.slice(at));
  return parts.length === 0 ? [''] : parts;
}

function fillSegment(text: string, parts: readonly Part[], params: Readonly<Record<string, TargetValue>>): string {
  let segment = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      segment += part;
      continue;
    }
    const name = part.param;
    if (!Object.hasOwn(params, name) || params[name] === undefined)
      throw new TypeError(`Path '${text}': the parameter '${name}' is missing. Give it in params.`);
    segment += name === '*' ? encodeRest(text, params[name]) : encode(params[name], `path '${text}': the parameter '${name}'`);
    if (params[name] === '') throw new TypeError(`Path '${text}': the parameter '${name}' is empty, which would be another path.`);
  }
  if (isDots(segment)) throw new TypeError(`Path '${text}': the parameters make the segment '${segment}', which would climb to another path.`);
  return segment;
}

function encodeRest(text: string, value: TargetValue): string {
  return String(value)
    .split('/')
    .map((segment) => {
      if (segment === '' || isDots(segment)) throw new TypeError(`Path '${text}': '*' holds the segment '${segment}', which would be another path.`);
      return encode(segment, `path '${text}': '*'`);
    })
    .join('/');
}

function encode(value: TargetValue, what: string): string {
  if (typeof value === 'string') {
    try {
      return encodeURIComponent(value);
    } catch {
      throw new TypeError(`${what} is no well-formed text (a lone surrogate).`);
    }
  }
  if (typeof value === 'boolean' || typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value))) return String(value);
  throw new TypeError(
    `${what} is ${value === null ? 'null' : typeof value === 'number' ? String(value) : typeof value}. Give text, a finite number or a boolean.`,
  );
}

function refuseUnknown(text: string, names: ReadonlySet<string>, params: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys(params)) {
    if (!names.has(name))
      throw new TypeError(
        `Path '${text}': there is no parameter '${name}'. ${names.size === 0 ? 'It has none.' : `It has ${[...names].join(', ')}.`}`,
      );
  }
}

/** `.` and `..`, encoded or not: URL parsers on the way would take the segment away, or the one before. */
function isDots(segment: string): boolean {
  return segment === '.' || segment === '..' || /^(?:\.|%2e){1,2}$/i.test(segment);
}
