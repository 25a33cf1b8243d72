import { shown } from '../options/shown.js';
import type { CatalogueEntry } from './catalogue.js';

/** Registered, so that one copy of the package lints the catalogues of another. */
const CATALOGUE = Symbol.for('ferrule.catalogue');

/** Makes of factories by reason a catalogue that can be walked through. */
export function markCatalogue<O extends object>(catalogue: O, entries: readonly CatalogueEntry[]): O & Iterable<CatalogueEntry> {
  return Object.defineProperties(catalogue, {
    [CATALOGUE]: { value: true },
    [Symbol.iterator]: { value: () => entries.values() },
  }) as O & Iterable<CatalogueEntry>;
}

/** Whether defineErrors() made it, of this or another copy of the package. */
export function isCatalogue(value: unknown): value is Iterable<CatalogueEntry> {
  return typeof value === 'object' && value !== null && (value as { readonly [CATALOGUE]?: unknown })[CATALOGUE] === true;
}

/** @throws TypeError when it is no catalogue */
export function throwNoCatalogue(value: unknown, origin: string): void {
  if (!isCatalogue(value)) throw new TypeError(`${origin}: ${noCatalogue(value)}`);
}

function noCatalogue(value: unknown): string {
  return `${shown(value)} is no catalogue. Give what defineErrors() gave.`;
}

/**
 * Looks at several catalogues together, at the start of whatever uses them all.
 * @throws TypeError that lists every reason and number that two of them have, and what is no catalogue
 */
export function lintCatalogues(...catalogues: readonly Iterable<CatalogueEntry>[]): void {
  const problems: string[] = [];
  const reasons = new Map<string, CatalogueEntry>();
  const numbers = new Map<number, CatalogueEntry>();
  for (const catalogue of new Set(catalogues)) {
    if (!isCatalogue(catalogue)) {
      problems.push(noCatalogue(catalogue));
      continue;
    }
    for (const entry of catalogue) {
      const { reason, number } = entry;
      const namesake = reasons.get(reason);
      if (namesake !== undefined) problems.push(`${named(entry)}: ${named(namesake)} has this reason too. Give each its own.`);
      else reasons.set(reason, entry);
      const twin = number === undefined ? undefined : numbers.get(number);
      if (twin !== undefined) problems.push(`${named(entry)} number: ${number} is that of ${named(twin)} too. Give each its own.`);
      else if (number !== undefined) numbers.set(number, entry);
    }
  }
  throwAll('lintCatalogues', problems);
}

function named({ service, reason }: CatalogueEntry): string {
  return service === undefined ? reason : `${service} ${reason}`;
}

/** @param origin such as `defineErrors`, for the first line of the message */
export function throwAll(origin: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const count = problems.length === 1 ? 'there is a problem' : `there are ${problems.length} problems`;
  throw new TypeError(`${origin}: ${count} in the catalogue.\n${problems.map((one) => `  - ${one}`).join('\n')}`);
}
