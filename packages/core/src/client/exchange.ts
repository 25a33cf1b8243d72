import { Buffer } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Call } from '../call/call.js';
import { Reply } from '../call/reply.js';
import type { Clock } from '../time/clock.js';
import type { ReplyMode } from './outbound.js';
import { parseBody } from './reply-body.js';
import { ReplyStream } from './reply-stream.js';
import type { StreamSource } from './reply-stream.js';
import { abortError, malformed, tooLarge, transportError } from './transport-errors.js';
import type { Progress } from './transport-errors.js';

/** What all exchanges of a transport share. */
export interface ExchangeLimits {
  readonly clock: Clock;
  /** Bytes of a body that is read whole. */
  readonly replyLimit: number;
  /** Bytes of an error's body; a larger one is dropped, the status counts. */
  readonly errorLimit: number;
  readonly streamIdleMs: number;
}

/**
 * One request and its reply on an undici pool: the handler that undici calls back, and the promise that the caller waits for.
 * It settles once, at headers for a stream and at the end of the body otherwise; on an abort it settles at once.
 * The call's life ends when nothing moves any more.
 */
export class Exchange implements Dispatcher.DispatchHandler, StreamSource {
  readonly promise: Promise<Reply>;
  #resolve!: (reply: Reply) => void;
  #reject!: (error: unknown) => void;
  readonly #call: Call;
  readonly #mode: ReplyMode;
  readonly #limits: ExchangeLimits;
  readonly #upload: Readable | undefined;
  readonly #forget: () => void;
  /** Called once, when undici is done with it, for whoever counts connections. */
  #released: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #progress: Progress = 'connecting';
  #over = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #limit = 0;
  #bytes = 0;
  #chunks: Buffer[] = [];
  #stream: ReplyStream | undefined;

  constructor(call: Call, mode: ReplyMode, upload: Readable | undefined, limits: ExchangeLimits, released?: () => void) {
    this.#call = call;
    this.#mode = mode;
    this.#upload = upload;
    this.#limits = limits;
    this.#released = released;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#forget = call.onAbort((reason) => this.#abort(reason));
  }

  /** The connection is there and the request is about to be written. Throwing takes it back and leaves the connection alone. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over) throw abortError(this.#call.reason, this.#call.label);
    this.#controller = controller;
    this.#progress = 'sent';
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#over || (status >= 100 && status < 200)) return;
    if (status < 200 || status > 599) return this.#fail(malformed(this.#call, `status ${status}`, undefined));
    this.#progress = 'answered';
    this.#status = status;
    this.#headers = headers;
    this.#call.answered(status);
    if (this.#over) return; // a listener aborted
    const isError = status >= 400;
    // A reply without a body is over with its head: as a stream, it would wait for a reader who has no reason to come.
    if (!isError && (this.#mode === 'stream' || this.#mode === 'raw') && hasBody(this.#call.operation.method, status, headers)) {
      const stream = new ReplyStream(this, this.#call, isEventStream(headers), this.#limits.streamIdleMs, this.#limits.clock);
      this.#stream = stream;
      this.#resolve(new Reply(status, stream, headers));
      return;
    }
    this.#limit = isError && this.#mode !== 'raw' ? this.#limits.errorLimit : this.#limits.replyLimit;
    const length = headers['content-length'];
    if (length !== undefined && Number(length) > this.#limit && this.#call.operation.method !== 'HEAD') this.#overflow();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    this.#bytes += chunk.length;
    if (this.#stream !== undefined) {
      if (!this.#stream.feed(chunk)) controller.pause();
      return;
    }
    if (this.#bytes > this.#limit) return this.#overflow();
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#finish();
    this.#release();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    // The application's own stream failed: that says nothing about the endpoint.
    if (this.#upload?.errored === error) this.#fail(error);
    else this.#fail(transportError(error, this.#progress, this.#call));
    this.#release();
  }

  /** Its turn has come, but it shall not be sent any more. */
  refuse(error: Error): void {
    this.#fail(error);
    this.#release();
  }

  /** Once: undici reports the abort of what has ended as well. */
  #release(): void {
    const released = this.#released;
    this.#released = undefined;
    released?.();
  }

  #finish(): void {
    if (this.#stream !== undefined) {
      if (!this.#close()) return;
      this.#end('done');
      this.#stream.complete();
      return;
    }
    if (this.#over) return;
    let body: unknown;
    try {
      body = this.#wholeBody();
    } catch (error) {
      // An error's status matters more than its body.
      if (this.#status < 400) return this.#fail(malformed(this.#call, 'its JSON cannot be parsed', error, false));
    }
    this.#answer(new Reply(this.#status, body, this.#headers));
  }

  #wholeBody(): unknown {
    if (this.#bytes === 0) return undefined;
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const parsed =
      this.#mode === 'parse' || this.#mode === 'stream' ? parseBody(bytes, this.#headers['content-type'], this.#headers['content-encoding']) : bytes;
    // A small body is a view of the whole piece that the socket read: keeping it would keep 64 KB.
    return parsed === bytes && this.#chunks.length === 1 ? Buffer.from(bytes) : parsed;
  }

  /** The stream's reader wants more. */
  resume(): void {
    if (this.#controller?.paused === true) this.#controller.resume();
  }

  /** The stream was destroyed; without effect once all of it has come. */
  cancel(error: Error | null): void {
    if (!this.#close()) return;
    this.#controller?.abort(error ?? abortError(undefined, this.#call.label));
    this.#end('aborted');
  }

  #abort(reason: unknown): void {
    const error = abortError(reason, this.#call.label);
    if (this.#stream !== undefined) return this.#stream.fail(error); // and `cancel` does the rest
    if (!this.#close()) return;
    // Not begun, it is taken back when its turn comes (onRequestStart); nothing of it has been sent.
    this.#controller?.abort(error);
    this.#end('aborted');
    this.#reject(error);
  }

  #overflow(): void {
    if (this.#status < 400 || this.#mode === 'raw') return this.#fail(tooLarge(this.#call, this.#limit));
    this.#answer(new Reply(this.#status, undefined, this.#headers));
    this.#controller?.abort(abortError(undefined, this.#call.label));
  }

  #answer(reply: Reply): void {
    if (!this.#close()) return;
    this.#end('done');
    this.#resolve(reply);
  }

  #fail(error: Error): void {
    if (!this.#close()) return;
    this.#controller?.abort(error);
    // The stream first: whoever hears that the call has ended looks at it to see how.
    this.#stream?.fail(error);
    this.#end('failed');
    this.#reject(error); // without effect on a stream, whose reply is there
  }

  /** Nothing that comes later counts; false when that was so before. */
  #close(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#forget();
    return true;
  }

  #end(kind: 'done' | 'failed' | 'aborted'): void {
    this.#chunks = [];
    this.#call.end({ kind, bytes: this.#bytes });
  }
}

/** Whether a reply has a body: RFC 9112, 6.3, a length of nothing included. */
function hasBody(method: string, status: number, headers: IncomingHttpHeaders): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 205 && status !== 304 && Number(headers['content-length'] ?? 1) !== 0;
}

function isEventStream(headers: IncomingHttpHeaders): boolean {
  return /^\s*text\/event-stream\b/i.test(headers['content-type'] ?? '');
}
