import type { CatalogueEntry } from './catalogue.js';
import { shown } from '../options/shown.js';
import { isCatalogue } from './catalogue-lint.js';
import { checkMappers } from './error-mapper.js';
import type { ErrorMapper } from './error-mapper.js';
import type { KnownKinds } from './remote-error.js';

/** What a client makes errors of: mappers, and catalogues of the services that it calls. */
export type ClientErrors = readonly (ErrorMapper | Iterable<CatalogueEntry>)[];

/** @throws TypeError when one is neither. */
export function checkClientErrors(errors: unknown, option: string): void {
  if (Array.isArray(errors))
    for (const one of errors as readonly unknown[])
      if (!isCatalogue(one) && (typeof one !== 'object' || one === null || !('toError' in one || 'toReply' in one)))
        throw new TypeError(
          `${option}: ${shown(one)} is no error mapper. Give { toError: (reply, call) => an Error or undefined }, or a catalogue, which is what defineErrors() gave.`,
        );
  checkMappers(Array.isArray(errors) ? errors.filter((one) => !isCatalogue(one)) : errors, option);
}

/** Those that read replies. */
export function mappersIn(errors: ClientErrors): readonly ErrorMapper[] {
  return errors.filter((one): one is ErrorMapper => !isCatalogue(one) && one.toError !== undefined);
}

/**
 * Finds an error in catalogues by its reason, then its type, then its number. A number says something in the one service that gave it alone:
 * it counts where the catalogue is that service's own, or nobody's.
 */
export function kindsIn(errors: ClientErrors): KnownKinds | undefined {
  const entries = errors.filter((one) => isCatalogue(one)).flatMap((catalogue) => [...catalogue]);
  if (entries.length === 0) return undefined;
  const reasons = new Map(entries.map((entry) => [entry.reason, entry]));
  const types = new Map(entries.filter(({ type }) => type !== 'about:blank').map((entry) => [entry.type, entry]));
  return ({ reason, type, number }, service) => {
    if (reason !== undefined) return reasons.get(reason);
    const typed = type === undefined ? undefined : types.get(type);
    if (typed !== undefined || number === undefined) return typed;
    return entries.find((entry) => entry.number === number && (entry.service === undefined || entry.service === service));
  };
}
