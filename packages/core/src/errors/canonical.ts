import type { Code } from './codes.js';
import { ServiceError } from './service-error.js';
import type { ServiceErrorOptions } from './service-error-options.js';

/** Makes an error of one code. The message is for the log, and below 500 for the client too. */
export type CanonicalError = (message: string, options?: ServiceErrorOptions) => ServiceError;

/** One function for each code of google.rpc.Code but OK, which is no error: what `canonical` holds. */
export interface CanonicalErrors {
  readonly cancelled: CanonicalError;
  readonly unknown: CanonicalError;
  readonly invalidArgument: CanonicalError;
  readonly deadlineExceeded: CanonicalError;
  readonly notFound: CanonicalError;
  readonly alreadyExists: CanonicalError;
  readonly permissionDenied: CanonicalError;
  readonly resourceExhausted: CanonicalError;
  readonly failedPrecondition: CanonicalError;
  readonly aborted: CanonicalError;
  readonly outOfRange: CanonicalError;
  readonly unimplemented: CanonicalError;
  readonly internal: CanonicalError;
  readonly unavailable: CanonicalError;
  readonly dataLoss: CanonicalError;
  readonly unauthenticated: CanonicalError;
}

/** @example throw canonical.notFound('No user 42', { reason: 'USER_NOT_FOUND' }); */
export const canonical: CanonicalErrors = Object.freeze({
  cancelled: of('CANCELLED'),
  unknown: of('UNKNOWN'),
  invalidArgument: of('INVALID_ARGUMENT'),
  deadlineExceeded: of('DEADLINE_EXCEEDED'),
  notFound: of('NOT_FOUND'),
  alreadyExists: of('ALREADY_EXISTS'),
  permissionDenied: of('PERMISSION_DENIED'),
  resourceExhausted: of('RESOURCE_EXHAUSTED'),
  failedPrecondition: of('FAILED_PRECONDITION'),
  aborted: of('ABORTED'),
  outOfRange: of('OUT_OF_RANGE'),
  unimplemented: of('UNIMPLEMENTED'),
  internal: of('INTERNAL'),
  unavailable: of('UNAVAILABLE'),
  dataLoss: of('DATA_LOSS'),
  unauthenticated: of('UNAUTHENTICATED'),
});

function of(code: Code): CanonicalError {
  return (message, options) => new ServiceError(code, message, options);
}
