import type { Call } from '../call/call.js';
import { REASONS, ServiceError } from '../errors/service-error.js';

/** How far an exchange had come when it failed: it decides whether the request may have had an effect. */
export type Progress = 'connecting' | 'sent' | 'answered';

/**
 * What undici or a socket reports, in our words.
 * - Before the request was written: UNAVAILABLE, CONNECT_FAILED, `unsent`: it may be sent elsewhere, a write too.
 * - After that: UNAVAILABLE, CONNECTION_LOST. A reused keep-alive socket that is reset before any byte of the reply belongs
 *   here as well: the server may have read the request, so only what is idempotent may be tried again (RFC 9110, 9.2.2).
 * - What is no HTTP: UNAVAILABLE with 502, MALFORMED_REPLY.
 * - A request that cannot be written (a header with a line break): INTERNAL, ours, never tried again.
 */
export function transportError(cause: unknown, progress: Progress, call: Call): ServiceError {
  const { origin } = call.endpoint!;
  const code = codeOf(cause);
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED' || code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') {
    return new ServiceError('INTERNAL', `${call.label}: the request cannot be sent: ${messageOf(cause)}`, { cause, retryable: false });
  }
  if (progress === 'connecting') {
    return new ServiceError('UNAVAILABLE', `${call.label}: no connection to ${origin} (${code ?? messageOf(cause)})`, {
      cause,
      reason: REASONS.connectFailed,
      unsent: true,
    });
  }
  if (isNoHttp(cause, code, progress)) return malformed(call, messageOf(cause), cause);
  const when = progress === 'sent' ? 'before the reply' : 'in the middle of the reply';
  return new ServiceError('UNAVAILABLE', `${call.label}: the connection to ${origin} was lost ${when} (${code ?? messageOf(cause)})`, {
    cause,
    reason: REASONS.connectionLost,
  });
}

/** By name and message, since undici 7.30 leaves the parser's code undefined. An end that comes too early is a lost connection instead. */
function isNoHttp(cause: unknown, code: string | undefined, progress: Progress): boolean {
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return true;
  // Lengths that contradict each other in the head; after it, a body that ended early.
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return progress === 'sent';
  return cause instanceof Error && cause.name === 'HTTPParserError' && !/EOF state/i.test(cause.message);
}

/** Nothing more came of a reply that had begun, although it was waited for: as good as a connection that broke. */
export function stalled(call: Call, idleMs: number): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    `${call.label}: the connection to ${call.endpoint!.origin} was lost in the middle of the reply: nothing came for ${idleMs} ms (httpTransport streamIdleTimeout)`,
    { reason: REASONS.connectionLost },
  );
}

/** The reply is no HTTP, or not what its headers say. @param retryable whether another endpoint may do better. */
export function malformed(call: Call, what: string, cause: unknown, retryable = true): ServiceError {
  return new ServiceError('UNAVAILABLE', `${call.label}: ${call.endpoint!.origin} gave a malformed reply: ${what}`, {
    cause,
    status: 502,
    reason: REASONS.malformedReply,
    retryable,
  });
}

export function tooLarge(call: Call, limit: number): ServiceError {
  return new ServiceError(
    'OUT_OF_RANGE',
    `${call.label}: the reply of ${call.endpoint!.origin} is larger than ${limit} bytes. Ask for a stream, or raise replyLimit.`,
    {
      status: 502,
      reason: REASONS.replyTooLarge,
      retryable: false,
    },
  );
}

/** What a call fails with that was aborted: the reason as it is when it is an error. */
export function abortError(reason: unknown, label: string): Error {
  return reason instanceof Error ? reason : new ServiceError('CANCELLED', `${label}: aborted`, { cause: reason });
}

/** Whether nobody listens at the address: every address of the host refused. */
export function isRefused(cause: unknown): boolean {
  if (codeOf(cause) === 'ECONNREFUSED') return true;
  const all = (cause as { errors?: unknown } | undefined)?.errors;
  return Array.isArray(all) && all.length > 0 && all.every((one) => codeOf(one) === 'ECONNREFUSED');
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
