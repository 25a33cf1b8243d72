import type { CatalogueEntry } from '../errors/catalogue.js';
import { lintCatalogues } from '../errors/catalogue-lint.js';
import type { ErrorAggregator } from '../errors/aggregator.js';
import type { ErrorMonitor } from '../errors/monitor.js';
import { checkList, checkMethods } from '../options/check.js';
import type { WrapperOption } from '../wrappers/stack.js';

/** What counts the errors of a service: `errorMonitor()` or `errorAggregator()`. */
export type ErrorWatch = ErrorMonitor | ErrorAggregator;

/** One, several or none, as a list. */
export function errorWatches(given: ErrorWatch | readonly ErrorWatch[] | undefined): readonly ErrorWatch[] {
  if (given === undefined) return [];
  return Array.isArray(given) ? (given as readonly ErrorWatch[]) : [given as ErrorWatch];
}

/** @throws TypeError when one is none, or stands twice, and would count every error twice */
export function checkErrorWatches(given: unknown, option: string): void {
  const watches = errorWatches(given as ErrorWatch | undefined);
  for (const one of watches) checkMethods(one, ['wrap', 'record', 'close'], option, 'Give what errorMonitor() or errorAggregator() made');
  if (new Set(watches).size < watches.length)
    throw new TypeError(`${option}: one stands there twice, and would count every error twice. Give it once.`);
}

/** Where they stand: outside of the mapping of errors, so that refusals and timeouts are seen too. */
export function watching(watches: readonly ErrorWatch[]): readonly WrapperOption[] {
  return watches.map((wrapper) => ({ wrapper, before: 'errors' }));
}

/** @throws TypeError when it is no list of catalogues, or two of them have a reason or number */
export function checkCatalogues(given: unknown, option: string): void {
  checkList(given, option, 'catalogues that defineErrors() made');
  lintCatalogues(...((given ?? []) as readonly Iterable<CatalogueEntry>[]));
}
