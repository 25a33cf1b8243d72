import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { codeOfStatus, isCode } from './codes.js';
import type { Code } from './codes.js';
import type { CatalogueEntry } from './catalogue.js';
import { ownAnswerBy } from './own-answers.js';
import type { OwnAnswers } from './own-answers.js';
import { boundedParams, pickedParams } from './params.js';
import { problemIn } from './remote-problem.js';
import type { RemoteProblem } from './remote-problem.js';
import { ServiceError } from './service-error.js';
import type { ServiceErrorOptions } from './service-error.js';

const BRAND = Symbol.for('ferrule.error.remote');

export interface RemoteErrorOptions extends ServiceErrorOptions {
  readonly status: number;
  /** The service that was called. */
  readonly service: string;
  /** The instance that answered. */
  readonly instanceId?: string | undefined;
  /** Which attempt it was, from 1. */
  readonly attempt?: number;
  readonly problem?: RemoteProblem | undefined;
  /** Kept for `reply`. */
  readonly reply?: Reply | undefined;
  /** What `toOwn` says of it, by status, where that differs from the table there. */
  readonly toOwn?: OwnAnswers | undefined;
}

/**
 * Another service answered with an error. `code`, `reason`, `number`, `type` and `retryable` are what it said, `status` what it answered with.
 *
 * Its message is for our log (`expose` is false): what another service tells us is not for our own clients. A server that lets
 * one escape should answer with `toOwn()`: a 404 of a service behind us is not a 404 of ours.
 */
export class RemoteError extends ServiceError {
  override readonly name: string = 'RemoteError';
  readonly service: string;
  readonly instanceId: string | undefined;
  readonly attempt: number;
  readonly problem: RemoteProblem | undefined;
  // Hidden from loggers and serialisers: it holds headers.
  readonly #reply: Reply | undefined;
  readonly #answers: OwnAnswers | undefined;

  constructor(code: Code, message: string, options: RemoteErrorOptions) {
    super(code, message, { expose: false, ...options });
    Object.defineProperty(this, BRAND, { value: true });
    this.service = options.service;
    this.instanceId = options.instanceId;
    this.attempt = options.attempt ?? 1;
    this.problem = options.problem;
    this.#reply = options.reply;
    this.#answers = options.toOwn;
  }

  /** The reply itself, body read: parsed, undefined when it was larger than 64 KB, bytes for a caller who asked for them. */
  get reply(): Reply | undefined {
    return this.#reply;
  }

  /**
   * What a server of ours should say of it: overload stays overload (503), a timeout a timeout (504), any other 5xx is a 502;
   * a 4xx is a 500, because it was our request that was wrong; the client's option `toOwn` may say otherwise. The remote error is the cause.
   * Its `retryAfterMs` is left out: a caller takes a 503 with `Retry-After` as proof that we have done nothing, and only the other side
   * has said that, of its own part.
   */
  toOwn(): ServiceError {
    return ownAnswerBy(this.#answers, this);
  }
}

/** Whether another service answered with it, as opposed to what went wrong on our side or on the way; by brand, across copies of the package. Never throws. */
export function isRemoteError(value: unknown): value is RemoteError {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return (value as { [key: symbol]: unknown })[BRAND] === true;
  } catch {
    return false; // a Proxy whose trap throws
  }
}

/** Finds the kind of error, of those that catalogues define, that a problem of a service is. */
export type KnownKinds = (problem: RemoteProblem, service: string) => CatalogueEntry | undefined;

/** The longest that a server may ask us to wait; more is taken for this much. */
const LONGEST_RETRY_AFTER_MS = 300_000;

/**
 * The error that a reply stands for: problem+json, other JSON with a message (`detail`, `message`, `error`), or text.
 * Only listed members are copied, each when its type is right, never the body as a whole, which could forge name and stack.
 * @param reply its body is read and parsed; `more.reply` is the one to keep, when it is another; `more.retryable` wins over what it says
 * @param wallTime milliseconds since the epoch, for a Retry-After that is a date
 */
export function remoteErrorOf(
  reply: Reply,
  call: Call,
  wallTime: number,
  more: {
    readonly cause?: unknown;
    readonly reply?: Reply;
    readonly kinds?: KnownKinds | undefined;
    readonly toOwn?: OwnAnswers | undefined;
    readonly retryable?: boolean | undefined;
  } = {},
): RemoteError {
  const problem = problemIn(reply.body);
  const retryAfterMs = retryAfter(reply.headers['retry-after'], wallTime);
  const service = call.operation.service;
  const kind = problem === undefined ? undefined : more.kinds?.(problem, service);
  const code = problem?.code ?? kind?.code;
  const params = kind === undefined ? undefined : pickedParams(boundedParams(problem?.details), kind.details);
  const { reason = kind?.reason, number = kind?.number, type = kind?.type, title = kind?.title } = problem ?? {};
  const retryable = more.retryable ?? problem?.retryable ?? kind?.retryable;
  const text = problem?.detail ?? problem?.title;
  return new RemoteError(
    isCode(code) ? code : codeOfStatus(reply.status),
    `${service} answered ${reply.status} to ${call.label}${text === undefined ? '' : `: ${text}`}`,
    {
      status: reply.status,
      service,
      instanceId: call.endpoint?.id,
      attempt: call.attempt,
      problem,
      reply: more.reply ?? reply,
      toOwn: more.toOwn,
      ...(reason !== undefined && { reason }),
      ...(number !== undefined && { number }),
      ...(type !== undefined && { type }),
      ...(kind !== undefined && title !== undefined && { title }),
      ...(params !== undefined && { params }),
      // An answer of a status that may be tried again is retryable unless the service says otherwise.
      ...(retryable !== undefined ? { retryable } : isCode(code) ? {} : { retryable: RETRYABLE.has(reply.status) }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(more.cause !== undefined && { cause: more.cause }),
    },
  );
}

const RETRYABLE: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);

/** Milliseconds of a Retry-After, seconds or date (RFC 9110, 10.2.3), from 0 to 5 minutes; undefined for anything else. */
export function retryAfter(value: unknown, wallTime: number): number | undefined {
  const text = typeof value === 'number' ? String(value) : Array.isArray(value) ? (value[0] as unknown) : value;
  if (typeof text !== 'string') return undefined;
  const seconds = /^\s*(\d+)\s*$/.exec(text);
  const ms = seconds !== null ? Number(seconds[1]) * 1_000 : /^\w{3,9},? .*\d{2}:\d{2}:\d{2}/.test(text) ? Date.parse(text) - wallTime : NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_RETRY_AFTER_MS);
}
