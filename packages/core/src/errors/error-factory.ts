import type { CatalogueEntry, CatalogueOptions, CataloguedError, ErrorDefinition, ErrorFactory, OccurrenceOptions } from './catalogue.js';
import { CODE_TABLE } from './codes.js';
import { boundedParams, pickedParams } from './params.js';
import type { ErrorParams } from './params.js';
import { ServiceError, isServiceError } from './service-error.js';

type AnyFactory = ErrorFactory<string, ErrorDefinition>;

/** The factory of one kind, which is its guard too. The definition has been checked. */
export function factoryOf(reason: string, definition: ErrorDefinition, options: CatalogueOptions): AnyFactory {
  const entry = entryOf(reason, definition, options);
  const { code, number, status, title, type, retryable, expose } = entry;
  const fixed = { reason, status, title, type, retryable, expose, ...(number !== undefined && { number }) };
  const Occurred = classOf(entry);
  const { detail } = definition;
  const isKind = (error: unknown): error is CataloguedError => reasonOf(error) === reason;

  const factory = (...occurrence: readonly unknown[]): ServiceError => {
    if (typeof detail !== 'function') return new Occurred(code, detail ?? title, { ...(occurrence[0] as OccurrenceOptions | undefined), ...fixed });
    const [params, more] = occurrence as [unknown, OccurrenceOptions?];
    const kept = boundedParams(params);
    return new Occurred(code, textOf(detail, params) ?? title, { ...more, ...fixed, ...(kept !== undefined && { params: kept }) });
  };
  Object.defineProperties(factory, {
    name: { value: reason },
    is: { value: isKind },
    [Symbol.hasInstance]: { value: isKind },
    entry: { value: entry, enumerable: true },
  });
  return Object.freeze(factory) as AnyFactory;
}

/** The reason of a ServiceError of any copy of the package. Never throws. */
function reasonOf(error: unknown): string | undefined {
  try {
    return isServiceError(error) ? error.reason : undefined;
  } catch {
    return undefined;
  }
}

/** An error is made where something has gone wrong already: a detail that throws or gives no text must not hide it. */
function textOf(detail: (params: never) => string, params: unknown): string | undefined {
  try {
    const text: unknown = detail(params as never);
    return typeof text === 'string' && text !== '' ? text : undefined;
  } catch {
    return undefined;
  }
}

/** The whitelist stands in the class, so that an error costs nothing more; to all others it is a ServiceError. */
function classOf({ details }: CatalogueEntry): typeof ServiceError {
  if (details.length === 0) return ServiceError;
  class Occurred extends ServiceError {
    override get details(): ErrorParams | undefined {
      return pickedParams(this.params, details);
    }
  }
  Object.defineProperty(Occurred.prototype, 'constructor', { value: ServiceError });
  return Occurred;
}

function entryOf(reason: string, definition: ErrorDefinition, { service, types }: CatalogueOptions): CatalogueEntry {
  const row = CODE_TABLE[definition.code];
  const status = definition.status ?? row.status;
  return Object.freeze({
    reason,
    service,
    code: definition.code,
    number: definition.number,
    status,
    title: definition.title,
    detail: typeof definition.detail === 'function' ? templateOf(definition.detail) : definition.detail,
    description: definition.description,
    type: definition.type ?? (types === undefined ? 'about:blank' : types + reason.toLowerCase().replaceAll('_', '-')),
    retryable: definition.retryable ?? row.retryable,
    expose: definition.expose ?? status < 500,
    details: Object.freeze([...(definition.details ?? [])]),
  });
}

/** The detail as a translator wants to see it: called with `{name}` for every param. undefined when it does more than to put them into a text. */
function templateOf(detail: (params: never) => string): string | undefined {
  const names = new Proxy({}, { get: (_target, name) => (typeof name === 'string' ? `{${name}}` : undefined), has: () => true });
  const text = textOf(detail, names);
  return text === undefined || /NaN|undefined|\[object/.test(text) ? undefined : text;
}
