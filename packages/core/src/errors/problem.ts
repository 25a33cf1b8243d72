import { Reply } from '../call/reply.js';
import { mayHaveActed } from '../call/begun.js';
import type { Call } from '../call/call.js';
import { REQUEST_ID } from '../call/context.js';
import { PRINCIPAL } from '../call/principal.js';
import { headersOfError, isAnswer } from './error-headers.js';
import type { ErrorParams } from './params.js';
import { isRemoteError } from './remote-error.js';
import { safeValue } from './safe-value.js';
import { ServiceError, described, isRefusal, isServiceError } from './service-error.js';
import type { Described, FieldError } from './service-error.js';

/** What goes over the wire for an error: RFC 9457, with the extension members of this framework. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** For the client. Of a 5xx it is the title, unless the error says `expose`. */
  readonly detail: string;
  /** `urn:uuid:…` of the request, when its id is a UUID. */
  readonly instance?: string;
  readonly code: string;
  readonly reason?: string;
  readonly number?: number;
  readonly requestId?: string;
  readonly traceId?: string;
  readonly retryable: boolean;
  readonly service?: string;
  /** By `show`: the name of the operation. */
  readonly operation?: string;
  /** By `show`: the id of the principal. */
  readonly user?: string;
  readonly errors?: readonly FieldError[];
  /** What the error lets a client see of its params. */
  readonly details?: ErrorParams;
}

/** What of the request may stand in a body. */
export type Shown = 'requestId' | 'traceId' | 'service' | 'operation' | 'user';

export const SHOWN: readonly Shown[] = ['requestId', 'traceId', 'service', 'operation', 'user'];

const SHOWN_BY_DEFAULT: ReadonlySet<Shown> = new Set<Shown>(['requestId', 'traceId', 'service']);

export const PROBLEM_TYPE = 'application/problem+json';

/** In characters. With each of them full and every character escaped, a problem without `errors` stays below the cap. */
const LONGEST_TEXT = 1_024;
const LONGEST_WORD = 128;
const MOST_FIELD_ERRORS = 100;
const CAP_BYTES = 16 * 1_024;

/**
 * The reply of last resort: takes whatever was thrown, and never throws itself. Only listed members leave the process,
 * no stack, no cause, no field of a foreign error; of its headers only those that clients act on.
 *
 * `Retry-After` on a 429 or 503 is taken as the word that nothing was done, and the caller sends a write again. So once the handler of a call
 * that is not idempotent has begun, only what a handler throws as its own answer keeps one.
 */
export function problemReply(error: unknown, call?: Call, service: string | undefined = call?.operation.service): Reply<Problem> {
  try {
    const known: Described = isRemoteError(error) ? error.toOwn() : described(error);
    return new Reply(known.status, fit(problemOf(known, call, service)), headersFor(error, known, call), { error });
  } catch {
    return new Reply<Problem>(500, PLAIN, { 'content-type': PROBLEM_TYPE }, { error });
  }
}

/** Whatever was thrown, as what our own client shall hear. What a service behind us answered is not our own answer: its 404 tells our client nothing. */
export function ownError(error: unknown): ServiceError {
  return isRemoteError(error) ? error.toOwn() : ServiceError.from(error);
}

/** The header fields of the reply for an error, problem+json among them. */
export function headersFor(error: unknown, known: Described, call: Call | undefined): Record<string, string | number> {
  const headers = headersOfError(error, known);
  headers['content-type'] = PROBLEM_TYPE;
  if (call !== undefined && mayHaveActed(call) && !speaksForHandler(error)) delete headers['retry-after'];
  return headers;
}

/** Not what a handler merely met with on its way: a refusal of a bulkhead or breaker around something that it calls, the error of an API client. */
function speaksForHandler(error: unknown): boolean {
  return isServiceError(error) ? !isRefusal(error) : typeof error === 'object' && error !== null && isAnswer(error);
}

const PLAIN: Problem = Object.freeze({
  type: 'about:blank',
  title: 'Internal Server Error',
  status: 500,
  detail: 'Internal Server Error',
  code: 'UNKNOWN',
  retryable: false,
});

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const WORD = /^[A-Za-z0-9_.-]{1,128}$/;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/** The title and detail of an error in the words that a client shall read. */
export interface Words {
  readonly title: string;
  /** For the client. Of an error that is not exposed it is the title. */
  readonly detail: string;
}

/** In the error's own language. */
export function ownWords(error: Described): Words {
  const title = cut(error.title, LONGEST_WORD);
  return { title, detail: error.expose && error.message !== '' ? cut(error.message, LONGEST_TEXT) : title };
}

/** A translation in place of the error's own words, as far as it fits: what is no text, or empty, is left as it was. */
export function wordsIn(error: ServiceError, given: { readonly title?: unknown; readonly detail?: unknown }): Words {
  const own = ownWords(error);
  const title = typeof given.title === 'string' && given.title !== '' ? cut(given.title, LONGEST_WORD) : own.title;
  if (!error.expose) return { title, detail: title };
  return { title, detail: typeof given.detail === 'string' && given.detail !== '' ? cut(given.detail, LONGEST_TEXT) : own.detail };
}

/** The trace that the request belongs to (W3C Trace Context). */
export function traceIdOf(call: Call | undefined): string | undefined {
  const given = call?.header('traceparent');
  return given === undefined ? undefined : TRACEPARENT.exec(given)?.[1];
}

/** The body of RFC 9457, not yet below the cap. */
export function problemOf(
  error: Described,
  call: Call | undefined,
  service: string | undefined,
  words: Words = ownWords(error),
  show: ReadonlySet<Shown> = SHOWN_BY_DEFAULT,
): Problem {
  const requestId = show.has('requestId') ? call?.values.get(REQUEST_ID) : undefined;
  const traceId = show.has('traceId') ? traceIdOf(call) : undefined;
  const { reason, number } = error;
  // Member by member: a spread for each would take longer than all the rest.
  const problem: Writable = { type: cut(error.type, 256), title: words.title, status: error.status, detail: words.detail } as Writable;
  if (requestId !== undefined && UUID.test(requestId)) problem.instance = `urn:uuid:${requestId}`;
  problem.code = error.code;
  if (typeof reason === 'string' && WORD.test(reason)) problem.reason = reason;
  if (Number.isFinite(number)) problem.number = number!;
  if (requestId !== undefined) problem.requestId = requestId;
  if (traceId !== undefined) problem.traceId = traceId;
  problem.retryable = error.retryable === true;
  if (show.has('service') && service !== undefined && service !== '') problem.service = cut(service, LONGEST_WORD);
  if (show.has('operation') && call !== undefined) problem.operation = cut(call.label, LONGEST_WORD);
  const user: unknown = show.has('user') ? call?.values.get(PRINCIPAL)?.id : undefined;
  if (typeof user === 'string') problem.user = cut(user, LONGEST_WORD);
  if (!error.expose) return problem;
  const errors: unknown = error.errors;
  if (Array.isArray(errors)) problem.errors = fieldErrors(errors as readonly unknown[]);
  const details = detailsOf(error);
  if (details !== undefined) problem.details = details;
  return problem;
}

type Writable = { -readonly [K in keyof Problem]: Problem[K] };

/** An object that is certain to serialise; what a subclass has made of its getter may be anything. */
function detailsOf(error: Described): ErrorParams | undefined {
  let given: unknown;
  try {
    given = error.details;
  } catch {
    return undefined;
  }
  if (typeof given !== 'object' || given === null) return undefined;
  const safe = safeValue(given);
  return typeof safe === 'object' && safe !== null && !Array.isArray(safe) && Object.keys(safe).length > 0 ? (safe as ErrorParams) : undefined;
}

/** Made of text alone, so that it is certain to serialise whatever was put into the error. */
function fieldErrors(given: readonly unknown[]): FieldError[] {
  const list: FieldError[] = [];
  for (const entry of given.slice(0, MOST_FIELD_ERRORS)) {
    if (typeof entry !== 'object' || entry === null) continue;
    const { pointer, detail, code } = entry as { pointer?: unknown; detail?: unknown; code?: unknown };
    list.push({ pointer: cut(pointer, 256), detail: cut(detail, 256), ...(typeof code === 'string' && { code: cut(code, 64) }) });
  }
  return list;
}

/** Halves the field errors until the body is below the cap. */
export function fit(problem: Problem): Problem {
  let fitting = problem;
  while (fitting.errors !== undefined && fitting.errors.length > 0 && Buffer.byteLength(JSON.stringify(fitting)) > CAP_BYTES) {
    fitting = { ...fitting, errors: fitting.errors.slice(0, fitting.errors.length >> 1) };
  }
  return fitting;
}

/** Text of at most `longest` characters; a surrogate pair is left whole. */
function cut(text: unknown, longest: number): string {
  if (typeof text !== 'string') return '';
  if (text.length <= longest) return text;
  const last = text.charCodeAt(longest - 2);
  return `${text.slice(0, last >= 0xd800 && last < 0xdc00 ? longest - 2 : longest - 1)}…`;
}
