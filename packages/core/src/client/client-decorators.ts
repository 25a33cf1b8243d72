import type { CallHeaders } from '../call/call.js';
import { isStream } from '../call/reply.js';
import { levelsOf, nameOf, noting } from '../decorators/notes.js';
import type { Constructor } from '../decorators/notes.js';
import { ServiceError } from '../errors/service-error.js';
import type { FieldError } from '../errors/service-error.js';
import { isStandardSchema, validate } from '../validation/standard-schema.js';
import type { SchemaInput, SchemaOutput, StandardSchema } from '../validation/standard-schema.js';
import { shown } from '../options/shown.js';
import type { ClientOptions, RequestOptions, ServiceClient as Client } from './service-client.js';
import { pathTemplate } from './target.js';
import type { TargetQuery, TargetValue } from './target.js';

/** The parts of a request that a remote operation takes. */
export interface RemoteInput {
  readonly params?: Readonly<Record<string, TargetValue>>;
  readonly query?: TargetQuery;
  readonly headers?: CallHeaders;
  readonly body?: unknown;
}

/** What any remote call may say beside its input. */
export type RemoteOptions = Pick<RequestOptions, 'timeout' | 'address' | 'signal' | 'idempotencyKey'>;

/** An operation of another service as a function: takes the parts of the request in one object and gives the body of the reply. */
export type Remote<I extends RemoteInput = Record<never, never>, O = void> =
  Record<never, never> extends I ? (request?: I & RemoteOptions) => Promise<O> : (request: I & RemoteOptions) => Promise<O>;

/** What both sides agree upon: the options of the route on the server, and those of the field on the client. */
export interface Contract {
  readonly input?: { readonly [Part in keyof RemoteInput]?: StandardSchema };
  readonly output?: StandardSchema;
}

/** The type of a field whose verb was given the contract that the server's route has. */
export type RemoteOf<C extends Contract> = Remote<
  C extends { readonly input: infer I } ? { readonly [Part in keyof I]: SchemaInput<I[Part]> } : Record<never, never>,
  C extends { readonly output: infer S } ? SchemaOutput<S> : void
>;

/** A class without constructor arguments whose fields are remote operations. */
export type ClientClass<T extends object = object> = new () => T;

interface ServiceClientNote {
  readonly target: string;
  readonly options: ClientOptions | undefined;
}

interface Operation {
  readonly key: string | symbol;
  readonly verb: string;
  readonly path: string;
  readonly output: StandardSchema | undefined;
}

const BY = '@ServiceClient';

/**
 * A class whose fields are operations of another service: `@Get('/orders/:id') readonly find!: Remote<{ params: { id: string } }, Order>`.
 * The fields are filled by whoever makes the instance: `service.client(Orders)`, `clientOf(Orders, …)` or the container, for which the
 * class is a token. Made with `new`, each of them throws and says so.
 * @throws TypeError when the target is empty
 */
export function ServiceClient(target: string, options?: ClientOptions): <C extends ClientClass>(type: C, context?: ClassDecoratorContext) => C {
  if (typeof target !== 'string' || target === '')
    throw new TypeError(`${BY}(${shown(target)}): give the name of a service, such as 'orders', or an address.`);
  const note: ServiceClientNote = { target, options };
  const mark = noting(BY, note, ['class']);
  return <C extends ClientClass>(type: C, context?: ClassDecoratorContext): C => {
    mark(type, context);
    // A declared field is an own undefined: only who sees the construction can put something in its place.
    return new Proxy(type, {
      construct(made, args, newTarget): object {
        const instance = Reflect.construct(made, args, newTarget) as Record<string | symbol, unknown>;
        for (const { key } of operationsOf(newTarget as unknown as ClientClass)) instance[key] ??= unfilled(newTarget, key);
        return instance;
      },
    });
  };
}

export type ServiceClient = Client;

/** Whether the class carries `@ServiceClient`. */
export function isClientClass(type: unknown): type is ClientClass {
  return typeof type === 'function' && noteOf(type as Constructor) !== undefined;
}

/**
 * An instance of a `@ServiceClient` class whose fields call through `source`: a client, or what makes one of the class's target and options.
 * Whoever made the client closes it.
 * @throws TypeError when the class is none, has no operation, a path is malformed or a verb stands on a method
 */
export function clientOf<T extends object>(
  type: ClientClass<T>,
  source: Client | ((target: string, options: ClientOptions | undefined) => Client),
): T {
  const note = noteOf(type);
  const name = nameOf(type);
  if (note === undefined) throw new TypeError(`${name} has no ${BY}, so it is no client. Put @ServiceClient('service') on the class.`);
  const stray = levelsOf(type)
    .flatMap(({ notes }) => notes)
    .find(({ by, place }) => place === 'class' && by !== BY && by !== '@Inject');
  if (stray !== undefined)
    throw new TypeError(
      `${name}: ${stray.by} does nothing on a client. Give its options to @ServiceClient: @ServiceClient('${note.target}', { … }).`,
    );
  const operations = operationsOf(type);
  if (operations.length === 0) throw new TypeError(`${name} has no operation. Declare fields such as @Get('/orders/:id') readonly find!: Remote<…>.`);
  for (const { key, verb, path } of operations) {
    if (key in type.prototype)
      throw new TypeError(
        `${name}.${String(key)}: a verb stands on a method. In a @ServiceClient it stands on a field: readonly ${String(key)}!: Remote<…>.`,
      );
    checkedPath(`${name}.${String(key)}`, verb, path);
  }
  const client = typeof source === 'function' ? source(note.target, note.options) : source;
  const instance = new type() as T & Record<string | symbol, unknown>;
  for (const operation of operations) {
    Object.defineProperty(instance, operation.key, { value: remote(client, operation, `${name}.${String(operation.key)}`), enumerable: true });
  }
  return instance;
}

function noteOf(type: Constructor): ServiceClientNote | undefined {
  const notes = levelsOf(type).flatMap(({ notes: own }) => own);
  return notes.findLast(({ by }) => by === BY)?.value as ServiceClientNote | undefined;
}

/** The verbs that stand on members; a derived class' verb takes the place of the inherited one. */
function operationsOf(type: Constructor): readonly Operation[] {
  const operations = new Map<string | symbol, Operation>();
  for (const { key, value } of levelsOf(type).flatMap(({ notes }) => notes)) {
    if (key === undefined || typeof value !== 'object' || value === null || !('verb' in value)) continue;
    const { verb, path, options } = value as { verb: string; path: string; options: { output?: StandardSchema } };
    operations.set(key, { key, verb, path: path === '' ? '/' : path, output: options.output });
  }
  return [...operations.values()];
}

function checkedPath(where: string, verb: string, path: string): void {
  try {
    pathTemplate(path);
  } catch (error) {
    throw new TypeError(`${where}, ${verb} ${path}: ${(error as Error).message}`);
  }
}

const PARTS: readonly string[] = ['params', 'query', 'headers', 'body', 'timeout', 'address', 'signal', 'idempotencyKey'];

function remote(client: Client, { verb, path, output }: Operation, name: string): Remote<RemoteInput, unknown> {
  if (output !== undefined && !isStandardSchema(output)) throw new TypeError(`${name}: output is no schema.`);
  const operation = async (request: RemoteInput & RemoteOptions = {}): Promise<unknown> => {
    if (typeof request !== 'object' || request === null)
      throw new TypeError(`${name}: it takes one object such as { params: { id: '1' } }, and was given ${typeof request}.`);
    for (const part of Object.keys(request)) {
      if (!PARTS.includes(part)) throw new TypeError(`${name}: there is no part ${JSON.stringify(part)} in a request. It takes ${PARTS.join(', ')}.`);
    }
    const reply = await client.request(verb, path, request);
    if (reply.status >= 300) {
      if (isStream(reply.body)) reply.body.destroy();
      throw unexpected(`${client.service} answered ${reply.status} to ${verb} ${path}, which has no body of the type that was asked for`);
    }
    if (output === undefined) return reply.body;
    const issues: FieldError[] = [];
    const body = await validate(output, reply.body, '#', issues);
    if (issues.length === 0) return body;
    throw unexpected(
      `${client.service} answered ${verb} ${path} with what does not fit: ${issues.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ')}`,
    );
  };
  Object.defineProperty(operation, 'name', { value: name });
  return operation;
}

function unexpected(message: string): ServiceError {
  return new ServiceError('INTERNAL', message, { status: 502, reason: 'UNEXPECTED_REPLY' });
}

function unfilled(type: object, key: string | symbol): () => never {
  const name = nameOf(type);
  return () => {
    throw new TypeError(
      `${name}.${String(key)}: this ${name} was made with new, so nothing stands behind its fields. Take it from service.client(${name}), clientOf(${name}, client('…')) or the container.`,
    );
  };
}
