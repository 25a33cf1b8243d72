import { Call } from '../call/call.js';
import type { Attempt } from '../call/call.js';
import { isOwnFailure } from '../call/own-failure.js';
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

const LOST: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** System errors before a connection stood. */
const NEVER_SENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

function isTimeout(reason: unknown): boolean {
  return isServiceError(reason) ? reason.code === 'DEADLINE_EXCEEDED' : read(reason, 'name') === 'TimeoutError';
}

function isAbort(error: unknown): boolean {
  return read(error, 'name') === 'AbortError';
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
  for (const candidate of [error, read(error, 'cause')]) {
    const code = read(candidate, 'code');
    if (typeof code === 'string' && /^(?:E[A-Z]{3,}|EAI_AGAIN|UND_ERR_[A-Z_]+)$/.test(code)) return code;
  }
  return undefined;
}

/** The HTTP status of an http-errors, Koa or fetch-like error. */
function statusOf(error: unknown): number | undefined {
  const status = read(error, 'status') ?? read(error, 'statusCode');
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : undefined;
}

/** A member of whatever was thrown; undefined when it has none or its getter throws. */
function read(thrown: unknown, member: string): unknown {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  try {
    return (thrown as Readonly<Record<string, unknown>>)[member];
  } catch {
    return undefined;
  }
}
