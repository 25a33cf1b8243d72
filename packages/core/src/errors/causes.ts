import { shown } from '../options/shown.js';

export interface CausesOptions {
  /** How many levels below the error. Default 5. */
  readonly depth?: number;
}

const MOST_ERRORS = 10;

/**
 * What is behind an error, for a log: its cause, the cause of that, and so on, nearest first; of an AggregateError also its `errors`, the first
 * ten. None twice, so that a ring ends. Never throws for what an error does when it is looked at.
 * @throws TypeError when `depth` is no whole number from 1
 */
export function causesOf(error: unknown, { depth = 5 }: CausesOptions = {}): readonly unknown[] {
  if (!Number.isSafeInteger(depth) || depth < 1) throw new TypeError(`causesOf depth: ${shown(depth)} is no count. Give a whole number from 1.`);
  const found = new Set<unknown>();
  let level: readonly unknown[] = [error];
  for (let below = 0; below < depth && level.length > 0; below++) {
    const next: unknown[] = [];
    for (const one of level) {
      for (const cause of directCauses(one)) {
        if (cause === error || found.has(cause)) continue;
        found.add(cause);
        next.push(cause);
      }
    }
    level = next.slice(0, MOST_ERRORS);
  }
  return [...found];
}

function directCauses(error: unknown): unknown[] {
  if (typeof error !== 'object' || error === null) return [];
  const found: unknown[] = [];
  try {
    const { cause } = error as { readonly cause?: unknown };
    if (cause !== undefined) found.push(cause);
    const { name, errors } = error as { readonly name?: unknown; readonly errors?: unknown };
    if (name === 'AggregateError' && Array.isArray(errors)) found.push(...(errors.slice(0, MOST_ERRORS) as unknown[]));
  } catch {
    // A Proxy or a getter that throws: what was read until then counts.
  }
  return found;
}
