import type { ServiceError } from '@ferrule/core';
import { failureOf } from './failure.js';
import type { GrpcConnection } from './grpc-connection.js';
import { GrpcFailure, UNAVAILABLE } from './grpc-stream.js';
import type { GrpcStream } from './grpc-stream.js';
import { WATCH } from './messages.js';
import type { WatchReply } from './messages.js';

/** What one watch of a stream tells. */
export interface WatchSink {
  /** It has begun: whatever happens from now on is told. */
  onCreated?(): void;
  onEvents(reply: WatchReply): void;
  /** Once. `compacted`: what was asked for is forgotten, list again. */
  onEnd(why: ServiceError | 'compacted'): void;
}

export interface WatchRange {
  readonly key: string;
  /** The first key that does not belong to it; left out: `key` alone. */
  readonly rangeEnd?: string;
  /** Left out: from now on. */
  readonly startRevision?: number;
}

/** Any number of watches on one stream: a service more costs a message, no connection. */
export class WatchStream {
  readonly #origin: string;
  readonly #stream: GrpcStream;
  readonly #onEnd: () => void;
  readonly #sinks = new Map<number, WatchSink>();
  #made = 0;
  #ended = false;

  /** `onEnd`: it takes no more watches. */
  constructor(connection: GrpcConnection, metadata: Readonly<Record<string, string>>, onEnd: () => void) {
    this.#origin = connection.origin;
    this.#onEnd = onEnd;
    this.#stream = connection.stream(WATCH.path, metadata, {
      onMessage: (message) => this.#take(WATCH.reply.decode(message)),
      onEnd: (error = new GrpcFailure(UNAVAILABLE, 'the stream of watches was ended', true)) => {
        this.#ended = true;
        onEnd();
        for (const id of [...this.#sinks.keys()]) this.#end(id, this.#inOurWords(error));
      },
    });
  }

  /** The returned function ends it without calling the sink again. */
  add(range: WatchRange, sink: WatchSink): () => void {
    const watchId = ++this.#made;
    this.#sinks.set(watchId, sink);
    this.#stream.send(WATCH.request.encode({ create: { ...range, watchId, fragment: true } }));
    return () => {
      if (!this.#sinks.delete(watchId)) return;
      this.#stream.send(WATCH.request.encode({ cancel: { watchId } }));
      this.#close();
    };
  }

  #take(reply: WatchReply): void {
    const { watchId, created, canceled, compactRevision, cancelReason, events } = reply;
    const sink = this.#sinks.get(watchId);
    if (sink === undefined) return;
    if (compactRevision > 0) this.#end(watchId, 'compacted');
    else if (canceled)
      this.#end(watchId, this.#inOurWords(new GrpcFailure(UNAVAILABLE, cancelReason === '' ? 'the watch was cancelled' : cancelReason)));
    else if (created) sink.onCreated?.();
    else if (events.length > 0) sink.onEvents(reply);
  }

  #end(watchId: number, why: ServiceError | 'compacted'): void {
    const sink = this.#sinks.get(watchId);
    this.#sinks.delete(watchId);
    sink?.onEnd(why);
    this.#close();
  }

  /** The last one has gone. */
  #close(): void {
    if (this.#ended || this.#sinks.size > 0) return;
    this.#ended = true;
    this.#stream.cancel();
    this.#onEnd();
  }

  #inOurWords(failure: GrpcFailure): ServiceError {
    return failureOf(this.#origin, WATCH.path, failure);
  }
}
