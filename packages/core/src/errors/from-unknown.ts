import { CODES, CODE_TABLE, codeOfStatus, isCode } from './codes.js';
import type { Code } from './codes.js';
import { REASON, REASONS, isOwnReason } from './reasons.js';
import type { ServiceErrorOptions } from './service-error-options.js';
import { systemErrorOf } from './system-errors.js';

/** What a thrown value stands for, before it is made an error of ours. */
export interface Recognised {
  readonly code: Code;
  readonly message: string;
  /** Made for this one: the cause is put in, since a copy with it costs four times what the rest does. */
  readonly options: { -readonly [K in keyof ServiceErrorOptions]: ServiceErrorOptions[K] };
  /** It has nothing of its own but message and stack, so there is nothing else to ask it for: no headers, no brand. */
  readonly isBare?: boolean;
}

/** Members of whatever was thrown. Each may be anything, and its getter may throw. */
type Thrown = Readonly<Record<string, unknown>>;

/**
 * What most rows want to know, read once: a member that is not there costs V8 up to 60 ns each time somebody asks for it. Rows ask for others only
 * where these make them likely.
 */
interface Facts {
  readonly thrown: Thrown;
  readonly message: string;
  readonly name: unknown;
  readonly code: unknown;
  /** From 400 to 599: `status`, `statusCode` or `output.statusCode`. */
  readonly status: number | undefined;
  readonly response: unknown;
  readonly config: unknown;
  /** How many AggregateErrors it lies in. */
  readonly depth: number;
}

interface Recogniser {
  /** Whose errors they are. */
  readonly of: string;
  /** undefined: none of mine. May throw when a getter does. */
  readonly read: (facts: Facts) => Recognised | undefined;
}

const ERROR_BRAND = Symbol.for('ferrule.error');
const REMOTE_BRAND = Symbol.for('ferrule.error.remote');
const DEEPEST = 4;
const MOST_ERRORS = 10;

/**
 * What was thrown, by the first row of the table that knows it. The message of a foreign error may leave the process only where its author made
 * it an answer (`expose: true` of http-errors, a boom, a Nest exception, each below 500). Never throws.
 */
export function recognise(thrown: unknown): Recognised {
  try {
    const found = read(thrown, 0);
    found.options.cause = thrown;
    return found;
  } catch {
    return { code: 'UNKNOWN', message: 'A thrown value could not be read', options: {} };
  }
}

function read(thrown: unknown, depth: number): Recognised {
  if (typeof thrown !== 'object' || thrown === null) {
    return { code: 'UNKNOWN', message: `Thrown value of type ${typeof thrown}`, options: {} };
  }
  const members = thrown as Thrown;
  const { message, name, code, response, config } = members;
  const text = typeof message === 'string' ? message : 'Unknown error';
  const status = statusOf(members);
  // A text that begins so may be an error of go-micro.
  if (status === undefined && isBare(thrown) && !text.startsWith('{'))
    return { code: 'UNKNOWN', message: text, options: { cause: thrown }, isBare: true };
  const facts: Facts = { thrown: members, message: text, name, code, status, response, config, depth };
  for (const { read: ask } of RECOGNISERS) {
    const found = ask(facts);
    if (found !== undefined) return found;
  }
  return { code: 'UNKNOWN', message: text, options: {} };
}

const BARE: ReadonlySet<unknown> = new Set([
  Error.prototype,
  TypeError.prototype,
  RangeError.prototype,
  SyntaxError.prototype,
  ReferenceError.prototype,
]);

/** An error of the language with nothing of its own but message and stack, as most bugs throw: no row can know it, and asking all of them takes long. */
function isBare(thrown: object): boolean {
  return BARE.has(Object.getPrototypeOf(thrown)) && Object.getOwnPropertyNames(thrown).length === 2 && Object.hasOwn(thrown, 'stack');
}

/**
 * What a server of ours should say when a service behind it answered with `status`: overload stays overload (503), a timeout a timeout
 * (504), any other 5xx is a 502; a 4xx is a 500, because it was our request that was wrong, and its 401 is not for our client.
 */
export function ownAnswerTo(status: number): { readonly code: Code; readonly status?: number } {
  if (status === 429 || status === 503) return { code: 'UNAVAILABLE' };
  if (status === 504 || status === 408) return { code: 'DEADLINE_EXCEEDED' };
  return status >= 500 ? { code: 'UNAVAILABLE', status: 502 } : { code: 'INTERNAL' };
}

/** Asked in turn: the particular before the general. */
const RECOGNISERS: readonly Recogniser[] = [
  { of: 'Ferrule itself, in an AggregateError', read: ours },
  { of: 'AbortController, undici, axios', read: abort },
  { of: 'AbortSignal.timeout()', read: ({ name, message }) => (name === 'TimeoutError' ? timedOut(message) : undefined) },
  { of: 'boom', read: boom },
  { of: 'NestJS', read: nest },
  { of: 'grpc-js, Connect', read: grpc },
  { of: 'undici, when a status is thrown', read: undiciResponse },
  { of: 'axios, got, superagent, AWS and whatever else carries the answer of another service', read: apiClient },
  { of: 'http-errors, Koa, Express and whatever else has a status', read: withStatus },
  { of: 'Moleculer', read: moleculer },
  { of: 'Kratos', read: kratos },
  { of: 'go-micro', read: goMicro },
  { of: 'AggregateError and a go-micro MultiError', read: aggregate },
  { of: 'Node, and fetch around it', read: system },
];

function ours({ thrown, code, message, depth }: Facts): Recognised | undefined {
  if (depth === 0) return undefined; // ServiceError.from gives it back, unless it only says that it is one
  const { [ERROR_BRAND]: branded, [REMOTE_BRAND]: remote } = thrown as { readonly [brand: symbol]: unknown };
  const { status, reason, number, type, title, expose, retryable } = thrown;
  if (branded !== true || !isCode(code) || !isStatus(status)) return undefined;
  if (remote === true) return answerOfAnother(status, message);
  return {
    code,
    message,
    options: {
      status,
      expose: expose === true,
      retryable: retryable === true,
      ...(typeof reason === 'string' && { reason }),
      ...(typeof number === 'number' && { number }),
      ...(typeof type === 'string' && { type }),
      ...(typeof title === 'string' && { title }),
    },
  };
}

function abort({ name, code, message }: Facts): Recognised | undefined {
  const isAbort = name === 'AbortError' || code === 'ABORT_ERR' || code === 'UND_ERR_ABORTED' || code === 'ERR_CANCELED';
  return isAbort ? { code: 'CANCELLED', message, options: { expose: false } } : undefined;
}

/** `Boom.notFound('…')`: what it wants to say stands in `output.payload`, and it says it below 500 alone. */
function boom({ thrown, status, response, config }: Facts): Recognised | undefined {
  if (status === undefined || response !== undefined || config !== undefined || thrown['isBoom'] !== true) return undefined;
  const { output } = thrown;
  const payload = isObject(output) ? output['payload'] : undefined;
  const said = isObject(payload) ? payload['message'] : undefined;
  const expose = status < 500 && typeof said === 'string';
  return { code: codeOfStatus(status), message: typeof said === 'string' ? said : 'Unknown error', options: { status, expose } };
}

/** `new NotFoundException('…')`: known by its two methods; `response` is what it answers with, a text or a body. */
function nest({ thrown, message, status, response }: Facts): Recognised | undefined {
  if (status === undefined || response === undefined) return undefined;
  if (typeof thrown['getStatus'] !== 'function' || typeof thrown['getResponse'] !== 'function') return undefined;
  const said = isObject(response) ? response['message'] : response;
  const text = Array.isArray(said) ? said.filter((one) => typeof one === 'string').join('; ') : said;
  const expose = status < 500 && typeof text === 'string' && text !== '';
  return { code: codeOfStatus(status), message: expose ? text : message, options: { status, expose } };
}

/** A number from 1 to 16 with `metadata` that can be asked. It is the answer of another service, as that of axios is. */
function grpc({ thrown, code, message }: Facts): Recognised | undefined {
  if (typeof code !== 'number') return undefined;
  const { metadata, details, rawMessage } = thrown;
  if (!isObject(metadata) || typeof metadata['get'] !== 'function') return undefined;
  if (typeof details !== 'string' && typeof rawMessage !== 'string') return undefined;
  const canonical = CODES[code - 1];
  if (canonical === undefined) return undefined;
  return canonical === 'CANCELLED'
    ? { code: canonical, message, options: { expose: false } }
    : answerOfAnother(CODE_TABLE[canonical].status, message);
}

function undiciResponse({ code, status, message }: Facts): Recognised | undefined {
  return code === 'UND_ERR_RESPONSE' || code === 'UND_ERR_RESPONSE_STATUS_CODE' ? answerOfAnother(status ?? 502, message) : undefined;
}

function apiClient({ thrown, code, status, message, response, config }: Facts): Recognised | undefined {
  const { $metadata: aws } = thrown;
  if (response === undefined && config === undefined && !isObject(aws)) return undefined;
  const ofAws = isObject(aws) ? aws['httpStatusCode'] : undefined;
  const answered = status ?? (isObject(response) ? statusOf(response) : undefined) ?? (isStatus(ofAws) ? ofAws : undefined);
  if (answered !== undefined) return answerOfAnother(answered, message);
  if (config === undefined) return undefined;
  // axios without an answer
  if (code === 'ECONNABORTED') return timedOut(message);
  return code === 'ERR_NETWORK' ? { code: 'UNAVAILABLE', message, options: { reason: REASONS.connectFailed } } : undefined;
}

/** A status alone says nothing of whom the message is for: the errors of API clients have one too, with what their own server said. */
function withStatus({ thrown, status, message }: Facts): Recognised | undefined {
  return status === undefined ? undefined : { code: codeOfStatus(status), message, options: { status, expose: thrown['expose'] === true } };
}

/** `{ code: 404, type: 'USER_NOT_FOUND', data, retryable }` */
function moleculer({ thrown, code, message }: Facts): Recognised | undefined {
  if (!isStatus(code)) return undefined;
  const { type, retryable } = thrown;
  if (typeof retryable !== 'boolean') return undefined;
  return { code: codeOfStatus(code), message, options: { status: code, expose: false, retryable, ...reasonOf(type) } };
}

/** `{ code: 404, reason: 'USER_NOT_FOUND', message, metadata }` */
function kratos({ thrown, code, message }: Facts): Recognised | undefined {
  if (!isStatus(code)) return undefined;
  const { reason } = thrown;
  return typeof reason === 'string'
    ? { code: codeOfStatus(code), message, options: { status: code, expose: false, ...reasonOf(reason) } }
    : undefined;
}

/** `{ id: 'users', code: 404, detail, status: 'Not Found' }`, as an object or as the text of an error; its Timeout is a 408. */
function goMicro({ thrown, code: own, message }: Facts): Recognised | undefined {
  if (typeof own !== 'number' && !message.startsWith('{')) return undefined;
  const { id, code, detail } = typeof own === 'number' ? thrown : parsed(message);
  if (typeof id !== 'string' || !isStatus(code) || typeof detail !== 'string') return undefined;
  return { code: codeOfStatus(code), message: detail, options: { status: code, expose: false } };
}

/** The most severe of the errors in it. They stay with it, as the cause. */
function aggregate({ thrown, name, message, depth }: Facts): Recognised | undefined {
  const { errors } = thrown;
  if (!Array.isArray(errors) || errors.length === 0 || depth >= DEEPEST) return undefined;
  const listed = errors.slice(0, MOST_ERRORS).map((one: unknown) => {
    try {
      return read(one, depth + 1);
    } catch {
      return undefined;
    }
  });
  // Many an error has a list of this name: that of a validation is one of its own.
  if (name !== 'AggregateError' && listed.every((one) => one === undefined || one.code === 'UNKNOWN')) return undefined;
  const worst = listed.reduce((a, b) => (b === undefined || (a !== undefined && severity(a) >= severity(b)) ? a : b), undefined);
  if (worst === undefined) return undefined;
  return { code: worst.code, message: message === '' ? worst.message : `${message}: ${worst.message}`, options: { ...worst.options, expose: false } };
}

function system({ thrown, code, message }: Facts): Recognised | undefined {
  const known = systemErrorOf(code, thrown['cause']);
  return known === undefined ? undefined : { code: known.code, message, options: known.reason === undefined ? {} : { reason: known.reason } };
}

/** A 500 that nobody expected is worse than a dependency that is away, that than a caller who was wrong, that than nobody waiting. */
function severity({ code, options }: Recognised): number {
  if (code === 'CANCELLED') return 0;
  const status = options.status ?? CODE_TABLE[code].status;
  if (status < 500) return status === 429 ? 2 : 1;
  return code === 'DATA_LOSS' ? 6 : status === 500 ? 5 : status === 504 ? 3 : 4;
}

function answerOfAnother(status: number, message: string): Recognised {
  const { code, ...own } = ownAnswerTo(status);
  return { code, message, options: { ...own, expose: false } };
}

function timedOut(message: string): Recognised {
  return { code: 'DEADLINE_EXCEEDED', message, options: { reason: REASONS.timeout } };
}

/** A word of theirs is a word of ours, unless we mean something else by it. */
function reasonOf(word: unknown): { readonly reason?: string } {
  return typeof word === 'string' && REASON.test(word) && !isOwnReason(word) ? { reason: word } : {};
}

function statusOf(thrown: Thrown): number | undefined {
  const { status } = thrown;
  if (isStatus(status)) return status;
  const { statusCode } = thrown;
  if (isStatus(statusCode)) return statusCode;
  const { output } = thrown;
  const ofOutput = isObject(output) ? output['statusCode'] : undefined;
  return isStatus(ofOutput) ? ofOutput : undefined;
}

const LONGEST_TEXT = 4_096;

function parsed(message: string): Thrown {
  if (!message.startsWith('{') || message.length > LONGEST_TEXT) return {};
  try {
    const value: unknown = JSON.parse(message);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isStatus(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 400 && value <= 599;
}

function isObject(value: unknown): value is Thrown {
  return typeof value === 'object' && value !== null;
}
