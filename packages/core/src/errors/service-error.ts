import { STATUS_CODES } from 'node:http';
import { types } from 'node:util';
import { CODE_TABLE, isCode } from './codes.js';
import type { Code } from './codes.js';
import { ownAnswerTo, recognise } from './from-unknown.js';
import { boundedParams } from './params.js';
import type { ErrorParams } from './params.js';
import { REASONS } from './reasons.js';
import type { FieldError, ServiceErrorOptions } from './service-error-options.js';

export { REASONS } from './reasons.js';
export type { FieldError, ServiceErrorOptions } from './service-error-options.js';

const { isNativeError } = types;
const BRAND = Symbol.for('ferrule.error');
const REFUSED = Symbol.for('ferrule.refusal');

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
  /** What the occurrence is about, for translations. Most have none, and then it is the prototype's: no error shall be larger for it. */
  declare readonly params: ErrorParams | undefined;

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
    this.title = options.title ?? titleOf(code, options.status);
    this.expose = options.expose ?? status < 500;
    this.retryable = options.retryable ?? row.retryable;
    this.retryAfterMs = options.retryAfterMs === undefined ? undefined : waitOf(options.retryAfterMs);
    this.unsent = options.unsent ?? false;
    this.errors = options.errors;
    if (options.params !== undefined) this.params = boundedParams(options.params);
  }

  /** Those of the params that a client may see: what the catalogue of the error says, else none. */
  get details(): ErrorParams | undefined {
    return undefined;
  }

  static {
    // On the prototype: defining it on every error would cost more than the rest of its construction.
    Object.defineProperties(this.prototype, { [BRAND]: { value: true }, params: { value: undefined, writable: true } });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== ServiceError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return isServiceError(value);
  }

  /**
   * Whatever was thrown, as a ServiceError: itself, what the table of `from-unknown.ts` makes of errors of Node and of other libraries, else
   * UNKNOWN; with the value as cause. The message of a foreign error is shown only when its author made it an answer. One that carries what
   * another service answered becomes a 500, 502, 503 or 504 of ours. Never throws.
   */
  static from(thrown: unknown): ServiceError {
    if (isServiceError(thrown) && isWhole(thrown)) return thrown;
    const { code, message, options } = recognise(thrown);
    // The stack that tells something is that of the cause; one of our own would be a third of what a failed request costs.
    const limit = Error.stackTraceLimit;
    if (isNativeError(thrown)) Error.stackTraceLimit = 0; // `instanceof` would ask a Proxy
    try {
      return new ServiceError(code, message, options);
    } finally {
      Error.stackTraceLimit = limit;
    }
  }
}

/** What `from` gives, for those who only read it. */
export type Described = Pick<
  ServiceError,
  'code' | 'message' | 'reason' | 'number' | 'status' | 'type' | 'title' | 'expose' | 'retryable' | 'retryAfterMs' | 'errors' | 'details' | 'cause'
> & { readonly isBare?: boolean };

/** As `ServiceError.from`, without making an error of what is none of ours: that would be half of what the reply for it costs. Never throws. */
export function described(thrown: unknown): Described {
  if (isServiceError(thrown) && isWhole(thrown)) return thrown;
  const { code, message, options, isBare = false } = recognise(thrown);
  const row = CODE_TABLE[code];
  const status = options.status ?? row.status;
  return {
    code,
    message,
    reason: options.reason,
    number: options.number,
    status,
    type: options.type ?? 'about:blank',
    title: options.title ?? titleOf(code, options.status),
    expose: options.expose ?? status < 500,
    retryable: options.retryable ?? row.retryable,
    retryAfterMs: options.retryAfterMs === undefined ? undefined : waitOf(options.retryAfterMs),
    errors: options.errors,
    details: undefined,
    cause: options.cause,
    isBare,
  };
}

/** That of the code, or of the status when the error has one of its own. */
function titleOf(code: Code, status: number | undefined): string {
  const { title } = CODE_TABLE[code];
  return status === undefined ? title : (STATUS_CODES[status] ?? title);
}

/** Whether one that has the brand can be answered with: another copy of the package made it, or somebody who only says so. */
function isWhole(error: ServiceError): boolean {
  try {
    const { code, status, title, type, message } = error as Readonly<Record<keyof ServiceError, unknown>>;
    const isStatus = Number.isInteger(status) && (status as number) >= 400 && (status as number) <= 599;
    return isCode(code) && isStatus && [title, type, message].every((one) => typeof one === 'string');
  } catch {
    return false;
  }
}

/** A difference of two times may be below 0 or none at all: not worth another error in place of this one. */
function waitOf(ms: number): number | undefined {
  return ms < 0 ? 0 : Number.isFinite(ms) ? ms : undefined;
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

/** The error of `ownAnswerTo`. */
export function ownAnswer(status: number, message: string, cause: unknown): ServiceError {
  const { code, ...own } = ownAnswerTo(status);
  return new ServiceError(code, message, { ...own, cause, expose: false });
}
