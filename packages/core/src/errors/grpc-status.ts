import { CODES, isCode } from './codes.js';
import type { Code } from './codes.js';
import { ServiceError } from './service-error.js';

/**
 * The number of google.rpc.Code that stands for an error, from 1 to 16 (google/rpc/code.proto): of a code, or of whatever was thrown. Never throws.
 * @example callback({ code: grpcStatusOf(error), message: error.message });
 */
export function grpcStatusOf(error: unknown): number {
  const code = isCode(error) ? error : ServiceError.from(error).code;
  return CODES.indexOf(code) + 1;
}

/** The code of a gRPC status: undefined for 0 (OK), which is no error, UNKNOWN for a number that gRPC does not define. */
export function codeOfGrpcStatus(status: number): Code | undefined {
  return status === 0 ? undefined : (CODES[status - 1] ?? 'UNKNOWN');
}
