import { ServiceError } from '@ferrule/core';
import { sleep } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import { failureOf, isAuthOff, isOutdatedToken } from './failure.js';
import { GrpcConnection } from './grpc-connection.js';
import { GrpcFailure, UNAVAILABLE } from './grpc-stream.js';
import { AUTHENTICATE } from './messages.js';
import type { Method } from './messages.js';
import type { EtcdTls } from './tls.js';
import type { Given } from './protobuf.js';
import { WatchStream } from './watch-stream.js';
import type { WatchRange, WatchSink } from './watch-stream.js';

export interface EtcdClientOptions {
  /** `http://host:port` each. */
  readonly endpoints: readonly string[];
  readonly user: { readonly name: string; readonly password: string } | undefined;
  readonly tls: EtcdTls | undefined;
  /** Of one exchange with one member, ms. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface EtcdClient {
  /**
   * Asks a member, and another one when that one cannot answer.
   * @throws ServiceError, retryable when another attempt may help; the signal's reason when it aborted.
   */
  call<Q, S>(method: Method<Q, S>, request: Given<Q>, signal?: AbortSignal): Promise<S>;
  /** The connection of now, for what has to see one member throughout. @throws ServiceError when no member can be reached. */
  connect(): Promise<Member>;
  close(): void;
}

/** One member of the cluster, as long as the connection to it lives. */
export interface Member {
  /** As `call` of the client. */
  call<Q, S>(method: Method<Q, S>, request: Given<Q>, signal?: AbortSignal): Promise<S>;
  /** All watches of a member share one stream. The returned function ends it without calling the sink again. */
  watch(range: WatchRange, sink: WatchSink): () => void;
}

/** Until a member has answered that it is there, ms. */
const CONNECT_MS = 2_000;
/** Between two rounds through members that cannot be reached, ms. */
const REST_MS = 500;
/** Has a member that is cut off from its leader say so at once, and end its watches. */
const METADATA: Readonly<Record<string, string>> = { hasleader: 'true' };

export function etcdClient({ endpoints, user, tls, requestTimeoutMs, clock, random }: EtcdClientOptions): EtcdClient {
  let at = Math.floor(random() * endpoints.length);
  let connecting: Promise<Connected> | undefined;
  let notBefore = Number.NEGATIVE_INFINITY;
  let current: Connected | undefined;
  // '' is no token: there is no user, or etcd asks for none.
  let token: Promise<string> | undefined = user === undefined ? Promise.resolve('') : undefined;
  let tokenNow = '';
  const open = new Set<GrpcConnection>();
  let closed = false;

  const connect = async (): Promise<Connected> => {
    // However many ask while no member can be reached, the cluster is not overrun when it comes back.
    const restMs = notBefore - clock.now();
    if (restMs > 0) await sleep(restMs, undefined, clock, { ref: true });
    let failure: unknown;
    for (let tried = 0; tried < endpoints.length; tried++) {
      const origin = endpoints[at % endpoints.length]!;
      try {
        if (closed) throw new GrpcFailure(UNAVAILABLE, 'the registry is closed', true);
        const grpc = await GrpcConnection.open({ origin, tls, timeoutMs: Math.min(CONNECT_MS, requestTimeoutMs), clock });
        if (closed) {
          grpc.close();
          continue;
        }
        open.add(grpc);
        grpc.onLost(() => {
          open.delete(grpc);
          leave(grpc);
        });
        return connected(grpc);
      } catch (error) {
        at++;
        failure = failureOf(origin, '/etcd.connect', error as GrpcFailure);
      }
    }
    notBefore = clock.now() + REST_MS * (0.5 + random() / 2);
    throw failure ?? new ServiceError('UNAVAILABLE', 'The etcd registry is closed', { retryable: false });
  };

  /** The next call goes to the next member. */
  const leave = (grpc: GrpcConnection): void => {
    if (current?.grpc !== grpc) return;
    current = undefined;
    at++;
  };

  const connection = async (): Promise<Connected> => {
    if (current?.grpc.usable === true) return current;
    connecting ??= connect().finally(() => (connecting = undefined));
    current = await connecting;
    return current;
  };

  const authenticate = async (grpc: GrpcConnection): Promise<string> => {
    const message = AUTHENTICATE.request.encode({ name: user!.name, password: user!.password });
    try {
      const answer = await grpc.unary({ path: AUTHENTICATE.path, message, metadata: METADATA, timeoutMs: requestTimeoutMs });
      return AUTHENTICATE.reply.decode(answer).token;
    } catch (error) {
      if (error instanceof GrpcFailure && isAuthOff(error)) return '';
      throw error;
    }
  };

  const metadata = async (grpc: GrpcConnection): Promise<Readonly<Record<string, string>>> => {
    token ??= authenticate(grpc).catch((error: unknown) => {
      token = undefined;
      throw error;
    });
    tokenNow = await token;
    return withToken(tokenNow);
  };

  const ask = async <Q, S>(grpc: GrpcConnection, method: Method<Q, S>, request: Given<Q>, signal: AbortSignal | undefined): Promise<S> => {
    const message = method.request.encode(request);
    for (let again = user !== undefined; ; again = false) {
      const used = await unlessAborted(metadata(grpc), signal);
      try {
        const answer = await grpc.unary({ path: method.path, message, metadata: used, timeoutMs: requestTimeoutMs, signal });
        return method.reply.decode(answer);
      } catch (error) {
        if (!again || !(error instanceof GrpcFailure) || !isOutdatedToken(error)) throw error;
        // Of many that hear it, the first one asks for a new one.
        if (used['token'] === withToken(tokenNow)['token']) token = undefined;
      }
    }
  };

  const inOurWords = (origin: string, path: string, error: unknown): unknown => {
    if (error instanceof GrpcFailure) return failureOf(origin, path, error);
    // The bytes were no such message.
    return error instanceof RangeError
      ? failureOf(origin, path, new GrpcFailure(UNAVAILABLE, `an answer that cannot be read: ${error.message}`))
      : error;
  };

  const connected = (grpc: GrpcConnection): Connected => {
    const streams = new Map<string, WatchStream>();
    return {
      grpc,
      async call(method, request, signal) {
        return ask(grpc, method, request, signal).catch((error: unknown) => {
          throw inOurWords(grpc.origin, method.path, error);
        });
      },
      watch(range, sink) {
        // A stream keeps the token that it began with, and a watch on it is refused when that has expired.
        const used = tokenNow;
        let stream = streams.get(used);
        if (stream === undefined) {
          const made = (stream = new WatchStream(grpc, withToken(used), () => {
            if (streams.get(used) === made) streams.delete(used);
          }));
          streams.set(used, made);
        }
        return stream.add(range, sink);
      },
    };
  };

  return {
    connect: connection,
    async call(method, request, signal) {
      for (let attempt = 0; ; attempt++) {
        signal?.throwIfAborted();
        const { grpc } = await unlessAborted(connection(), signal);
        try {
          return await ask(grpc, method, request, signal);
        } catch (error) {
          if (error instanceof GrpcFailure && (error.lost || error.status === UNAVAILABLE)) {
            if (!error.lost && endpoints.length > 1) {
              leave(grpc);
              grpc.retire();
            }
            // Once around; a lone member that was restarted meanwhile is asked over a new connection.
            const others = error.lost ? endpoints.length : endpoints.length - 1;
            if (attempt < others && !grpc.usable) continue;
          }
          throw inOurWords(grpc.origin, method.path, error);
        }
      }
    },
    close() {
      closed = true;
      for (const grpc of open) grpc.close();
    },
  };
}

interface Connected extends Member {
  readonly grpc: GrpcConnection;
}

function withToken(token: string): Readonly<Record<string, string>> {
  return token === '' ? METADATA : { ...METADATA, token };
}

/** Stops waiting when the signal aborts; the work is shared and goes on. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
