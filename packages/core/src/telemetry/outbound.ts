import { SpanStatusCode } from '@opentelemetry/api';
import type { Attributes, Context, Histogram, Span } from '@opentelemetry/api';
import type { Call } from '../call/call.js';
import { isStream } from '../call/reply.js';
import type { Reply } from '../call/reply.js';
import { isRemoteError } from '../errors/remote-error.js';
import type { Clock } from '../time/clock.js';
import type { Handler } from '../wrappers/wrapper.js';
import { errorTypeOf, isCancellation } from './semantic.js';

/** How outbound work went, in the words of the conventions. */
export interface Result {
  /** Of the reply; undefined when none came. */
  readonly status: number | undefined;
  /** undefined when it went well or the caller lost interest. */
  readonly errorType: string | undefined;
  readonly cancelled: boolean;
}

/** Where an observation is written to. */
export interface Sinks {
  readonly clock: Clock;
  readonly span: Span | undefined;
  readonly duration: Histogram | undefined;
  readonly scope: Context;
  readonly attributes: (call: Call, result: Result) => Attributes;
}

/** Runs the handler and writes down how it went: when it failed, when the reply came, or, if its body is a stream, when that was read. */
export function observed(next: Handler, call: Call, sinks: Sinks): Promise<Reply> {
  const start = sinks.clock.now();
  let result: Promise<Reply>;
  try {
    result = next(call);
  } catch (error) {
    result = Promise.reject(error);
  }
  const write = (how: Result, error?: unknown): void => record(call, sinks, start, how, error);
  result.then(
    (reply) => {
      if (!isStream(reply.body)) return write(ofStatus(reply.status));
      call.onOwnEnd((end) => write(end.kind === 'done' ? ofStatus(reply.status) : ofBrokenStream(call, reply.status)));
    },
    (error: unknown) => write(ofError(call, error), error),
  );
  return result;
}

function record(call: Call, { clock, span, duration, scope, attributes }: Sinks, start: number, how: Result, error: unknown): void {
  if (duration !== undefined) duration.record((clock.now() - start) / 1000, attributes(call, how), scope);
  if (span === undefined) return;
  if (span.isRecording()) {
    if (how.status !== undefined) span.setAttribute('http.response.status_code', how.status);
    if (how.cancelled) span.setAttribute('ferrule.outcome', 'cancelled');
    if (how.errorType !== undefined) {
      span.setAttribute('error.type', how.errorType);
      // A status says it all; without one the message is what a person needs.
      span.setStatus({
        code: SpanStatusCode.ERROR,
        ...(how.status === undefined && error instanceof Error && { message: error.message.slice(0, 256) }),
      });
    }
  }
  span.end();
}

/** A client takes a 4xx for an error: it asked for something that the server would not give. */
function ofStatus(status: number): Result {
  return { status, errorType: status >= 400 ? String(status) : undefined, cancelled: false };
}

function ofError(call: Call, error: unknown): Result {
  // Errors that arose here have a status too, but nobody answered with it.
  if (isRemoteError(error)) return ofStatus(error.status);
  // Whoever aborted the work knows why better than the part that noticed.
  const cause = call.aborted && call.reason !== undefined ? call.reason : error;
  if (isCancellation(cause)) return { status: undefined, errorType: undefined, cancelled: true };
  return { status: undefined, errorType: errorTypeOf(cause), cancelled: false };
}

function ofBrokenStream(call: Call, status: number): Result {
  if (call.aborted && !isCancellation(call.reason)) return { status, errorType: errorTypeOf(call.reason), cancelled: false };
  // A reader that stops early is no error; Node tells it apart from a lost connection only by the abort.
  return { status, errorType: status >= 400 ? String(status) : undefined, cancelled: true };
}
