import { STATUS_CODES } from 'node:http';
import { CODE_TABLE, codeOfStatus, isCode } from './codes.js';
import type { Code } from './codes.js';

const BRAND = Symbol.for('ferrule.error');
const REFUSED = Symbol.for('ferrule.refusal');

export interface ServiceErrorOptions {
  /** The business word, for example `USER_NOT_FOUND`; letters, digits, `_`, `.` and `-`. */
  readonly reason?: string;
  /** The business number, for example 10001. Never an HTTP status. */
  readonly number?: number;
  /** HTTP status, 400 to 599. Default: that of the code. */
  readonly status?: number;
  /** URI of the problem type. Default `about:blank`. */
  readonly type?: string;
  /** Short, the same for every occurrence. Default: that of the code. */
  readonly title?: string;
  /** Whether the message may leave the process. Default: true below 500. */
  readonly expose?: boolean;
  /** Whether trying again later may help. Default: that of the code. */
  readonly retryable?: boolean;
  /** When to try again, milliseconds from now; becomes `Retry-After` in whole seconds. */
  readonly retryAfterMs?: number;
  /** Whether the request certainly never reached the other side, so that the outbound call itself may be tried again even when it is a write. Default false. */
  readonly unsent?: boolean;
  /** Violations by field, shown to the client. */
  readonly errors?: readonly FieldError[];
  readonly cause?: unknown;
}

export interface FieldError {
  /** JSON Pointer into the request, for example `#/email`. */
  readonly pointer: string;
  readonly detail: string;
  readonly code?: string;
}

/**
 * The one error of the framework: a canonical code, a message for the log, and what may be shown to a client.
 * Recognised by brand, so that two copies of the package know each other's errors; compare by `code` and `reason`.
 */
export class ServiceError extends Error {
  override readonly name: string = 'ServiceError';
  readonly code: Code;
  readonly reason: string | undefined;
  readonly number: number | undefined;
  readonly status: number;
  readonly type: string;
  readonly title: string;
  readonly expose: boolean;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly unsent: boolean;
  readonly errors: readonly FieldError[] | undefined;

  /** @throws TypeError when the code is unknown, RangeError when the status is not from 400 to 599. */
  constructor(code: Code, message: string, options: ServiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    if (!isCode(code))
      throw new TypeError(
        `ServiceError code: ${String(code)} is unknown. Use one of ${Object.keys(CODE_TABLE).join(', ')}; a business word belongs into reason.`,
      );
    const row = CODE_TABLE[code];
    const status = options.status ?? row.status;
    if (!Number.isInteger(status) || status < 400 || status > 599)
      throw new RangeError(`ServiceError status: ${String(status)} is no error status. Give 400 to 599; a business number belongs into number.`);
    this.code = code;
    this.reason = options.reason;
    this.number = options.number;
    this.status = status;
    this.type = options.type ?? 'about:blank';
    this.title = options.title ?? (options.status === undefined ? row.title : (STATUS_CODES[status] ?? row.title));
    this.expose = options.expose ?? status < 500;
    this.retryable = options.retryable ?? row.retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.unsent = options.unsent ?? false;
    this.errors = options.errors;
  }

  static {
    // On the prototype: defining it on every error would cost more than the rest of its construction.
    Object.defineProperty(this.prototype, BRAND, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== ServiceError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return isServiceError(value);
  }

  /**
   * Whatever was thrown, as a ServiceError: itself, an http-error with its status, an abort, or UNKNOWN with the value as cause. The message
   * of a foreign error is shown only when it says `expose: true`; one that carries `response` or `config` is the answer of another
   * service, so that it becomes a 500, 502, 503 or 504 of ours. Never throws.
   */
  static from(thrown: unknown): ServiceError {
    return fromUnknown(thrown);
  }
}

/** Whether the value is a ServiceError of this or another copy of the package. Never throws, whatever was thrown at us. */
export function isServiceError(value: unknown): value is ServiceError {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return (value as { [key: symbol]: unknown })[BRAND] === true;
  } catch {
    return false; // a Proxy whose trap throws
  }
}

/** A refusal made many times a second (an open circuit, a full bulkhead): it carries no stack trace, which is most of an error's cost. */
export function refusal(code: Code, message: string, options: ServiceErrorOptions & { readonly reason: string }): ServiceError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return REFUSALS.has(options.reason) ? new Refusal(code, message, options) : new ServiceError(code, message, options);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** A ServiceError in all that can be seen. Its mark is on the prototype: put on every refusal, it would cost a third of its construction. */
class Refusal extends ServiceError {
  static {
    Object.defineProperties(this.prototype, { [REFUSED]: { value: true }, constructor: { value: ServiceError } });
  }
}

/** The reasons that Ferrule itself gives. */
export const REASONS = {
  timeout: 'TIMEOUT',
  circuitOpen: 'CIRCUIT_OPEN',
  bulkheadFull: 'BULKHEAD_FULL',
  rateLimited: 'RATE_LIMITED',
  concurrencyLimited: 'CONCURRENCY_LIMITED',
  throttled: 'THROTTLED',
  hedgeLost: 'HEDGE_LOST',
  notCached: 'NOT_CACHED',
  chaos: 'CHAOS',
  noEndpoint: 'NO_ENDPOINT',
  unknownService: 'UNKNOWN_SERVICE',
  connectFailed: 'CONNECT_FAILED',
  connectionLost: 'CONNECTION_LOST',
  malformedReply: 'MALFORMED_REPLY',
  replyTooLarge: 'REPLY_TOO_LARGE',
  draining: 'DRAINING',
  disconnected: 'CLIENT_DISCONNECTED',
  malformedBody: 'MALFORMED_BODY',
  bodyTooLarge: 'BODY_TOO_LARGE',
  unsupportedMediaType: 'UNSUPPORTED_MEDIA_TYPE',
  validationFailed: 'VALIDATION_FAILED',
  routeNotFound: 'ROUTE_NOT_FOUND',
  methodNotAllowed: 'METHOD_NOT_ALLOWED',
} as const;

/**
 * Whether it is a refusal of this process: nothing was tried, so it says nothing about the other side.
 * The same reason from afar (a 429 `RATE_LIMITED` that the other side answered) is none: that was asked and said no.
 */
export function isRefusal(error: unknown): boolean {
  if (!isServiceError(error)) return false;
  try {
    return (error as { [REFUSED]?: unknown })[REFUSED] === true;
  } catch {
    return false;
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  REASONS.circuitOpen,
  REASONS.bulkheadFull,
  REASONS.rateLimited,
  REASONS.concurrencyLimited,
  REASONS.throttled,
]);

function fromUnknown(thrown: unknown): ServiceError {
  try {
    if (isServiceError(thrown)) return thrown;
    if (typeof thrown === 'object' && thrown !== null) {
      const { name, message } = thrown as { name?: unknown; message?: unknown };
      const text = typeof message === 'string' ? message : 'Unknown error';
      if (name === 'AbortError') return new ServiceError('CANCELLED', text, { cause: thrown, expose: false });
      if (name === 'TimeoutError') return new ServiceError('DEADLINE_EXCEEDED', text, { cause: thrown, reason: REASONS.timeout });
      const { response, config } = thrown as { response?: unknown; config?: unknown };
      const status = statusOf(thrown) ?? (typeof response === 'object' && response !== null ? statusOf(response) : undefined);
      if (status !== undefined) {
        if (response !== undefined || config !== undefined) return ownAnswer(status, text, thrown);
        return new ServiceError(codeOfStatus(status), text, { status, cause: thrown, expose: isExposed(thrown) });
      }
      return new ServiceError('UNKNOWN', text, { cause: thrown });
    }
    return new ServiceError('UNKNOWN', `Thrown value of type ${typeof thrown}`, { cause: thrown });
  } catch {
    return new ServiceError('UNKNOWN', 'A thrown value could not be read');
  }
}

/**
 * What a server of ours should say when a service behind it answered with `status`: overload stays overload (503), a timeout a timeout
 * (504), any other 5xx is a 502; a 4xx is a 500, because it was our request that was wrong, and its 401 is not for our client.
 */
export function ownAnswer(status: number, message: string, cause: unknown): ServiceError {
  const options = { cause, expose: false };
  if (status === 429 || status === 503) return new ServiceError('UNAVAILABLE', message, options);
  if (status === 504 || status === 408) return new ServiceError('DEADLINE_EXCEEDED', message, options);
  if (status >= 500) return new ServiceError('UNAVAILABLE', message, { ...options, status: 502 });
  return new ServiceError('INTERNAL', message, options);
}

/**
 * Whether the author of a foreign error has said that its message is for the client: http-errors and all that is made with it (Koa's
 * `ctx.throw`, body-parser) by `expose`. A status alone says nothing of the kind: the errors of API clients have one too, with what
 * their own server said in the message.
 */
function isExposed(thrown: object): boolean {
  return (thrown as { expose?: unknown }).expose === true;
}

/** The status of an http-errors, Koa or boom error; undefined when it has none between 400 and 599. */
function statusOf(thrown: object): number | undefined {
  const { status, statusCode, output } = thrown as { status?: unknown; statusCode?: unknown; output?: { statusCode?: unknown } };
  for (const candidate of [status, statusCode, output?.statusCode]) {
    if (typeof candidate === 'number' && Number.isInteger(candidate) && candidate >= 400 && candidate <= 599) return candidate;
  }
  return undefined;
}
