/** What an error says of its occurrence, by name: for translations, and those of a whitelist for clients. */
export type ErrorParams = Readonly<Record<string, ParamValue>>;
export type ParamValue = string | number | boolean | null;

const MOST_PARAMS = 16;
const LONGEST_VALUE = 256;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * A copy that an error can keep: own members alone, at most 16 of them, text of at most 256 characters. A bigint or a date becomes
 * its text; what is no scalar, or cannot be read, is left out. undefined when nothing is left. Never throws.
 */
export function boundedParams(given: unknown): ErrorParams | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const kept: Record<string, ParamValue> = {};
  let count = 0;
  try {
    for (const name of Object.keys(given)) {
      if (!isParamName(name)) continue;
      const value = scalar((given as Readonly<Record<string, unknown>>)[name]);
      if (value === undefined) continue;
      kept[name] = value;
      if (++count === MOST_PARAMS) break;
    }
  } catch {
    // A Proxy or a getter that throws: what was read until then is kept.
  }
  return count === 0 ? undefined : Object.freeze(kept);
}

/** Whether it may name a param: a word that is no property of every object. */
export function isParamName(name: string): boolean {
  return NAME.test(name) && !RESERVED.has(name);
}

/** Those of a whitelist. */
export function pickedParams(params: ErrorParams | undefined, names: readonly string[]): ErrorParams | undefined {
  if (params === undefined) return undefined;
  const picked: Record<string, ParamValue> = {};
  for (const name of names) if (Object.hasOwn(params, name)) picked[name] = params[name]!;
  return Object.keys(picked).length === 0 ? undefined : picked;
}

function scalar(value: unknown): ParamValue | undefined {
  switch (typeof value) {
    case 'string':
      return value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE - 1)}…` : value;
    case 'number':
      return Number.isFinite(value) ? value : undefined;
    case 'boolean':
      return value;
    case 'bigint': {
      const text = value.toString();
      return text.length > LONGEST_VALUE ? undefined : text;
    }
    default:
      if (value === null) return null;
      return value instanceof Date && Number.isFinite(value.getTime()) ? value.toISOString() : undefined;
  }
}
