import { shown } from '../options/shown.js';
import type { Code } from './codes.js';
import { databaseMeaning } from './database-errors.js';
import { REASONS } from './reasons.js';
import { ServiceError, isServiceError } from './service-error.js';
import type { ServiceErrorOptions } from './service-error-options.js';
import { validationIssues } from './validation-issues.js';

/** Where an error entered. */
export type ErrorLayer = 'database' | 'validation' | 'external' | 'system';

export interface LayerErrorOptions extends ServiceErrorOptions {
  readonly layer: ErrorLayer;
  /** Of an external service: its name and what was asked of it. */
  readonly service?: string | undefined;
  readonly method?: string | undefined;
}

/** An error with the layer that it entered by. `layer`, `service` and `method` are for the log; what was thrown is the cause, and stays inside. */
export class LayerError extends ServiceError {
  readonly layer: ErrorLayer;
  readonly service: string | undefined;
  readonly method: string | undefined;

  constructor(code: Code, message: string, options: LayerErrorOptions) {
    super(code, message, options);
    this.layer = options.layer;
    this.service = options.service;
    this.method = options.method;
  }
}

/**
 * What a database threw: a unique violation is ALREADY_EXISTS, a serialization failure, a deadlock or a lock that was not to be had ABORTED
 * and may be tried again, a lost or refused connection UNAVAILABLE, a query that took too long DEADLINE_EXCEEDED, anything else INTERNAL. By
 * SQLSTATE, and the codes of PostgreSQL, MySQL, SQLite, MongoDB, SQL Server and Prisma, in an ORM's error too. Its text is for the log alone.
 *
 * ServiceErrors and cancellations are given back as they are: whoever made them knew more. Never throws.
 */
export function fromDatabase(error: unknown): ServiceError {
  return entered(error, () => {
    const { code, options } = databaseMeaning(error) ?? { code: 'INTERNAL' as const };
    return new LayerError(code, `database: ${messageOf(error)}`, { ...options, layer: 'database', expose: false, cause: error });
  });
}

/**
 * What a validator threw: INVALID_ARGUMENT, reason `VALIDATION_FAILED`, with the violations by field of zod, valibot, Joi, Ajv, Mongoose and
 * class-validator in `errors`, which a client sees. The text of the error itself, which may hold the values, is not shown. Passes on as `fromDatabase`.
 */
export function fromValidation(error: unknown): ServiceError {
  return entered(error, () => {
    const errors = validationIssues(error);
    const [first] = errors;
    const rest = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
    const message = first === undefined ? 'Not valid' : `Not valid: ${first.pointer} ${first.detail}${rest}`;
    return new LayerError('INVALID_ARGUMENT', message, {
      layer: 'validation',
      reason: REASONS.validationFailed,
      cause: error,
      ...(errors.length > 0 && { errors }),
    });
  });
}

/**
 * What a call to something outside threw: UNAVAILABLE, or DEADLINE_EXCEEDED when it took too long, and INTERNAL when it says that our request
 * was wrong. Names the service and the method for the log. Passes on as `fromDatabase`, so that a RemoteError of a client stays one.
 *
 * @example throw fromExternalService('billing', 'charge')(error);
 * @throws TypeError at once, when a name is none
 */
export function fromExternalService(service: string, method?: string): (error: unknown) => ServiceError {
  if (typeof service !== 'string' || service === '')
    throw new TypeError(`fromExternalService service: ${shown(service)} is no name. Give the name of the service.`);
  if (method !== undefined && (typeof method !== 'string' || method === ''))
    throw new TypeError(`fromExternalService method: ${shown(method)} is no name. Give what is asked of it, or leave it out.`);
  const called = method === undefined ? service : `${service}.${method}`;
  return (error) =>
    entered(error, () => {
      const { code, status, reason } = outsideMeaning(ServiceError.from(error));
      return new LayerError(code, `${called}: ${messageOf(error)}`, {
        layer: 'external',
        service,
        method,
        status,
        expose: false,
        cause: error,
        ...(reason !== undefined && { reason }),
      });
    });
}

/** Everything else: INTERNAL, which is a fault of ours. Passes on as `fromDatabase`. */
export function fromSystem(error: unknown): ServiceError {
  return entered(error, () => new LayerError('INTERNAL', messageOf(error), { layer: 'system', expose: false, cause: error }));
}

function entered(error: unknown, make: () => ServiceError): ServiceError {
  const known = ServiceError.from(error);
  if (known === error || known.code === 'CANCELLED') return known;
  try {
    return make();
  } catch {
    return known; // a getter of what was thrown
  }
}

function outsideMeaning({ code, status, reason }: ServiceError): {
  readonly code: Code;
  readonly status: number;
  readonly reason?: string | undefined;
} {
  if (code === 'UNKNOWN' || status === 500) return code === 'INTERNAL' ? { code, status: 500 } : { code: 'UNAVAILABLE', status: 503 };
  if (status === 429 || status === 503) return { code: 'UNAVAILABLE', status: 503, reason };
  if (status === 504 || status === 408) return { code: 'DEADLINE_EXCEEDED', status: 504, reason };
  return status > 500 ? { code: 'UNAVAILABLE', status: 502 } : { code: 'INTERNAL', status: 500 };
}

function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null) {
    const { message } = error as { readonly message?: unknown };
    if (typeof message === 'string' && message !== '') return message;
  }
  return isServiceError(error) ? error.code : `something of type ${typeof error} was thrown`;
}
