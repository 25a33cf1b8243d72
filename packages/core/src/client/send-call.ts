import { Readable } from 'node:stream';
import { Call } from '../call/call.js';
import type { CallHeaders } from '../call/call.js';
import { REQUEST_ID, currentCall } from '../call/context.js';
import type { Operation } from '../call/operation.js';
import type { Reply } from '../call/reply.js';
import { Values } from '../call/values.js';
import { REASONS, ServiceError, isServiceError } from '../errors/service-error.js';
import type { Clock } from '../time/clock.js';
import { onAbort } from '../time/on-abort.js';
import type { Handler } from '../wrappers/wrapper.js';
import { ADDRESS } from './address.js';
import { OUTBOUND } from './outbound.js';
import type { ReplyMode } from './outbound.js';
import { NO_BODY, requestBody } from './request-body.js';

/** All that is known of a request when it sets out. */
export interface OutgoingRequest {
  readonly operation: Operation;
  readonly params?: Readonly<Record<string, string>> | undefined;
  /** Encoded. */
  readonly path: string;
  /** Encoded, without the question mark; '' for none. */
  readonly query: string;
  readonly headers: CallHeaders;
  readonly body: unknown;
  readonly mode: ReplyMode;
  readonly timeoutMs: number | undefined;
  /** Checked. Default: an endpoint is picked. */
  readonly address?: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Makes the error with which the deadline also ends a streamed body. Default: the deadline holds until the reply's head. */
  readonly late?: (error: ServiceError) => unknown;
  /** Makes the error that an abort stands for. Default: a ServiceError, CANCELLED or DEADLINE_EXCEEDED. */
  readonly cancellation?: (reason: unknown, label: string) => unknown;
}

/** Taken off what the inbound call has left, so that its own answer still gets out in time. */
const ANSWER_MS = 5;

/** Makes the Call, ties it to the inbound one and to the signal for as long as it lives, and runs it. */
export function sendCall(handler: Handler, clock: Clock, request: OutgoingRequest): Promise<Reply> {
  const { path, query, body, timeoutMs, signal, cancellation = cancelled } = request;
  const inbound = currentCall();
  let deadline = timeoutMs === undefined ? undefined : clock.now() + timeoutMs;
  if (inbound?.deadline !== undefined) deadline = Math.min(deadline ?? Infinity, inbound.deadline - ANSWER_MS);

  const encoded = body === undefined || typeof body === 'function' ? NO_BODY : requestBody(body);
  const values = new Values();
  values.set(OUTBOUND, {
    target: query === '' ? path : `${path}?${query}`,
    body: encoded,
    mode: request.mode,
    address: request.address,
    timeoutMs,
    requestId: inbound?.values.get(REQUEST_ID),
  });
  if (request.address !== undefined) values.set(ADDRESS, request.address);
  const upload = encoded.content instanceof Readable ? encoded.content : undefined;
  const call = new Call({
    side: 'client',
    // What can be sent once cannot be tried again, unless nothing of it was sent.
    operation: upload !== undefined && request.operation.idempotent ? { ...request.operation, idempotent: false } : request.operation,
    ...(request.params !== undefined && { params: request.params }),
    query,
    headers: request.headers,
    body,
    deadline,
    values,
  });

  if (inbound !== undefined) call.onEnd(inbound.onAbort((reason) => call.abort(cancelled(reason, call.label))));
  if (signal !== undefined) {
    if (signal.aborted) call.abort(cancellation(signal.reason, call.label));
    else call.onEnd(onAbort(signal, (reason) => call.abort(cancellation(reason, call.label))));
  }
  const { late } = request;
  if (late !== undefined && deadline !== undefined) {
    const timer = clock.schedule(Math.max(0, deadline - clock.now()), () =>
      call.abort(late(new ServiceError('DEADLINE_EXCEEDED', `${call.label}: the time of the caller was over`, { reason: REASONS.timeout }))),
    );
    call.onEnd(() => timer.cancel());
  }
  // Nobody else will read what was not sent.
  if (upload !== undefined) call.onEnd(() => void upload.destroy());
  return call.run(call.aborted ? aborted : handler);
}

function aborted(call: Call): Promise<Reply> {
  return Promise.reject(call.reason);
}

/** Why a call was given up, as everything else that a client rejects with: a ServiceError. */
function cancelled(reason: unknown, label: string): ServiceError {
  if (isServiceError(reason)) return reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  return new ServiceError(
    timedOut ? 'DEADLINE_EXCEEDED' : 'CANCELLED',
    `${label}: ${timedOut ? 'the time of the caller was over' : 'the caller gave up'}`,
    { cause: reason },
  );
}
