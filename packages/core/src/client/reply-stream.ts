import { AsyncResource } from 'node:async_hooks';
import { Readable } from 'node:stream';
import type { Clock, Timer } from '../time/clock.js';
import type { Call } from '../call/call.js';
import { ServiceError } from '../errors/service-error.js';
import { stalled } from './transport-errors.js';

/** How a streamed body talks to the exchange that feeds it. */
export interface StreamSource {
  /** The reader wants more after `push` returned false. */
  resume(): void;
  /** The stream was destroyed before all of it had come. */
  cancel(error: Error | null): void;
}

/**
 * The body of a reply that the caller asked for as a stream, with backpressure down to the socket.
 *
 * A stream that stands still holds a connection, an endpoint's count and a bulkhead's permit, and timeouts end with its head. So one
 * that nobody reads, or whose reader has taken nothing for `idleMs` although something is there, is destroyed with CANCELLED. One whose
 * reader waits as long for the server is destroyed with UNAVAILABLE, CONNECTION_LOST, unless it is one that may be silent.
 */
export class ReplyStream extends Readable {
  readonly #source: StreamSource;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #call: Call;
  readonly #mayBeSilent: boolean;
  // The socket's callbacks run in the context of whoever opened it; listeners of this stream belong to the caller's.
  readonly #context = new AsyncResource('FerruleReply');
  /** When the reader last took something, or got something that it waited for. */
  #takenAt: number;
  /** When the server last sent something. */
  #fedAt: number;
  #timer: Timer | undefined;
  #resuming = false;

  /** @param mayBeSilent whether the server may send nothing for any time; @param idleMs 0: no limit at all */
  constructor(source: StreamSource, call: Call, mayBeSilent: boolean, idleMs: number, clock: Clock) {
    super({ highWaterMark: 65_536 });
    this.#source = source;
    this.#call = call;
    this.#mayBeSilent = mayBeSilent;
    this.#idleMs = idleMs;
    this.#clock = clock;
    this.#takenAt = this.#fedAt = clock.now();
    // As with node:http's own messages, a failure that nobody listens to must not end the process.
    this.on('error', nothing);
    if (idleMs > 0) this.#watch(idleMs);
  }

  /** Hands a chunk on; false asks to be paused. */
  feed(chunk: Uint8Array): boolean {
    this.#fedAt = this.#clock.now();
    if (this.#readerWaits()) this.#takenAt = this.#fedAt;
    return this.#context.runInAsyncScope(this.push, this, chunk);
  }

  /** All of it has come. */
  complete(): void {
    this.#context.runInAsyncScope(this.push, this, null);
  }

  fail(error: Error): void {
    this.#context.runInAsyncScope(this.destroy, this, error);
  }

  override read(size?: number): unknown {
    // Node's own still gives out what it has buffered. Readable.toWeb would pass that to a reader who has gone, and the process would end.
    if (this.destroyed) return null;
    const chunk: unknown = super.read(size);
    if (chunk !== null) this.#takenAt = this.#clock.now();
    return chunk;
  }

  override _read(): void {
    // In a microtask, because a reader may ask from inside another connection's parser, which is not re-entrant.
    if (this.#resuming) return;
    this.#resuming = true;
    queueMicrotask(() => {
      this.#resuming = false;
      if (!this.destroyed) this.#source.resume();
    });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#source.cancel(error);
    callback(error);
  }

  #watch(delayMs: number): void {
    this.#timer = this.#clock.schedule(delayMs, () => {
      if (this.destroyed || this.readableEnded) return;
      const waits = this.#readerWaits();
      // A server that was held back has its time from when its reader went on.
      const since = waits ? Math.max(this.#fedAt, this.#takenAt) : this.#takenAt;
      const left = since + this.#idleMs - this.#clock.now();
      if (left > 0) return this.#watch(left);
      if (waits && this.#mayBeSilent) return this.#watch(this.#idleMs);
      this.destroy(waits ? stalled(this.#call, this.#idleMs) : unread(this.#call, this.#idleMs));
    });
  }

  #readerWaits(): boolean {
    return this.readableLength === 0 && (this.readableFlowing === true || this.listenerCount('readable') > 0);
  }
}

function nothing(): void {}

function unread({ label }: Call, idleMs: number): ServiceError {
  return new ServiceError(
    'CANCELLED',
    `${label}: nobody read the reply's stream for ${idleMs} ms, so it was cancelled. Read it to the end or destroy it.`,
  );
}
