import { context, isSpanContextValid, trace } from '@opentelemetry/api';
import { REQUEST_ID, currentCall } from '../call/context.js';
import { PRINCIPAL } from '../call/principal.js';
import type { Logger } from '../logging/logger.js';
import { checkSurroundings } from '../options/check.js';

/** What ties a line to its request. */
export interface CorrelationFields {
  /** The service that answers the request, and the operation, for example `GET /orders/:id`. */
  readonly service?: string;
  readonly operation?: string;
  readonly requestId?: string;
  readonly traceId?: string;
  readonly spanId?: string;
  /** `id` of the principal. */
  readonly user?: string;
}

/**
 * The fields of the request that the running code works for; none outside of one. A new object each time, since pino writes into it. Trace and span are those of OpenTelemetry when it records, else the
 * trace is that of the request's `traceparent`. For the `mixin` of pino: `pino({ mixin: correlationFields })`.
 */
export function correlationFields(): CorrelationFields {
  const call = currentCall();
  const span = trace.getSpanContext(context.active());
  const traced = span !== undefined && isSpanContextValid(span);
  if (call === undefined) return traced ? { traceId: span.traceId, spanId: span.spanId } : {};
  const requestId = call.values.get(REQUEST_ID);
  const user = call.values.get(PRINCIPAL)?.id;
  const traceId = traced ? span.traceId : TRACEPARENT.exec(call.header('traceparent') ?? '')?.[1];
  return {
    service: call.operation.service,
    operation: call.label,
    ...(requestId !== undefined && { requestId }),
    ...(traceId !== undefined && { traceId }),
    ...(traced && { spanId: span.spanId }),
    ...(typeof user === 'string' && { user: user.slice(0, LONGEST_USER) }),
  };
}

const LONGEST_USER = 128;
const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/**
 * A logger whose every line has the correlation fields of its request; what a line says itself wins. A service's own logger is one already.
 * @throws TypeError when it is no logger
 */
export function contextLogger(logger: Logger): Logger {
  checkSurroundings('contextLogger', { logger: logger ?? null });
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void => {
      const given: unknown = fields;
      // pino takes a text alone; spread, it would be a field for each letter.
      if (typeof given === 'string' && message === undefined) return logger[level](safeFields(), given);
      logger[level]({ ...safeFields(), ...ownFields(given) }, message);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function ownFields(fields: unknown): object {
  if (typeof fields !== 'object' || fields === null) return {};
  try {
    return fields instanceof Error ? { err: fields } : { ...fields };
  } catch {
    return { fields: '[unreadable]' }; // a Proxy or a getter that throws: whoever logs shall not fail
  }
}

/** A line without its request is better than none. */
function safeFields(): CorrelationFields {
  try {
    return correlationFields();
  } catch {
    return {};
  }
}
