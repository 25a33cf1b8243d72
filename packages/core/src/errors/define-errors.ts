import { checkOptions } from '../options/check.js';
import { shown } from '../options/shown.js';
import { definitionProblems } from './catalogue-definitions.js';
import { markCatalogue, throwAll } from './catalogue-lint.js';
import type { Catalogue, CatalogueOptions, ErrorDefinition, ErrorDefinitions, ParamsOf } from './catalogue.js';
import { factoryOf } from './error-factory.js';

/** A whitelist may name only params that there are, and no member may be misspelt, which a type parameter alone would let pass. */
type CheckedDetails<D extends ErrorDefinitions> = {
  readonly [R in keyof D]: { readonly details?: readonly NameOf<ParamsOf<D[R]>>[] } & {
    readonly [M in Exclude<keyof D[R], keyof ErrorDefinition>]: never;
  };
};

type NameOf<P> = [P] extends [never] ? never : keyof NonNullable<P> & string;

/**
 * The errors of a service, each defined once: reason (the key), code, number, title and detail. Gives a factory for each, which is a guard too.
 *
 * @example
 * const errors = defineErrors({ USER_NOT_FOUND: { number: 10001, code: 'NOT_FOUND', title: 'User not found', detail: ({ id }: { id: number }) => `No user ${id}` } });
 * throw errors.USER_NOT_FOUND({ id: 42 });
 * @throws TypeError that lists everything that is wrong with the definitions
 */
export function defineErrors<const D extends ErrorDefinitions>(definitions: D & CheckedDetails<D>, options: CatalogueOptions = {}): Catalogue<D> {
  checkOptions('defineErrors', options, ['service', 'types']);
  if (typeof definitions !== 'object' || definitions === null) {
    throw new TypeError(
      `defineErrors: ${shown(definitions)} is no catalogue. Give { USER_NOT_FOUND: { code: 'NOT_FOUND', title: 'User not found' } }.`,
    );
  }
  const { service, types } = options;
  if (service !== undefined && (typeof service !== 'string' || service === ''))
    throw new TypeError(`defineErrors service: ${shown(service)} is no name. Give the name of the service, or leave it out.`);
  if (types !== undefined && !(typeof types === 'string' && types.length <= 160 && URL.canParse(types)))
    throw new TypeError(
      `defineErrors types: ${shown(types)} is no absolute URI of at most 160 characters. Give one such as https://errors.example.com/.`,
    );
  throwAll('defineErrors', definitionProblems(definitions));

  const factories = Object.entries(definitions).map(([reason, definition]) => factoryOf(reason, definition, options));
  const catalogue: Record<string | symbol, unknown> = Object.fromEntries(factories.map((factory) => [factory.entry.reason, factory]));
  const entries = Object.freeze(factories.map(({ entry }) => entry));
  return Object.freeze(markCatalogue(catalogue, entries)) as unknown as Catalogue<D>;
}

/** Whether it is one of these kinds. Never throws. @example if (isOneOf(error, errors.USER_NOT_FOUND, errors.ORDER_NOT_FOUND)) … */
export function isOneOf<F extends readonly { is(error: unknown): boolean }[]>(error: unknown, ...kinds: F): error is Guarded<F[number]> {
  return kinds.some((kind) => kind.is(error));
}

type Guarded<F> = F extends { is(error: unknown): error is infer E } ? E : never;
