import type { Code } from './codes.js';
import type { ServiceError } from './service-error.js';
import type { ServiceErrorOptions } from './service-error-options.js';

/** One kind of error, as a catalogue defines it. */
export interface ErrorDefinition {
  /** What it means to whoever knows nothing of the business. */
  readonly code: Code;
  /** The business number, for example 10001, from 1; the only one of its kind. Never a status. */
  readonly number?: number;
  /** Short, the same for every occurrence, at most 128 characters. */
  readonly title: string;
  /** What happened this time: a text, or a function of the params, whose type is that of the factory's first argument. Default: the title. */
  readonly detail?: string | ((params: never) => string);
  /** When it comes and what to do about it, for the documentation. */
  readonly description?: string;
  /** URI of the problem type. Default: the catalogue's `types` with the reason in kebab-case, or `about:blank`. */
  readonly type?: string;
  /** HTTP status, 400 to 599. Default: that of the code. */
  readonly status?: number;
  /** Whether trying again later may help. Default: that of the code. */
  readonly retryable?: boolean;
  /** Whether `detail` may leave the process. Default: true below 500. */
  readonly expose?: boolean;
  /** Which params a client may see, as `details` of the problem. Default: none. */
  readonly details?: readonly string[];
}

export type ErrorDefinitions = Readonly<Record<string, ErrorDefinition>>;

export interface CatalogueOptions {
  /** Whose errors they are, for the documentation and for messages. */
  readonly service?: string;
  /** An absolute URI that the types of the errors begin with, such as `https://errors.example.com/`. Default: they have none. */
  readonly types?: string;
}

/** What an occurrence may add. */
export type OccurrenceOptions = Pick<ServiceErrorOptions, 'cause' | 'errors' | 'retryAfterMs' | 'unsent'>;

/** What the params of a definition are: what its `detail` takes. */
export type ParamsOf<D extends ErrorDefinition> = D extends { readonly detail: (params: infer P) => string } ? P : never;

/** Params come first where `detail` is a function of them; everything else may be left out. */
export type OccurrenceArguments<D extends ErrorDefinition> = D extends { readonly detail: (...params: infer P) => string }
  ? P extends readonly []
    ? [params?: undefined, options?: OccurrenceOptions]
    : undefined extends P[0]
      ? [params?: P[0], options?: OccurrenceOptions]
      : [params: P[0], options?: OccurrenceOptions]
  : [options?: OccurrenceOptions];

/** An error of this kind: made here, made by another copy of the package, or answered by another service. */
export type CataloguedError<R extends string = string, C extends Code = Code> = ServiceError & { readonly reason: R; readonly code: C };

/** Makes errors of one kind, and knows them: `error instanceof errors.USER_NOT_FOUND` and `errors.USER_NOT_FOUND.is(error)` go by the reason. */
export interface ErrorFactory<R extends string, D extends ErrorDefinition> {
  (...occurrence: OccurrenceArguments<D>): CataloguedError<R, D['code']>;
  /** Whether it is one of this kind. Never throws. */
  is(error: unknown): error is CataloguedError<R>;
  [Symbol.hasInstance](error: unknown): error is CataloguedError<R>;
  readonly entry: CatalogueEntry;
}

/** A definition with its defaults filled in. */
export interface CatalogueEntry {
  readonly reason: string;
  readonly service: string | undefined;
  readonly code: Code;
  readonly number: number | undefined;
  readonly status: number;
  readonly title: string;
  /** `detail` with `{name}` in place of the params, when it can be told. */
  readonly detail: string | undefined;
  readonly description: string | undefined;
  readonly type: string;
  readonly retryable: boolean;
  readonly expose: boolean;
  readonly details: readonly string[];
}

/** The factories by reason. Walked through, it gives the entries, in the order of their definition. Without an argument it is any catalogue. */
export type Catalogue<D extends ErrorDefinitions = Readonly<Record<never, never>>> = {
  readonly [R in keyof D & string]: ErrorFactory<R, D[R]>;
} & Iterable<CatalogueEntry>;
