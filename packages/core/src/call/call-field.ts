import type { Call } from './call.js';
import { currentCall } from './context.js';
import { PRINCIPAL } from './principal.js';
import type { ValueKey } from './values.js';
import { isHeaderName } from '../options/header-name.js';
import { nearest } from '../options/nearest.js';
import { shown } from '../options/shown.js';

/**
 * Where something is found in a call: exactly one of these. `header`, `metadata`, `principal` and `callValue` are looked for in the outbound call and then
 * in the inbound call that it is made for, `query` and `param` in the outbound call alone, since the same name means another thing there.
 */
export type CallField =
  | { readonly header: string }
  | { readonly query: string }
  | { readonly param: string }
  /** What Go Micro and Kratos call so, which travels as headers: `x-md-global-<name>`, `x-md-local-<name>` or `<name>` itself. */
  | { readonly metadata: string }
  /** A claim of the caller, `id` or any other, where the application has set `PRINCIPAL`. */
  | { readonly principal: string }
  /** A value of the call: its key, or in rules from configuration a name of `values`. */
  | { readonly callValue: string | ValueKey<unknown> };

/** What a call says there; a list when it says several things; undefined when it says nothing. */
export type FieldReader = (call: Call) => string | readonly string[] | undefined;

/** Names of values for rules from configuration. */
export type NamedValues = Readonly<Record<string, ValueKey<unknown>>>;

export const FIELD_KINDS: readonly string[] = ['header', 'query', 'param', 'metadata', 'principal', 'callValue'];

/** The one kind of field that an object names. @throws TypeError when it names none, or several. */
export function kindOfField(field: unknown, where: string): string {
  const names = typeof field === 'object' && field !== null ? Object.keys(field) : [];
  const kinds = names.filter((name) => FIELD_KINDS.includes(name));
  if (kinds.length === 1) return kinds[0]!;
  const likely = kinds.length === 0 ? names.flatMap((name) => nearest(name, FIELD_KINDS)) : [];
  const meant = likely.length === 0 ? '' : ` Did you mean ${likely.join(' or ')}?`;
  throw new TypeError(
    `${where}: ${shown(field)} names ${kinds.length === 0 ? 'no field of a call' : 'several fields'}.${meant} Give one of ${FIELD_KINDS.join(', ')}.`,
  );
}

/** Compiled once. @throws TypeError naming what does not fit. */
export function fieldReader(field: CallField, where: string, values: NamedValues = {}): FieldReader {
  const kind = kindOfField(field, where);
  const name: unknown = (field as Readonly<Record<string, unknown>>)[kind];
  if (kind === 'callValue' && typeof name === 'object' && name !== null) return valueReader(name as ValueKey<unknown>);
  if (typeof name !== 'string' || name === '')
    throw new TypeError(`${where}.${kind}: ${shown(name)} is no name. Give one, such as { ${kind}: 'x' }.`);
  if ((kind === 'header' || kind === 'metadata') && !isHeaderName(name))
    throw new TypeError(`${where}.${kind}: ${shown(name)} cannot be in the name of a header. Give one such as { ${kind}: 'x-user' }.`);
  switch (kind) {
    case 'header':
      return headerReader([name.toLowerCase()]);
    case 'metadata':
      return headerReader(['x-md-global-', 'x-md-local-', ''].map((prefix) => `${prefix}${name.toLowerCase()}`));
    case 'query':
      return (call) => (Object.hasOwn(call.query, name) ? call.query[name] : undefined);
    case 'param':
      return (call) => (Object.hasOwn(call.params, name) ? call.params[name] : undefined);
    case 'principal':
      return (call) => {
        const principal = call.values.get(PRINCIPAL) ?? currentCall()?.values.get(PRINCIPAL);
        return principal !== undefined && Object.hasOwn(principal, name) ? textOf(principal[name]) : undefined;
      };
    default:
      if (!Object.hasOwn(values, name)) {
        const known = Object.keys(values);
        throw new TypeError(
          `${where}.callValue: there is no value named ${shown(name)}. ${known.length === 0 ? 'Give its key in the option values, such as { values: { tenant: TENANT } }.' : `There are ${known.join(', ')}.`}`,
        );
      }
      return valueReader(values[name]!);
  }
}

function headerReader(names: readonly string[]): FieldReader {
  return (call) => headerOf(call, names) ?? (call.side === 'client' ? headerOf(currentCall(), names) : undefined);
}

function headerOf(call: Call | undefined, names: readonly string[]): string | readonly string[] | undefined {
  if (call === undefined) return undefined;
  for (const name of names) {
    const value = Object.hasOwn(call.headers, name) ? call.headers[name] : undefined;
    if (value !== undefined) return value;
  }
  return undefined;
}

function valueReader(key: ValueKey<unknown>): FieldReader {
  return (call) => textOf(call.values.get(key) ?? currentCall()?.values.get(key));
}

/** What rules can compare: a text, what is plainly one, or a list of those. */
function textOf(value: unknown): string | readonly string[] | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (!Array.isArray(value)) return undefined;
  return value.map(textOf).filter((item) => typeof item === 'string');
}

/** The same as one text: the first of several. A function is taken as it is. @throws TypeError naming what does not fit. */
export function textReader(
  field: CallField | ((call: Call) => string | undefined),
  where: string,
  values?: NamedValues,
): (call: Call) => string | undefined {
  if (typeof field === 'function') return field;
  const read = fieldReader(field, where, values);
  return (call) => {
    const found = read(call);
    return typeof found === 'object' ? found[0] : found;
  };
}
