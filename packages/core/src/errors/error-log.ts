import type { Call } from '../call/call.js';
import { REQUEST_ID } from '../call/context.js';
import { PRINCIPAL } from '../call/principal.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { traceIdOf } from './problem.js';
import { REASONS, isRefusal, isServiceError } from './service-error.js';

/** Says what is behind a 5xx, with its request. Never throws. */
export type ErrorLog = (error: unknown, call: Call, message: string) => void;

/** Writes at `error`, but not of refusals of our own, timeouts and cancellations, which may come by the thousand and have counters. */
export function errorLog(logger: Logger, service?: string): ErrorLog {
  if (logger === silentLogger) return nothing;
  return (error, call, message) => {
    try {
      if (isUnexpected(error)) logger.error({ error, ...ofRequest(call, service) }, message);
    } catch {
      // What was thrown cannot be read, or the logger fails: neither may keep the reply from leaving.
    }
  };
}

function nothing(): void {}

/** The request that a line is about; what is not known is left out. */
function ofRequest(call: Call, service: string | undefined): object {
  const traceId = traceIdOf(call);
  const user: unknown = call.values.get(PRINCIPAL)?.id;
  return {
    ...(service !== undefined && { service }),
    operation: call.label,
    requestId: call.values.get(REQUEST_ID),
    ...(traceId !== undefined && { traceId }),
    ...(typeof user === 'string' && { user }),
  };
}

function isUnexpected(error: unknown): boolean {
  return !isRefusal(error) && !(isServiceError(error) && (error.reason === REASONS.timeout || error.code === 'CANCELLED'));
}
