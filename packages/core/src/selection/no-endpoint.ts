import { REASONS, isServiceError, refusal } from '../errors/service-error.js';
import type { ServiceError } from '../errors/service-error.js';

/** There is no endpoint for a call: nothing was sent, and another attempt may find one. */
export function noEndpoint(service: string, why: string, cause?: unknown): ServiceError {
  return refusal('UNAVAILABLE', `No endpoint of service "${service}": ${why}`, {
    reason: REASONS.noEndpoint,
    unsent: true,
    cause,
    // A directory that was closed stays so.
    ...(isServiceError(cause) && !cause.retryable && { retryable: false }),
  });
}

/** A selector was closed. Nothing opens it again, so that trying once more is no use. */
export function selectorClosed(service: string, why: string): ServiceError {
  return refusal('UNAVAILABLE', `No endpoint of service "${service}": ${why}`, { reason: REASONS.noEndpoint, unsent: true, retryable: false });
}
