import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable } from 'node:stream';
import type { Pool } from 'undici';
import type { Call } from '../call/call.js';
import { REQUEST_ID } from '../call/context.js';
import type { End } from '../call/life.js';
import type { Reply } from '../call/reply.js';
import { REASONS, ServiceError, refusal } from '../errors/service-error.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { ConnectionQueue } from './connection-queue.js';
import { Exchange } from './exchange.js';
import type { ExchangeLimits } from './exchange.js';
import { keyOf } from './held-origins.js';
import { OUTBOUND } from './outbound.js';
import type { Outbound } from './outbound.js';
import { assertUnread, requestBody } from './request-body.js';
import { requestHeaders } from './request-headers.js';
import { checkPool } from './pool-options.js';
import type { PoolOptions } from './pool-options.js';
import { pathTemplate, targetOf } from './target.js';
import type { Transport } from './transport.js';
import { abortError } from './transport-errors.js';

export interface HttpTransportOptions {
  /** Until a TCP or TLS connection is there. Default 1 s. */
  readonly connectTimeout?: Duration;
  /** How long an idle connection is kept when the server does not say (it says: 2 s less than that). Default 4 s. */
  readonly keepAliveTimeout?: Duration;
  /** How long an idle connection is kept at most, whatever the server says; 0 closes it after each reply. Default 10 min. */
  readonly idleTimeout?: Duration;
  /** Connections per origin; further calls queue until one is free. Default: as many as there are calls at a time. */
  readonly connections?: number;
  /** Bytes of a reply that is read whole; a larger one fails with REPLY_TOO_LARGE. Default 10 MiB. */
  readonly replyLimit?: number;
  /**
   * A streamed reply stands still at most so long, since it holds a connection and its permits. One that nobody reads is cancelled
   * (CANCELLED); one of which nothing comes while its reader waits has lost its connection (UNAVAILABLE, CONNECTION_LOST). An event stream
   * (`text/event-stream`) may be silent for any time. Default 30 s; 0 never.
   */
  readonly streamIdleTimeout?: Duration;
  /** TLS: certificates to trust beside those of Node. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[];
  /** TLS: the client's own certificate and key. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<HttpTransportOptions>({
  connectTimeout: true,
  keepAliveTimeout: true,
  idleTimeout: true,
  connections: true,
  replyLimit: true,
  streamIdleTimeout: true,
  ca: true,
  cert: true,
  key: true,
  clock: true,
});
/** An error's body is for people and mappers, not for data. */
const ERROR_LIMIT = 65_536;
/** Taken off the time that the other side is told, for the way back. */
const WAY_BACK_MS = 5;
const UNSENT: End = Object.freeze({ kind: 'failed', bytes: 0 });

/**
 * HTTP/1.1 with a keep-alive pool per origin, on undici.
 *
 * It sends a call to `call.endpoint` and gives back what was answered, whatever the status; a redirect is not followed.
 * No timer of its own but the one for connecting: deadline and cancellation come through the call, so that one place decides.
 * Fails with UNAVAILABLE (`CONNECT_FAILED` unsent, `CONNECTION_LOST`, `MALFORMED_REPLY` with 502), OUT_OF_RANGE (`REPLY_TOO_LARGE`),
 * DEADLINE_EXCEEDED (`TIMEOUT`, unsent) when no time is left to call, and with the reason of an abort.
 *
 * undici is loaded when the first transport is made, and its process-wide dispatcher, which belongs to the built-in fetch, is left alone.
 * @throws TypeError or RangeError when an option is out of range.
 */
export function httpTransport(options: HttpTransportOptions = {}): Transport {
  checkOptions('httpTransport', options, OPTIONS);
  checkSurroundings('httpTransport', options);
  const { connections, replyLimit = 10 * 1024 * 1024, clock = systemClock, ca, cert, key } = options;
  const connectMs = toMs(options.connectTimeout ?? 1_000, 'httpTransport connectTimeout');
  const idleMs = options.idleTimeout === undefined ? undefined : toMs(options.idleTimeout, 'httpTransport idleTimeout');
  const keepAliveMs = toMs(options.keepAliveTimeout ?? (idleMs === undefined || idleMs === 0 ? 4_000 : idleMs), 'httpTransport keepAliveTimeout');
  const limits: ExchangeLimits = {
    clock,
    replyLimit,
    errorLimit: ERROR_LIMIT,
    streamIdleMs: toMs(options.streamIdleTimeout ?? 30_000, 'httpTransport streamIdleTimeout'),
  };
  if (connections !== undefined) wholeNumber(connections, 1, 'connections');
  wholeNumber(replyLimit, 0, 'replyLimit');
  if (connectMs === 0 || keepAliveMs === 0) throw new RangeError('httpTransport: connectTimeout and keepAliveTimeout have to be longer than 0.');

  const tls = { ...(ca !== undefined && { ca: ca as string }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
  const reuse =
    idleMs === undefined
      ? { keepAliveTimeout: keepAliveMs }
      : idleMs === 0
        ? { pipelining: 0 } // undici's word for one request a connection
        : { keepAliveTimeout: Math.min(keepAliveMs, idleMs), keepAliveMaxTimeout: idleMs };
  /** By origin, with the server name when it has one: the same address under another name is another TLS session. */
  const pools = new Map<string, Pool>();
  /** Of each pool with something under way, when connections are limited. */
  const queues = new Map<string, ConnectionQueue>();
  /** Of pools that were forgotten while calls waited. */
  const departed = new WeakSet<ConnectionQueue>();
  /** Forgotten, but with calls that have not ended. */
  const leaving = new Set<Pool>();
  // A connection outlives the request that opened it. Opened here, its callbacks do not keep that request's context alive.
  const outside = AsyncLocalStorage.snapshot();
  let undici: Undici | undefined;
  let closed = false;
  const loading = loadUndici();
  loading.then(
    (loaded) => (undici = loaded),
    () => undefined, // told to each call
  );

  function openPool(key: string, origin: string, serverName: string | undefined, { Pool, connector }: Undici): Pool {
    const connect = connector({ ...tls, timeout: 0 });
    // undici takes Host header and TLS server name from the pool's origin; only the connection goes to the address.
    const { protocol, hostname: address, port } = new URL(origin);
    const to = serverName === undefined ? undefined : { hostname: address.replace(/^\[|\]$/g, '') };
    const pool = new Pool(serverName === undefined ? origin : `${protocol}//${serverName}${port === '' ? '' : `:${port}`}`, {
      connections: connections ?? null,
      headersTimeout: 0,
      bodyTimeout: 0,
      ...reuse,
      connect(target, callback) {
        outside(() => {
          const socket = connect(to === undefined ? target : { ...target, ...to }, (...result) => {
            timer.cancel();
            callback(...result);
          });
          const timer = clock.schedule(connectMs, () => {
            socket.destroy(Object.assign(new Error(`no connection within ${connectMs} ms`), { code: 'UND_ERR_CONNECT_TIMEOUT' }));
          });
        });
      },
    });
    pools.set(key, pool);
    return pool;
  }

  /** @throws ServiceError, the reason of an abort, or TypeError, when the call cannot be sent */
  function dispatch(call: Call, loaded: Undici): Promise<Reply> {
    if (call.endpoint === undefined)
      throw new TypeError(`httpTransport: ${call.label} has no endpoint. balance() sets it; without it, derive({ endpoint: { id, origin } }).`);
    if (call.aborted) throw abortError(call.reason, call.label);
    if (closed) throw new ServiceError('UNAVAILABLE', `${call.label}: the transport is closed`, { unsent: true, retryable: false });
    const { origin, serverName } = call.endpoint;
    const key = keyOf(origin, serverName);
    let leftMs = leftOf(call);
    if (leftMs !== undefined && leftMs <= 0) throw noTimeLeft(call, origin);
    const { target, body, mode, requestId } = outboundOf(call);
    const { content } = body;
    const upload = content instanceof Readable ? content : undefined;
    // Made for this attempt alone, so that nobody else will read or close what was not sent of it.
    if (upload !== undefined && upload !== call.body && typeof call.body === 'function') call.onEnd(() => void upload.destroy());
    let headers = requestHeaders(call, body, requestId, leftMs);
    let hasWaited = false;
    const queue = connections === undefined ? undefined : queueOf(key, connections);
    const exchange = new Exchange(call, mode, upload, limits, queue && (() => leave(key, queue)));
    const start = (): void => {
      if (closed) return exchange.onResponseError(undefined, closedError());
      if (hasWaited && leftMs !== undefined) {
        leftMs = leftOf(call)!;
        if (leftMs <= 0) return exchange.refuse(noTimeLeft(call, origin));
        headers = requestHeaders(call, body, requestId, leftMs); // which it was able to make before
      }
      const pool = pools.get(key) ?? openPool(key, origin, serverName, loaded);
      pool.dispatch({ path: target, method: call.operation.method, headers, body: content ?? null }, exchange);
    };
    if (queue === undefined) start();
    else {
      call.onEnd(queue.enter(start));
      hasWaited = true;
    }
    return exchange.promise;
  }

  /** What the other side has of the call's time, less the way back; undefined when it has no end. */
  function leftOf(call: Call): number | undefined {
    return call.deadline === undefined ? undefined : Math.floor(call.deadline - clock.now() - WAY_BACK_MS);
  }

  function queueOf(key: string, limit: number): ConnectionQueue {
    let queue = queues.get(key);
    if (queue === undefined) queues.set(key, (queue = new ConnectionQueue(limit)));
    return queue;
  }

  function leave(key: string, queue: ConnectionQueue): void {
    queue.leave();
    if (!queue.idle) return;
    queues.delete(key);
    // Those who were waiting when it was forgotten have opened a pool again.
    if (departed.has(queue)) closePool(key);
  }

  function closePool(key: string): void {
    const pool = pools.get(key);
    if (pool === undefined) return;
    pools.delete(key);
    leaving.add(pool);
    void pool.close().then(() => leaving.delete(pool));
  }

  function send(call: Call, loaded: Undici): Promise<Reply> {
    try {
      return dispatch(call, loaded);
    } catch (error) {
      call.end(UNSENT);
      return Promise.reject(error);
    }
  }

  return {
    name: 'http',
    handle: (call) => (undici === undefined ? loading.then((loaded) => send(call, loaded)) : send(call, undici)),
    forget(origin, serverName) {
      const key = keyOf(origin, serverName);
      closePool(key);
      const queue = queues.get(key);
      if (queue !== undefined) departed.add(queue);
    },
    withPool(pool: PoolOptions) {
      checkPool(pool, 'httpTransport withPool');
      return httpTransport({ ...options, ...pool });
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      const open = [...pools.values(), ...leaving];
      pools.clear();
      leaving.clear();
      await Promise.all(open.map((pool) => pool.destroy(closedError())));
    },
  };
}

function noTimeLeft(call: Call, origin: string): ServiceError {
  return refusal('DEADLINE_EXCEEDED', `${call.label}: no time was left to call ${origin}`, {
    reason: REASONS.timeout,
    unsent: true,
    retryable: false,
  });
}

/** In undici's own words, so that it becomes what every other failure to connect does. */
function closedError(): Error {
  return Object.assign(new Error('the transport was closed'), { code: 'UND_ERR_DESTROYED' });
}

/** What the client worked out; for a body that a wrapper changed, or a call that was made by hand, what this attempt has to. @throws TypeError when a part does not fit. */
function outboundOf(call: Call): Outbound {
  const known = call.values.get(OUTBOUND);
  if (known === undefined) {
    return {
      target: targetOf(pathTemplate(call.operation.path), call.params, call.query),
      body: requestBody(call.body),
      mode: 'parse',
      timeoutMs: undefined,
      requestId: call.values.get(REQUEST_ID),
    };
  }
  if (known.body.source !== call.body || typeof call.body === 'function') return { ...known, body: requestBody(call.body) };
  // Whoever tries again what was sent before would send nothing, and be told that all went well.
  if (known.body.content instanceof Readable) assertUnread(known.body.content);
  return known;
}

interface Undici {
  readonly Pool: typeof Pool;
  readonly connector: typeof import('undici/lib/core/connect.js').default;
}

async function loadUndici(): Promise<Undici> {
  const [pool, connect] = await Promise.all([import('undici/lib/dispatcher/pool.js'), import('undici/lib/core/connect.js')]);
  return { Pool: pool.default, connector: connect.default };
}

function wholeNumber(value: number, least: number, option: string): void {
  if (!Number.isInteger(value) || value < least)
    throw new RangeError(`httpTransport ${option}: ${shown(value)} does not fit. Give a whole number from ${least}.`);
}
