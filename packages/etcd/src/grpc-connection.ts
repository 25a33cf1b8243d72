import http2 from 'node:http2';
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import type { Clock, Timer } from '@ferrule/core/adapter';
import { GrpcFailure, UNAVAILABLE, grpcStream } from './grpc-stream.js';
import type { GrpcSink, GrpcStream } from './grpc-stream.js';
import type { EtcdTls } from './tls.js';

export interface GrpcConnectionOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string;
  readonly tls: EtcdTls | undefined;
  /** How long connecting may take, until the server has answered in HTTP/2. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export interface GrpcCall {
  readonly path: string;
  readonly message: Buffer;
  readonly metadata: OutgoingHttpHeaders;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What may be under way unread: the default of 64 KB would cost a big list many round trips. */
const STREAM_WINDOW = 2 ** 20;
const CONNECTION_WINDOW = 4 * 2 ** 20;
/** What node may keep for calls under way, MB. Its 10 would refuse some of thousands of registrations that begin together. */
const MOST_MEMORY = 64;
/** Of silence, until the server is asked whether it is there; etcd hangs up on whoever asks more often than every 5 s. */
const PING_MS = 10_000;
const PONG_MS = 5_000;

/** One connection to one server, which carries any number of calls with one answer and of streams. */
export class GrpcConnection {
  readonly origin: string;
  readonly #session: ClientHttp2Session;
  readonly #clock: Clock;
  readonly #lostListeners = new Set<() => void>();
  #failure: string | undefined;
  #retired = false;
  #calls = 0;
  #streams = 0;
  #heardAt: number;
  /** How often something was heard: a clock may stand. */
  #heard = 0;
  #timer: Timer | undefined;

  /** @throws GrpcFailure, also when something else than gRPC answers. */
  static async open({ origin, tls, timeoutMs, clock }: GrpcConnectionOptions): Promise<GrpcConnection> {
    const session = http2.connect(origin, {
      ...(tls as object),
      maxSessionMemory: MOST_MEMORY,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
    });
    const connection = new GrpcConnection(origin, session, clock);
    const timer = clock.schedule(timeoutMs, () => connection.#lose(`no connection within ${timeoutMs} ms`), { ref: true });
    const forget = await new Promise<() => void>((resolve, reject) => {
      const unheard = connection.onLost(() => reject(connection.#lost()));
      session.once('remoteSettings', () => resolve(unheard));
    }).finally(() => timer.cancel());
    forget();
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.unref();
    return connection;
  }

  private constructor(origin: string, session: ClientHttp2Session, clock: Clock) {
    this.origin = origin;
    this.#session = session;
    this.#clock = clock;
    this.#heardAt = clock.now();
    session.on('error', (error: NodeJS.ErrnoException) =>
      this.#lose(error.code === 'ERR_HTTP2_ERROR' ? `no HTTP/2 (${error.message})` : (error.code ?? error.message)),
    );
    session.on('close', () => this.#lose('the connection was closed'));
    session.on('goaway', () => (this.#retired = true));
  }

  /** Whether it takes new calls. */
  get usable(): boolean {
    return this.#failure === undefined && !this.#retired && !this.#session.closed;
  }

  /** Calls back once when it is gone. The returned function takes that back. */
  onLost(listener: () => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  /** Takes no new calls, and closes when those under way have ended. */
  retire(): void {
    this.#retired = true;
    this.#session.close();
  }

  close(): void {
    this.#lose('it was closed here');
  }

  /** @throws GrpcFailure; the signal's reason when it aborted. */
  unary({ path, message, metadata, timeoutMs, signal }: GrpcCall): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const heardBefore = this.#heard;
      let answer: Buffer | undefined;
      if (this.#calls++ === 0) this.#session.ref();
      const settle = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', abort);
        if (--this.#calls === 0) this.#session.unref();
      };
      const giveUp = (reason: unknown): void => {
        stream.cancel();
        settle();
        reject(reason);
      };
      const abort = (): void => giveUp(signal!.reason);
      const timer = this.#clock.schedule(timeoutMs, () => {
        giveUp(new GrpcFailure(UNAVAILABLE, `no answer within ${timeoutMs} ms`, true));
        // Nothing else came either: whoever calls next shall not wait for it as long.
        if (this.#heard === heardBefore) this.#lose(`no answer within ${timeoutMs} ms`);
      });
      signal?.addEventListener('abort', abort, { once: true });
      const stream = this.#start(
        path,
        { ...metadata, 'grpc-timeout': `${Math.ceil(timeoutMs)}m` },
        {
          onMessage: (bytes) => (answer ??= bytes),
          onEnd(error) {
            settle();
            if (error !== undefined) reject(error);
            else if (answer === undefined) reject(new GrpcFailure(UNAVAILABLE, 'an answer without a message'));
            else resolve(answer);
          },
        },
      );
      stream.send(message);
      stream.end();
    });
  }

  /** While one is open, a server that has fallen silent is noticed within 15 s. It does not keep the process alive. */
  stream(path: string, metadata: OutgoingHttpHeaders, sink: GrpcSink): GrpcStream {
    this.#streams++;
    let open = true;
    const leave = (): void => {
      if (!open) return;
      open = false;
      this.#streams--;
    };
    const stream = this.#start(path, metadata, {
      onMessage: sink.onMessage,
      onEnd(error) {
        leave();
        sink.onEnd(error);
      },
    });
    this.#listen();
    return {
      ...stream,
      cancel() {
        leave();
        stream.cancel();
      },
    };
  }

  #start(path: string, metadata: OutgoingHttpHeaders, sink: GrpcSink): GrpcStream {
    return grpcStream(this.#session, { path, metadata, sink, onHeard: () => this.#hear(), lost: () => this.#lost() });
  }

  #lost(): GrpcFailure {
    return new GrpcFailure(UNAVAILABLE, this.#failure ?? 'the connection broke', true);
  }

  #lose(why: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = why;
    this.#timer?.cancel();
    this.#session.destroy();
    for (const listener of [...this.#lostListeners]) listener();
  }

  #hear(): void {
    this.#heardAt = this.#clock.now();
    this.#heard++;
  }

  /** While there are streams: after each silence of `PING_MS` asks, and is lost when nothing is heard then either. */
  #listen(): void {
    if (this.#timer !== undefined || this.#failure !== undefined || this.#streams === 0) return; // etcd takes pings without a stream amiss
    const turn = (delayMs: number, then: () => void): void => {
      this.#timer = this.#clock.schedule(delayMs, () => {
        this.#timer = undefined;
        then();
      });
    };
    turn(this.#heardAt + PING_MS - this.#clock.now(), () => {
      if (this.#heardAt + PING_MS > this.#clock.now() || this.#streams === 0) return this.#listen();
      const heardBefore = this.#heard;
      this.#session.ping((error) => void (error === null && this.#hear()));
      turn(PONG_MS, () => {
        if (this.#heard === heardBefore) this.#lose(`silent for ${PING_MS + PONG_MS} ms`);
        else this.#listen();
      });
    });
  }
}
