import { REASONS, ServiceError } from '../errors/service-error.js';
import type { FieldError } from '../errors/service-error.js';

/**
 * A schema of any library that implements Standard Schema 1 (standardschema.dev): zod from 3.24, valibot from 1.0, arktype from 2.0.
 * `I` is what it takes, `O` what it gives.
 */
export interface StandardSchema<I = unknown, O = I> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<O> | Promise<SchemaResult<O>>;
    readonly types?: { readonly input: I; readonly output: O } | undefined;
  };
}

export type SchemaResult<O> = { readonly value: O; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema takes. */
export type SchemaInput<S> = S extends StandardSchema<infer I, unknown> ? I : never;
/** What a schema gives. */
export type SchemaOutput<S> = S extends StandardSchema<unknown, infer O> ? O : never;

export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as { '~standard'?: unknown })['~standard'];
  return typeof standard === 'object' && standard !== null && typeof (standard as { validate?: unknown }).validate === 'function';
}

/** @throws TypeError when the value is no schema */
export function checkSchema(value: unknown, where: string): StandardSchema {
  if (isStandardSchema(value)) return value;
  throw new TypeError(
    `${where}: ${value === null ? 'null' : typeof value === 'object' ? 'an object without ~standard' : `a ${typeof value}`} is no schema. Give one that implements Standard Schema, as those of zod (from 3.24), valibot (from 1.0) and arktype (from 2.0) do.`,
  );
}

/**
 * What the schema makes of the value. What does not fit is added to `issues`, with its place as a JSON Pointer below `pointer`
 * (RFC 6901, as a URI fragment); the result is then undefined.
 */
export function validate<O>(
  schema: StandardSchema<unknown, O>,
  value: unknown,
  pointer: string,
  issues: FieldError[],
): O | undefined | Promise<O | undefined> {
  const result = schema['~standard'].validate(value);
  // Any thenable: that of another realm (a vm, a test runner) is no instance of our Promise.
  return 'then' in result ? Promise.resolve(result).then((late) => settle(late, pointer, issues)) : settle(result, pointer, issues);
}

/** The error for values of a request that do not fit: 400, with a line for each in `errors`. */
export function invalidInput(issues: readonly FieldError[]): ServiceError {
  const [first] = issues;
  const rest = issues.length === 1 ? '' : ` (and ${issues.length - 1} more)`;
  return new ServiceError('INVALID_ARGUMENT', `The request does not fit: ${first?.pointer ?? '#'} ${first?.detail ?? ''}${rest}`, {
    reason: REASONS.validationFailed,
    errors: issues,
  });
}

/** One token of a JSON Pointer. */
export function pointerToken(key: PropertyKey): string {
  return String(key).replaceAll('~', '~0').replaceAll('/', '~1');
}

function settle<O>(result: SchemaResult<O>, pointer: string, issues: FieldError[]): O | undefined {
  if (result.issues === undefined) return result.value;
  for (const { message, path = [] } of result.issues) {
    const place = path.map((part) => `/${pointerToken(typeof part === 'object' ? part.key : part)}`).join('');
    issues.push({ pointer: pointer + place, detail: message });
  }
  return undefined;
}
