import { Reply } from '../call/reply.js';
import { mayHaveActed } from '../call/begun.js';
import type { Call } from '../call/call.js';
import { REQUEST_ID } from '../call/context.js';
import { NO_RETRY, isGivenUp } from '../call/given-up.js';
import type { ErrorMapper } from './error-mapper.js';
import { isRemoteError } from './remote-error.js';
import { ServiceError, isRefusal, isServiceError } from './service-error.js';
import type { FieldError } from './service-error.js';

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
  readonly errors?: readonly FieldError[];
}

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
    // What a service behind us answered is not our own answer: its 404 tells our client nothing of what it asked for.
    const known = isRemoteError(error) ? error.toOwn() : ServiceError.from(error);
    const headers = headersOf(error, known);
    if (call !== undefined && mayHaveActed(call) && !speaksForHandler(error)) delete headers['retry-after'];
    return new Reply(known.status, fit(problemOf(known, call, service)), headers, { error });
  } catch {
    return new Reply<Problem>(500, PLAIN, { 'content-type': PROBLEM_TYPE }, { error });
  }
}

/** Not what a handler merely met with on its way: a refusal of a bulkhead or breaker around something that it calls, the error of an API client. */
function speaksForHandler(error: unknown): boolean {
  return isServiceError(error) ? !isRefusal(error) : typeof error === 'object' && error !== null && isAnswer(error);
}

/**
 * Asks the mappers in turn, problem+json last. A mapper that throws is passed over; the reply remembers the error that it was made from.
 * Of what an outbound call gave up with, because it had no budget left for another try, the reply says `x-retry: no`: one layer tries again,
 * and when it may not, none above it shall.
 */
export function replyMapping(mappers: readonly ErrorMapper[], service?: string): (error: unknown, call: Call) => Reply {
  const asked = mappers.filter((mapper) => mapper.toReply !== undefined);
  const answer = (error: unknown, call: Call): Reply => {
    for (const mapper of asked) {
      try {
        const reply = mapper.toReply!(error, call);
        if (reply !== undefined)
          return reply.error === undefined ? new Reply(reply.status, reply.body, reply.headers, { error, sent: reply.sent }) : reply;
      } catch {
        // The error at hand matters more than the mapper's own; the next one is asked.
      }
    }
    return problemReply(error, call, service);
  };
  return (error, call) => {
    const reply = answer(error, call);
    if (reply.sent || reply.status < 400 || 'x-retry' in reply.headers || !isGivenUp(call, error)) return reply;
    return reply.with({ headers: NO_RETRY });
  };
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

function problemOf(error: ServiceError, call: Call | undefined, service: string | undefined): Problem {
  const requestId = call?.values.get(REQUEST_ID);
  const traceId = TRACEPARENT.exec(call?.header('traceparent') ?? '')?.[1];
  const title = cut(error.title, LONGEST_WORD);
  return {
    type: cut(error.type, 256),
    title,
    status: error.status,
    detail: error.expose ? cut(error.message, LONGEST_TEXT) : title,
    ...(requestId !== undefined && UUID.test(requestId) && { instance: `urn:uuid:${requestId}` }),
    code: error.code,
    ...(typeof error.reason === 'string' && WORD.test(error.reason) && { reason: error.reason }),
    ...(Number.isFinite(error.number) && { number: error.number! }),
    ...(requestId !== undefined && { requestId }),
    ...(traceId !== undefined && { traceId }),
    retryable: error.retryable === true,
    ...(service !== undefined && service !== '' && { service: cut(service, LONGEST_WORD) }),
    ...(error.expose && Array.isArray(error.errors) && { errors: fieldErrors(error.errors as readonly unknown[]) }),
  };
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
function fit(problem: Problem): Problem {
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

/** What a client can act on; any other header of an error (and http-errors and boom allow any) stays here. */
const ALLOWED: readonly string[] = [
  'accept',
  'accept-encoding',
  'allow',
  'content-range',
  'proxy-authenticate',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'www-authenticate',
];
/** The error of an API client has what its server sent under the same name: a challenge or a method list among it is not ours. */
const ALLOWED_OF_OTHERS: readonly string[] = ['retry-after'];
const SAFE_VALUE = /^[\t\x20-\x7e]{1,1024}$/;

function headersOf(error: unknown, known: ServiceError): Record<string, string | number> {
  const headers: Record<string, string | number> = { 'content-type': PROBLEM_TYPE };
  for (const source of [error, known.cause]) {
    const given = foreignHeaders(source);
    if (given === undefined) continue;
    const allowed = isAnswer(source as object) ? ALLOWED : ALLOWED_OF_OTHERS;
    for (const [name, value] of Object.entries(given)) {
      const lower = name.toLowerCase();
      if (allowed.includes(lower) && (typeof value === 'string' || typeof value === 'number') && SAFE_VALUE.test(String(value)))
        headers[lower] = String(value);
    }
    break;
  }
  const after = known.retryAfterMs;
  if (typeof after === 'number' && after >= 0 && Number.isFinite(after)) headers['retry-after'] = Math.max(1, Math.ceil(after / 1_000));
  return headers;
}

/**
 * The headers that http-errors (`headers`) and boom (`output.headers`) carry; none of what another service answered (`response`, `config`).
 */
function foreignHeaders(error: unknown): object | undefined {
  if (typeof error !== 'object' || error === null || isRemoteError(error)) return undefined;
  const { headers, output, response, config } = error as Record<string, unknown> & { output?: { headers?: unknown } };
  if (response !== undefined || config !== undefined) return undefined;
  for (const candidate of [headers, output?.headers]) {
    if (typeof candidate === 'object' && candidate !== null) return candidate;
  }
  return undefined;
}

/** Whether the error was made to be an answer of ours. */
function isAnswer(error: object): boolean {
  const { expose, isBoom } = error as { expose?: unknown; isBoom?: unknown };
  return typeof expose === 'boolean' || isBoom === true;
}
