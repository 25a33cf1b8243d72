/** What JSON can hold. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** With every character escaped (six bytes) still a quarter of the cap of a body. */
const MOST_BYTES = 3_072;
const DEEPEST = 5;
const MOST_ENTRIES = 64;
const LONGEST_TEXT = 512;
const LONGEST_NAME = 64;
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype', 'stack', 'cause', 'toJSON']);

/**
 * A copy of any value that is certain to serialise, to about 3 KB of JSON: a bigint becomes its text, a date its ISO form; a cycle, a function,
 * a symbol, a number that is none, a member whose getter throws and whatever is too deep or too much are left out. `toJSON` is never called.
 * Own enumerable members alone are read, and none whose name could reach a prototype. Never throws.
 */
export function safeValue(value: unknown): JsonValue | undefined {
  return copy(value, { left: MOST_BYTES, open: new Set() }, 0);
}

interface Budget {
  left: number;
  /** The objects on the way down to here. */
  readonly open: Set<object>;
}

function copy(value: unknown, budget: Budget, depth: number): JsonValue | undefined {
  switch (typeof value) {
    case 'string':
      return text(value, budget);
    case 'number':
      return Number.isFinite(value) ? paid(value, 8, budget) : undefined;
    case 'bigint':
      // Its digits are made in full before they are cut, which takes seconds for a huge one.
      return value > -(2n ** 512n) && value < 2n ** 512n ? text(value.toString(), budget) : undefined;
    case 'boolean':
      return paid(value, 5, budget);
    case 'object':
      break;
    default:
      return undefined;
  }
  if (value === null) return paid(null, 4, budget);
  if (depth >= DEEPEST || budget.open.has(value)) return undefined;
  budget.open.add(value);
  try {
    if (value instanceof Date)
      return Number.isFinite(Date.prototype.getTime.call(value)) ? text(Date.prototype.toISOString.call(value), budget) : undefined;
    return Array.isArray(value) ? list(value, budget, depth) : record(value, budget, depth);
  } catch {
    // A Proxy, or one that was revoked.
    return undefined;
  } finally {
    budget.open.delete(value);
  }
}

function list(value: readonly unknown[], budget: Budget, depth: number): JsonValue {
  const kept: JsonValue[] = [];
  for (let index = 0; index < Math.min(value.length, MOST_ENTRIES) && budget.left > 0; index++) {
    const entry = copy(value[index], budget, depth + 1);
    if (entry !== undefined) kept.push(entry);
  }
  return kept;
}

function record(value: object, budget: Budget, depth: number): JsonValue {
  const kept: Record<string, JsonValue> = {};
  let count = 0;
  for (const name of Object.keys(value)) {
    if (budget.left <= 0 || count === MOST_ENTRIES) break;
    if (RESERVED.has(name) || name.startsWith('*') || name.length > LONGEST_NAME) continue;
    const entry = copy(member(value, name), budget, depth + 1);
    if (entry === undefined) continue;
    budget.left -= 6 * name.length;
    kept[name] = entry;
    count++;
  }
  return kept;
}

function member(value: object, name: string): unknown {
  try {
    return (value as Readonly<Record<string, unknown>>)[name];
  } catch {
    return undefined;
  }
}

function text(value: string, budget: Budget): string | undefined {
  const longest = Math.min(LONGEST_TEXT, budget.left);
  if (longest <= 0) return undefined;
  const kept = value.length <= longest ? value : `${value.slice(0, longest - 1)}…`;
  budget.left -= Buffer.byteLength(JSON.stringify(kept));
  return kept;
}

function paid<T extends number | boolean | null>(value: T, bytes: number, budget: Budget): T {
  budget.left -= bytes;
  return value;
}
