import { AsyncResource } from 'node:async_hooks';
import { Readable } from 'node:stream';
import type { Clock, Timer } from '../time/clock.js';
import { ServiceError } from '../errors/service-error.js';

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
 * A stream that is not read holds a connection, an endpoint's count and a bulkhead's permit. So one that nobody reads, or
 * whose reader has taken nothing for `idleMs` although something is there, is destroyed with CANCELLED. A reader that waits
 * for a slow server is left alone: that is what a deadline is for.
 */
export class ReplyStream extends Readable {
  readonly #source: StreamSource;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #label: string;
  // The socket's callbacks run in the context of whoever opened it; listeners of this stream belong to the caller's.
  readonly #context = new AsyncResource('FerruleReply');
  #progressAt: number;
  #timer: Timer | undefined;
  #resuming = false;

  constructor(source: StreamSource, label: string, idleMs: number, clock: Clock) {
    super({ highWaterMark: 65_536 });
    this.#source = source;
    this.#label = label;
    this.#idleMs = idleMs;
    this.#clock = clock;
    this.#progressAt = clock.now();
    // As with node:http's own messages, a failure that nobody listens to must not end the process.
    this.on('error', nothing);
    if (idleMs > 0) this.#watch(idleMs);
  }

  /** Hands a chunk on; false asks to be paused. */
  feed(chunk: Uint8Array): boolean {
    const more = this.#context.runInAsyncScope(this.push, this, chunk);
    if (this.readableLength === 0) this.#progressAt = this.#clock.now();
    return more;
  }

  /** All of it has come. */
  complete(): void {
    this.#context.runInAsyncScope(this.push, this, null);
  }

  fail(error: Error): void {
    this.#context.runInAsyncScope(this.destroy, this, error);
  }

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    if (chunk !== null) this.#progressAt = this.#clock.now();
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
      const waits = this.readableLength === 0 && !this.readableEnded && this.#hasReader();
      if (waits) this.#progressAt = this.#clock.now();
      const left = this.#idleMs - (this.#clock.now() - this.#progressAt);
      if (left > 0) return this.#watch(left);
      this.destroy(
        new ServiceError(
          'CANCELLED',
          `${this.#label}: nobody read the reply's stream for ${this.#idleMs} ms, so it was cancelled. Read it to the end or destroy it.`,
        ),
      );
    });
  }

  #hasReader(): boolean {
    return this.readableFlowing === true || this.listenerCount('readable') > 0;
  }
}

function nothing(): void {}
