import { finished } from 'node:stream';
import { parse as parseQuery } from 'node:querystring';
import { begin, flowInto } from './flow.js';
import type { Continuation } from './flow.js';
import { DONE, FAILED, Life } from './life.js';
import type { End } from './life.js';
export { begin } from './flow.js';
import type { Operation } from './operation.js';
import { Reply, isStream } from './reply.js';
import type { BodyStream } from './reply.js';
import { Values } from './values.js';

/** Header fields by lower-case name, as Node gives them. */
export type CallHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;
export type Params = Readonly<Record<string, string>>;

/**
 * What a policy needs to know of the work that it guards. A Call is one, and so is what `guard` makes for any function.
 */
export interface Attempt {
  /** 1 for the first try. */
  readonly attempt: number;
  /** When the work must have ended, on the scale of `Clock.now()`; undefined: no limit. */
  readonly deadline: number | undefined;
  /** Whether doing the work again is harmless. */
  readonly idempotent: boolean;
  /** A short name for messages, metrics and spans; never holds a value of a request. */
  readonly label: string;
  readonly aborted: boolean;
  readonly reason: unknown;
  /** Made when it is first asked for; `onAbort` is cheaper. */
  readonly signal: AbortSignal;
  /** Calls `listener` once on abort (at once when aborted already); the returned function takes it back. */
  onAbort(listener: (reason: unknown) => void): () => void;
  /**
   * Calls `listener` once when the work has really ended: body moved or socket closed, branches included. Below a timeout, a retry or
   * whoever else branches, that is the end of this branch of the work, and its `bytes` those that this branch has moved.
   */
  onEnd(listener: (end: End) => void): void;
  abort(reason: unknown): void;
  /** The same work with other facts; shares life and values. */
  derive(change: AttemptChange): this;
  /** Work of its own below this one: it can be aborted alone, and this one does not end before it. Give it to `run`. */
  branch(change?: AttemptChange): this;
  /** What was branched has settled with `value`, or has failed: it ends now, or when a stream in the value has been moved. `run` does that too. */
  endWith(value: unknown): void;
  endFailed(): void;
  /** Runs what was branched and ends it when `next` has settled and a streamed body was moved. */
  run<R>(next: (attempt: this) => Promise<R>): Promise<R>;
  /** As `run`, for one who only wants to hear how it settled: it spares a promise. Neither callback may throw. */
  runInto<R>(next: (attempt: this) => Promise<R>, succeeded: (value: R) => void, failed: (error: unknown) => void): void;
}

export interface AttemptChange {
  readonly attempt?: number;
  readonly deadline?: number | undefined;
}

export interface CallChange extends AttemptChange {
  readonly endpoint?: CallEndpoint;
  readonly headers?: CallHeaders;
  readonly body?: unknown;
  readonly operation?: Operation;
}

/** Where an outbound call goes: set by `balance`, read by the transport. */
export interface CallEndpoint {
  readonly id: string;
  /** For example `http://127.0.0.1:8080`, without a trailing slash. */
  readonly origin: string;
  /** Whom to speak to there, when that is not the host of `origin`: the name in the TLS certificate and in the `Host` header. */
  readonly serverName?: string | undefined;
}

/** What a call is made of. `query` may be given parsed, or as the raw text behind the question mark, parsed when first read. */
export interface CallInit {
  readonly side: 'server' | 'client';
  readonly operation: Operation;
  readonly params?: Params;
  readonly query?: Query | string;
  readonly headers?: CallHeaders;
  readonly body?: unknown;
  readonly attempt?: number;
  readonly deadline?: number | undefined;
  readonly endpoint?: CallEndpoint;
  readonly values?: Values;
  readonly life?: Life;
}

const EMPTY: Readonly<Record<string, never>> = Object.freeze(Object.create(null) as Record<string, never>);

/**
 * One exchange, inbound or outbound. Immutable but for its values; `derive` and `branch` make changed copies.
 * The private fields make spreading one a compile error: a spread copy would have lost its life.
 */
export class Call implements Attempt {
  readonly side: 'server' | 'client';
  readonly operation: Operation;
  /** Decoded path parameters by name. */
  readonly params: Params;
  readonly headers: CallHeaders;
  readonly body: unknown;
  readonly attempt: number;
  readonly deadline: number | undefined;
  readonly endpoint: CallEndpoint | undefined;
  readonly values: Values;
  #query: Query | string;
  readonly #life: Life;

  constructor(init: CallInit) {
    this.side = init.side;
    this.operation = init.operation;
    this.params = init.params ?? EMPTY;
    this.#query = init.query ?? EMPTY;
    this.headers = init.headers ?? EMPTY;
    this.body = init.body;
    this.attempt = init.attempt ?? 1;
    this.deadline = init.deadline;
    this.endpoint = init.endpoint;
    this.values = init.values ?? new Values();
    this.#life = init.life ?? new Life();
  }

  /** Query parameters by name; a repeated one is an array. */
  get query(): Query {
    if (typeof this.#query === 'string') this.#query = this.#query === '' ? EMPTY : parseQuery(this.#query);
    return this.#query;
  }

  /** A header field as one text: a repeated one is joined with `, `. `name` in lower case. */
  header(name: string): string | undefined {
    const value = Object.hasOwn(this.headers, name) ? this.headers[name] : undefined;
    return value === undefined || typeof value === 'string' ? value : value.join(', ');
  }

  get idempotent(): boolean {
    return this.operation.idempotent || this.headers['idempotency-key'] !== undefined;
  }

  get label(): string {
    return this.operation.name;
  }

  get signal(): AbortSignal {
    return this.#life.signal;
  }

  get aborted(): boolean {
    return this.#life.aborted;
  }

  get reason(): unknown {
    return this.#life.reason;
  }

  get ended(): boolean {
    return this.#life.ended;
  }

  abort(reason: unknown): void {
    this.#life.abort(reason);
  }

  onAbort(listener: (reason: unknown) => void): () => void {
    return this.#life.onAbort(listener);
  }

  onEnd(listener: (end: End) => void): void {
    this.#life.onEnd(listener);
  }

  /** Calls `listener` once when the own work has ended, whatever branches still do: see `Life.onOwnEnd`. */
  onOwnEnd(listener: (end: End) => void): void {
    this.#life.onOwnEnd(listener);
  }

  /** Called by whoever learns it first (transport, adapter) when the reply's headers are known. */
  answered(status: number): void {
    this.#life.answered(status);
  }

  onAnswered(listener: (status: number) => void): void {
    this.#life.onAnswered(listener);
  }

  /** Called by whoever moves the body (transport, adapter) when its own work has ended; idempotent. */
  end(end: End): void {
    this.#life.end(end);
  }

  derive(change: CallChange): this {
    return this.#copy(change, this.#life);
  }

  branch(change: CallChange = EMPTY): this {
    return this.#copy(change, new Life(this.#life));
  }

  endWith(value: unknown): void {
    endWith(this.#life, value);
  }

  endFailed(): void {
    this.#life.end(FAILED);
  }

  run<R>(next: (call: this) => Promise<R>): Promise<R> {
    return flowInto(next, this, new Ending<R>(this));
  }

  runInto<R>(next: (call: this) => Promise<R>, succeeded: (value: R) => void, failed: (error: unknown) => void): void {
    runInto(begin(next, this), this, succeeded, failed);
  }

  #copy(change: CallChange, life: Life): this {
    return new Call({
      side: this.side,
      operation: change.operation ?? this.operation,
      params: this.params,
      query: this.#query,
      headers: change.headers ?? this.headers,
      body: 'body' in change ? change.body : this.body,
      attempt: change.attempt ?? this.attempt,
      deadline: 'deadline' in change ? change.deadline : this.deadline,
      endpoint: change.endpoint ?? this.endpoint!,
      values: this.values,
      life,
    }) as this;
  }
}

/** Tells how `result` settles, then ends the work that gave it. */
export function runInto<R>(result: Promise<R>, work: Attempt, succeeded: (value: R) => void, failed: (error: unknown) => void): void {
  result.then(
    (value) => {
      succeeded(value);
      work.endWith(value);
    },
    (error: unknown) => {
      failed(error);
      work.endFailed();
    },
  );
}

/** Ends the work that was run; its result is the result. */
export class Ending<R> implements Continuation<R> {
  readonly #work: Attempt;

  constructor(work: Attempt) {
    this.#work = work;
  }

  get passesOn(): boolean {
    return true;
  }

  succeeded(value: R): R {
    this.#work.endWith(value);
    return value;
  }

  failed(error: unknown, from?: Promise<R>): R | Promise<R> {
    this.#work.endFailed();
    if (from !== undefined) return from;
    throw error;
  }
}

/** Ends a life whose work gave `result`: at once, or when the stream in it has been moved. */
export function endWith(life: Life, result: unknown): void {
  if (typeof result !== 'object') return life.end(DONE);
  const body: unknown = result instanceof Reply ? result.body : result;
  if (isStream(body) && !body.destroyed) endWhenMoved(life, body);
  else life.end(DONE);
}

/** Apart, because a function that makes a closure pays for it whenever it is called. */
function endWhenMoved(life: Life, body: BodyStream): void {
  finished(body, (error) => life.end(error ? FAILED : DONE));
}
