import type { Call } from '../call/call.js';
import { Reply } from '../call/reply.js';
import { ServiceError } from '../errors/service-error.js';
import type { FieldError } from '../errors/service-error.js';
import { checkSchema, validate } from '../validation/standard-schema.js';
import type { SchemaOutput, StandardSchema } from '../validation/standard-schema.js';
import { isNative } from './native.js';
import { argumentsOf, body, header, param, query } from './parameters.js';
import type { Source } from './parameters.js';
import type { Result, RouteHandler } from './route.js';

/** Schemas for the parts of a request. Header fields have lower-case names. */
export interface InputSchemas {
  readonly params?: StandardSchema;
  readonly query?: StandardSchema;
  readonly headers?: StandardSchema;
  readonly body?: StandardSchema;
}

/** What the schemas give, part by part. */
export type InputOf<I extends InputSchemas> = { readonly [K in keyof I]: SchemaOutput<I[K]> };

const PARTS = {
  params: (schema: StandardSchema) => param(schema),
  query: (schema: StandardSchema) => query(schema),
  headers: (schema: StandardSchema) => header(schema),
  body: (schema: StandardSchema) => body(schema),
} as const;

/**
 * The handler with its input validated before it runs, given as its second argument, and its result after it.
 * @throws TypeError for a schema that is none, a part that is unknown, or a native handler, which reads and answers by itself
 */
export function withSchemas(
  handler: RouteHandler | ((call: Call, input: never) => Result),
  input: InputSchemas | undefined,
  output: StandardSchema | undefined,
  where: string,
): RouteHandler {
  if (input === undefined && output === undefined) return handler as RouteHandler;
  if (isNative(handler as RouteHandler))
    throw new TypeError(
      `${where}: a native handler reads and answers by itself, so input and output cannot be validated. Let the handler return a value.`,
    );
  const finish = output === undefined ? undefined : fitting(checkSchema(output, `${where}: output`), where);
  const run = handler as (call: Call, input?: unknown) => Result;
  if (input === undefined) return async (call) => finish!(await run(call));
  const read = inputReader(input, where);
  const handle = (call: Call): Result => {
    const values = read(call);
    return values instanceof Promise ? values.then((late) => run(call, late)) : run(call, values);
  };
  return finish === undefined ? handle : async (call) => finish(await handle(call));
}

function inputReader(input: InputSchemas, where: string): (call: Call) => unknown {
  if (typeof input !== 'object' || input === null)
    throw new TypeError(`${where}: input is ${String(input)}. Give an object of schemas such as { query: schema }.`);
  const names = Object.keys(input) as (keyof InputSchemas)[];
  const sources: Source[] = names.map((name) => {
    if (!Object.hasOwn(PARTS, name))
      throw new TypeError(`${where}: input ${JSON.stringify(name)} is no part of a request. Use ${Object.keys(PARTS).join(', ')}.`);
    return PARTS[name](checkSchema(input[name], `${where}: input.${name}`));
  });
  const read = argumentsOf(sources);
  const gather = (values: readonly unknown[]): unknown => Object.fromEntries(names.map((name, index) => [name, values[index]]));
  return (call) => {
    const values = read(call);
    return values instanceof Promise ? values.then(gather) : gather(values);
  };
}

/** What does not fit is our own fault: 500, and the client is not told what it would have been. */
function fitting(schema: StandardSchema, where: string): (result: unknown) => unknown {
  const check = async (value: unknown): Promise<unknown> => {
    const issues: FieldError[] = [];
    const fitted = await validate(schema, value, '#', issues);
    if (issues.length === 0) return fitted;
    throw new ServiceError(
      'INTERNAL',
      `${where}: the reply does not fit its schema: ${issues.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ')}`,
      {
        reason: 'REPLY_DOES_NOT_FIT',
      },
    );
  };
  return async (result) => {
    if (!(result instanceof Reply)) return check(result);
    // An error that was answered by hand is none of the contract's.
    return result.status >= 300 || result.sent ? result : result.with({ body: await check(result.body) });
  };
}
