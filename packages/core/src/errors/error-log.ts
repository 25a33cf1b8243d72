import type { Call } from '../call/call.js';
import { REQUEST_ID } from '../call/context.js';
import type { Logger } from '../logging/logger.js';
import { REASONS, isRefusal, isServiceError } from './service-error.js';

/** Says what is behind a 5xx, with its request. Never throws. */
export type ErrorLog = (error: unknown, call: Call, message: string) => void;

/** Writes at `error`, but not of refusals of our own, timeouts and cancellations, which may come by the thousand and have counters. */
export function errorLog(logger: Logger, service?: string): ErrorLog {
  return (error, call, message) => {
    try {
      if (isUnexpected(error))
        logger.error({ error, ...(service !== undefined && { service }), operation: call.label, requestId: call.values.get(REQUEST_ID) }, message);
    } catch {
      // What was thrown cannot be read, or the logger fails: neither may keep the reply from leaving.
    }
  };
}

function isUnexpected(error: unknown): boolean {
  return !isRefusal(error) && !(isServiceError(error) && (error.reason === REASONS.timeout || error.code === 'CANCELLED'));
}
