import { Call } from '../call/call.js';
import type { Attempt } from '../call/call.js';
import { isOwnFailure } from '../call/own-failure.js';
import { codeOfStatus } from '../errors/codes.js';
import type { Code } from '../errors/codes.js';
import { isRemoteError } from '../errors/remote-error.js';
import { REASONS, isRefusal, isServiceError } from '../errors/service-error.js';

/**
 * What a failure says about the side that was called. `failed`: it does not do its work; `answered`: it works, the caller was wrong
 * (4xx but 408, 425 and 429); `nothing`: it was not asked, or nobody waited for its answer.
 */
export type Verdict = 'failed' | 'answered' | 'nothing';

/** The verdict on what `attempt` threw. */
export function verdictOn(error: unknown, attempt: Attempt): Verdict {
  if (isServiceError(error)) {
    if (isRefusal(error) || (error.unsent && error.reason === REASONS.timeout)) return 'nothing';
    if (attempt.aborted) return isTimeout(attempt.reason) ? 'failed' : 'nothing';
    if (error.code === 'CANCELLED') return 'nothing';
    return error.status >= 500 || FAILURES.has(error.code) ? 'failed' : 'answered';
  }
  if (attempt.aborted) return isTimeout(attempt.reason) ? 'failed' : 'nothing';
  if (isAbort(error)) return 'nothing';
  const status = statusOf(error);
  return status !== undefined && status < 500 && status !== 408 && status !== 425 && status !== 429 ? 'answered' : 'failed';
}

/** As `verdictOn`, but only errors of these codes are failures. What says nothing still says nothing. */
export function verdictByCode(codes: ReadonlySet<Code>): (error: unknown, attempt: Attempt) => Verdict {
  return (error, attempt) => {
    if (verdictOn(error, attempt) === 'nothing') return 'nothing';
    return codes.has(codeOf(attempt.aborted ? attempt.reason : error)) ? 'failed' : 'answered';
  };
}

/** The canonical code of whatever was thrown: its own, that of a timeout, of a connection that failed or of an HTTP status; else UNKNOWN. */
function codeOf(error: unknown): Code {
  if (isServiceError(error)) return error.code;
  if (isTimeout(error)) return 'DEADLINE_EXCEEDED';
  if (isConnectionFailure(error)) return 'UNAVAILABLE';
  const status = statusOf(error);
  return status === undefined ? 'UNKNOWN' : codeOfStatus(status);
}

const FAILURES: ReadonlySet<string> = new Set(['DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'UNAVAILABLE']);

/** Whether the work was given up, by the caller or by the other side on its behalf: there is nobody to do anything for. */
export function isCancelled(error: unknown, attempt: Attempt): boolean {
  if (attempt.aborted) return true;
  return isServiceError(error) ? error.code === 'CANCELLED' : isAbort(error);
}

/**
 * Whether the same work may fare better a second time: by `retryable` for a ServiceError, by status for an error that carries one,
 * and yes for other errors but JavaScript's own (TypeError and its like), which tell of a bug unless a system error is their cause.
 * An own refusal is no reason to try again, unless whoever refused says `unsent`: then it spoke for one endpoint of several.
 */
export function isRetryable(error: unknown): boolean {
  if (isServiceError(error)) return error.retryable && (error.unsent || !isRefusal(error));
  if (isAbort(error)) return false;
  const status = statusOf(error);
  if (status !== undefined) return status === 408 || status === 425 || status === 429 || (status >= 502 && status <= 504);
  return !isBug(error) || systemCode(error) !== undefined;
}

/**
 * Whether the other side certainly has not acted on it, so that even work that must not be done twice may be tried again:
 * nothing was sent, or it refused for overload and said when to come back (429, or 503 with Retry-After).
 *
 * Only an outbound call can know, and only of what its own transport or selector failed with (`failedItself`): a function or a handler may
 * have done its work before the call inside of it failed, however unsent that one was.
 */
export function isUnprocessed(error: unknown, attempt: Attempt): boolean {
  if (!(attempt instanceof Call && isOwnFailure(error, attempt))) return false;
  if (isServiceError(error)) {
    if (error.unsent) return true;
    if (error.retryAfterMs === undefined || !error.retryable) return false;
    return (error.code === 'RESOURCE_EXHAUSTED' && error.status === 429) || (error.code === 'UNAVAILABLE' && error.status === 503);
  }
  const code = systemCode(error);
  return code !== undefined && NEVER_SENT.has(code);
}

/** Whether there was no connection, or it broke: it tells of one process or path, not of load. */
export function isConnectionFailure(error: unknown): boolean {
  if (isServiceError(error)) return error.reason === REASONS.connectFailed || error.reason === REASONS.connectionLost;
  const code = systemCode(error);
  return code !== undefined && (NEVER_SENT.has(code) || LOST.has(code));
}

/**
 * What the other side said of trying again, in a header of its reply: how many ms to wait, or, below 0, not to; undefined when it said nothing.
 * `x-retry: no`, and `grpc-retry-pushback-ms` with gRPC's meaning (proposal A6): a negative value, or none that is a number, forbids it.
 */
export function pushbackMs(error: unknown): number | undefined {
  const headers = isRemoteError(error) ? error.reply?.headers : undefined;
  if (headers === undefined) return undefined;
  if (textOf(headers['x-retry']) === 'no') return -1;
  const asked = headers['grpc-retry-pushback-ms'];
  if (asked === undefined) return undefined;
  return /^\d{1,9}$/.test(textOf(asked)) ? Number(asked) : -1;
}

function textOf(header: unknown): string {
  return String(header).trim().toLowerCase();
}

const LOST: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** System errors before a connection stood. */
const NEVER_SENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/** Whether work was given up because its time was over, by the reason of its abort. */
export function isTimeout(reason: unknown): boolean {
  return isServiceError(reason) ? reason.code === 'DEADLINE_EXCEEDED' : nameOf(reason) === 'TimeoutError';
}

function isAbort(error: unknown): boolean {
  return nameOf(error) === 'AbortError';
}

function isBug(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError ||
    error instanceof URIError
  );
}

/** `code` of a system error, its own or that of its cause (fetch throws a TypeError around it). */
function systemCode(error: unknown): string | undefined {
  return ownSystemCode(error) ?? ownSystemCode(causeOf(error));
}

function ownSystemCode(error: unknown): string | undefined {
  const code = codeMember(error);
  return typeof code === 'string' && /^(?:E[A-Z]{3,}|EAI_AGAIN|UND_ERR_[A-Z_]+)$/.test(code) ? code : undefined;
}

/** The HTTP status of an http-errors, Koa or fetch-like error. */
function statusOf(error: unknown): number | undefined {
  const status = statusMember(error);
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : undefined;
}

// Members of whatever was thrown; undefined when it has none or its getter throws. One function each: a member that is looked up by a variable
// and is not there costs V8 60 ns, and a breaker looks for four of them in every failure.

function nameOf(thrown: unknown): unknown {
  try {
    return isObject(thrown) ? thrown.name : undefined;
  } catch {
    return undefined;
  }
}

function codeMember(thrown: unknown): unknown {
  try {
    return isObject(thrown) ? thrown.code : undefined;
  } catch {
    return undefined;
  }
}

function causeOf(thrown: unknown): unknown {
  try {
    return isObject(thrown) ? thrown.cause : undefined;
  } catch {
    return undefined;
  }
}

function statusMember(thrown: unknown): unknown {
  try {
    return isObject(thrown) ? (thrown.status ?? thrown.statusCode) : undefined;
  } catch {
    return undefined;
  }
}

function isObject(thrown: unknown): thrown is Thrown {
  return typeof thrown === 'object' && thrown !== null;
}

interface Thrown {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly status?: unknown;
  readonly statusCode?: unknown;
}
