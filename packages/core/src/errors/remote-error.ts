import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { codeOfStatus, isCode } from './codes.js';
import type { Code } from './codes.js';
import type { Problem } from './problem.js';
import { ServiceError, ownAnswer } from './service-error.js';
import type { FieldError, ServiceErrorOptions } from './service-error.js';

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
}

/** The members of a problem that the other side gave and that have the right type; anything else it wrote is dropped. */
export type RemoteProblem = Readonly<Partial<Problem>>;

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

  constructor(code: Code, message: string, options: RemoteErrorOptions) {
    super(code, message, { expose: false, ...options });
    Object.defineProperty(this, BRAND, { value: true });
    this.service = options.service;
    this.instanceId = options.instanceId;
    this.attempt = options.attempt ?? 1;
    this.problem = options.problem;
    this.#reply = options.reply;
  }

  /** The reply itself, body read: parsed, undefined when it was larger than 64 KB, bytes for a caller who asked for them. */
  get reply(): Reply | undefined {
    return this.#reply;
  }

  /**
   * What a server of ours should say of it: overload stays overload (503), a timeout a timeout (504), any other 5xx is a 502;
   * a 4xx is a 500, because it was our request that was wrong. The remote error is the cause.
   * Its `retryAfterMs` is left out: a caller takes a 503 with `Retry-After` as proof that we have done nothing, and only the other side
   * has said that, of its own part.
   */
  toOwn(): ServiceError {
    return ownAnswer(this.status, this.message, this);
  }
}

/** Whether another service answered with it, as opposed to what went wrong on our side or on the way; by brand, across copies of the package. */
export function isRemoteError(value: unknown): value is RemoteError {
  return typeof value === 'object' && value !== null && (value as { [key: symbol]: unknown })[BRAND] === true;
}

/** The longest that a server may ask us to wait; more is taken for this much. */
const LONGEST_RETRY_AFTER_MS = 300_000;

/**
 * The error that a reply stands for: problem+json, other JSON with a message (`detail`, `message`, `error`), or text.
 * Only listed members are copied, each when its type is right, never the body as a whole, which could forge name and stack.
 * @param reply its body is read and parsed; `more.reply` is the one to keep, when it is another
 * @param wallTime milliseconds since the epoch, for a Retry-After that is a date
 */
export function remoteErrorOf(
  reply: Reply,
  call: Call,
  wallTime: number,
  more: { readonly cause?: unknown; readonly reply?: Reply } = {},
): RemoteError {
  const problem = problemOf(reply.body);
  const code = problem?.code;
  const retryAfterMs = retryAfter(reply.headers['retry-after'], wallTime);
  const service = call.operation.service;
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
      ...(problem?.reason !== undefined && { reason: problem.reason }),
      ...(problem?.number !== undefined && { number: problem.number }),
      ...(problem?.type !== undefined && { type: problem.type }),
      // An answer of a status that may be tried again is retryable unless the service says otherwise.
      ...(problem?.retryable !== undefined ? { retryable: problem.retryable } : isCode(code) ? {} : { retryable: RETRYABLE.has(reply.status) }),
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
  const seconds = /^\s*(\d{1,10})\s*$/.exec(text);
  const ms = seconds !== null ? Number(seconds[1]) * 1_000 : /^\w{3,9},? .*\d{2}:\d{2}:\d{2}/.test(text) ? Date.parse(text) - wallTime : NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_RETRY_AFTER_MS);
}

const WORD = /^[A-Za-z0-9_.-]{1,128}$/;
const ID = /^[A-Za-z0-9._~:+/=@-]{1,128}$/;
const LONGEST_TEXT = 1_024;
const MOST_FIELD_ERRORS = 100;

function problemOf(body: unknown): RemoteProblem | undefined {
  if (typeof body === 'string') return body.trim() === '' || /^\s*</.test(body) ? undefined : Object.freeze({ detail: body.slice(0, LONGEST_TEXT) });
  if (typeof body !== 'object' || body === null || Array.isArray(body) || body instanceof Uint8Array) return undefined;
  const own = (name: string): unknown => (Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined);
  const text = (name: string, longest = LONGEST_TEXT): string | undefined => {
    const value = own(name);
    return typeof value === 'string' && value !== '' ? value.slice(0, longest) : undefined;
  };
  const matching = (name: string, pattern: RegExp): string | undefined => {
    const value = own(name);
    return typeof value === 'string' && pattern.test(value) ? value : undefined;
  };
  const number = own('number');
  const status = own('status');
  const retryable = own('retryable');
  const errors = own('errors');
  const code = own('code');
  const found: { -readonly [K in keyof Problem]?: Problem[K] | undefined } = {
    type: text('type', 256),
    title: text('title', 256),
    status: Number.isInteger(status) ? (status as number) : undefined,
    // The words that go-micro (detail), NestJS (message, error) and most others have for it.
    detail: text('detail') ?? text('message') ?? text('error'),
    instance: text('instance', 256),
    code: isCode(code) ? code : undefined,
    reason: matching('reason', WORD),
    number: typeof number === 'number' && Number.isFinite(number) ? number : undefined,
    requestId: matching('requestId', ID),
    traceId: matching('traceId', /^[0-9a-f]{32}$/),
    retryable: typeof retryable === 'boolean' ? retryable : undefined,
    service: text('service', 128),
    errors: Array.isArray(errors) ? fieldErrors(errors) : undefined,
  };
  for (const name of Object.keys(found) as (keyof Problem)[]) if (found[name] === undefined) delete found[name];
  return Object.freeze(found as RemoteProblem);
}

function fieldErrors(given: readonly unknown[]): FieldError[] {
  const list: FieldError[] = [];
  for (const entry of given.slice(0, MOST_FIELD_ERRORS)) {
    if (typeof entry !== 'object' || entry === null) continue;
    const { pointer, detail, code } = entry as { pointer?: unknown; detail?: unknown; code?: unknown };
    if (typeof pointer !== 'string' || typeof detail !== 'string') continue;
    list.push({
      pointer: pointer.slice(0, 256),
      detail: detail.slice(0, LONGEST_TEXT),
      ...(typeof code === 'string' && { code: code.slice(0, 64) }),
    });
  }
  return list;
}
