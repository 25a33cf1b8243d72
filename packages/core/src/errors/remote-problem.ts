import { isCode } from './codes.js';
import { codeOfGrpcStatus } from './grpc-status.js';
import type { Problem } from './problem.js';
import { boundedParams } from './params.js';
import { REASON } from './reasons.js';
import type { FieldError } from './service-error-options.js';

/** The members of a problem that the other side gave and that have the right type; anything else it wrote is dropped. */
export type RemoteProblem = Readonly<Partial<Problem>>;

const WORD = /^[A-Za-z0-9_.-]{1,128}$/;
const ID = /^[A-Za-z0-9._~:+/=@-]{1,128}$/;
const LONGEST_TEXT = 1_024;
const MOST_FIELD_ERRORS = 100;

/**
 * What the body of an error reply says, in the members of a problem: problem+json (RFC 9457, Spring's ProblemDetail), go-micro
 * (`{ id, code, detail, status }` and its `{ errors }`), Kratos (`{ code, reason, message }`), the gRPC gateway (`{ code, message }`), NestJS
 * (`{ statusCode, message, error }`, a list of messages too), Spring (`{ status, error, message, path }`), moleculer (`{ code, type, message }`),
 * the plain form and Google's (`{ error: { code, message, status } }`), or text. Only own members are read, each when its type is right. HTML,
 * bytes and lists say nothing.
 */
export function problemIn(body: unknown): RemoteProblem | undefined {
  if (typeof body === 'string') return body.trim() === '' || /^\s*</.test(body) ? undefined : Object.freeze({ detail: body.slice(0, LONGEST_TEXT) });
  if (!isRecord(body)) return undefined;
  const inner = own(body, 'error');
  return Object.freeze(members(isRecord(inner) ? inner : body));
}

function members(body: object): RemoteProblem {
  const number = own(body, 'number');
  const status = own(body, 'status');
  const retryable = own(body, 'retryable');
  const errors = own(body, 'errors');
  const code = codeIn(body);
  const details = own(body, 'details');
  const found: { -readonly [K in keyof Problem]?: Problem[K] | undefined } = {
    type: matching(body, 'type', REASON) === undefined ? text(body, 'type', 256) : undefined,
    title: text(body, 'title', 256),
    status: Number.isInteger(status) ? (status as number) : undefined,
    detail: detailIn(body),
    instance: text(body, 'instance', 256),
    code,
    reason: reasonIn(body),
    number: typeof number === 'number' && Number.isFinite(number) ? number : businessNumber(own(body, 'code')),
    requestId: matching(body, 'requestId', ID),
    traceId: matching(body, 'traceId', /^[0-9a-f]{32}$/),
    retryable: typeof retryable === 'boolean' ? retryable : undefined,
    service: text(body, 'service', 128),
    errors: Array.isArray(errors) ? fieldErrors(errors) : undefined,
    details: Array.isArray(details) ? undefined : boundedParams(details),
  };
  for (const name of Object.keys(found) as (keyof Problem)[]) if (found[name] === undefined) delete found[name];
  return found as RemoteProblem;
}

/** The word in `code`, or in `status` as Google has it; a number from 1 to 16 is gRPC's. */
function codeIn(body: object): Problem['code'] | undefined {
  const code = own(body, 'code');
  if (isCode(code)) return code;
  if (typeof code === 'number' && Number.isInteger(code) && code >= 1 && code <= 16) return codeOfGrpcStatus(code);
  const status = own(body, 'status');
  return isCode(status) ? status : undefined;
}

/** A `code` beyond those of HTTP can only be a number of the business. */
function businessNumber(code: unknown): number | undefined {
  return typeof code === 'number' && Number.isSafeInteger(code) && code >= 1_000 ? code : undefined;
}

/** `reason`; moleculer's `type` and NestJS' `errorCode` when they are words of that kind. */
function reasonIn(body: object): string | undefined {
  return matching(body, 'reason', WORD) ?? matching(body, 'errorCode', REASON) ?? matching(body, 'type', REASON);
}

/** The words that go-micro (`detail`), NestJS and Spring (`message`, `error`) and most others have for it. */
function detailIn(body: object): string | undefined {
  const message = own(body, 'message');
  const listed = Array.isArray(message) ? message.slice(0, MOST_FIELD_ERRORS).filter((one) => typeof one === 'string') : [];
  if (listed.length > 0) return listed.join('; ').slice(0, LONGEST_TEXT);
  const said = text(body, 'detail') ?? text(body, 'message') ?? text(body, 'error');
  if (said !== undefined) return said;
  const errors = own(body, 'errors');
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  return isRecord(first) ? text(first, 'detail') : undefined;
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function own(body: object, name: string): unknown {
  return Object.hasOwn(body, name) ? (body as Readonly<Record<string, unknown>>)[name] : undefined;
}

function text(body: object, name: string, longest = LONGEST_TEXT): string | undefined {
  const value = own(body, name);
  return typeof value === 'string' && value !== '' ? value.slice(0, longest) : undefined;
}

function matching(body: object, name: string, pattern: RegExp): string | undefined {
  const value = own(body, name);
  return typeof value === 'string' && pattern.test(value) ? value : undefined;
}

function fieldErrors(given: readonly unknown[]): FieldError[] {
  const list: FieldError[] = [];
  for (const entry of given.slice(0, MOST_FIELD_ERRORS)) {
    if (typeof entry !== 'object' || entry === null) continue;
    const { pointer, detail, code } = entry as { pointer?: unknown; detail?: unknown; code?: unknown };
    if (typeof pointer !== 'string' || typeof detail !== 'string') continue;
    list.push({
      pointer: pointer.slice(0, 256),
      detail: detail.slice(0, LONGEST_TEXT),
      ...(typeof code === 'string' && { code: code.slice(0, 64) }),
    });
  }
  return list;
}
