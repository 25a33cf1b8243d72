import { EventEmitter } from 'node:events';
import http from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import https from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { ServiceError } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';
import Consul from 'consul';
import type { Credentials } from './credentials.js';

/*
 * The npm package `consul` as Ferrule needs it; nothing else here imports it. What it leaves open, and how that is mended from outside,
 * so that no call had to be replaced:
 * - its typed calls drop fields (weights, enableTagOverride): the generic request takes the body as it is;
 * - no AbortSignal and no timeout by default: its `ctx` emitter ends a request, on our signal and at our deadline (of our clock);
 * - headers cannot be reached: the generic request resolves to the response;
 * - an answer that is cut off after its headers never settles: the transport that we hand in tells it;
 * - the answer's size has no bound: the same transport counts;
 * - its errors hold the request and with it the token, in `response.req`: only words and numbers of them get past this file;
 * - one agent for everything: each request names the agent to use;
 * - its Watch dies of an error that nobody listens to, has no jitter and keeps its index over a restart: see service-watches.ts.
 */

export interface ConsulClientOptions {
  /** For example `http://127.0.0.1:8500`, without a slash at the end. */
  readonly address: string;
  /** The agent's unix socket, where it listens on one; `address` is then what stands in the Host header. */
  readonly socketPath?: string | undefined;
  readonly credentials: Credentials;
  /** For node:tls. */
  readonly tls: ConnectionOptions | undefined;
  /** Connections for questions that are held open, and for all others. */
  readonly sockets: { readonly held: number; readonly brief: number };
  readonly clock: Clock;
}

export interface ConsulRequest {
  readonly method: 'GET' | 'PUT';
  /** Below `/v1`, with `{name}` for each of `params`. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** The whole exchange, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** A question that is held open until something changes: it has sockets of its own and does not keep the process alive. */
  readonly blocking?: boolean;
}

/** Whatever the agent answered, an error too. */
export interface ConsulAnswer {
  readonly status: number;
  /** The parsed JSON; undefined when it was none. */
  readonly body: unknown;
  /** What was no JSON, as text. */
  readonly text: string;
  /** X-Consul-Index; 0 when there was none that can be used. */
  readonly index: number;
  /** Of the body as it came. */
  readonly bytes: number;
}

export interface ConsulClient {
  /** @throws ServiceError UNAVAILABLE when there was no whole answer; the signal's reason when it aborted. */
  request(request: ConsulRequest): Promise<ConsulAnswer>;
  /** As `request`, and only 2xx is no error. @throws ServiceError; see `refusedBy`. */
  ask(request: ConsulRequest): Promise<ConsulAnswer>;
  /** What went wrong when the agent answered, but not as it should. Retryable for 429 and 5xx. */
  refusedBy(request: ConsulRequest, answer: ConsulAnswer): ServiceError;
  /** Ends all that is under way; nothing is sent any more. */
  close(): void;
}

/** More than ten thousand instances in one answer. */
const MOST_BYTES = 64 * 2 ** 20;
const MOST_TEXT = 200;
/** Looked through for secrets before it is cut, so that no half of one is left. */
const MOST_READ = 10_000;

export function consulClient({ address, socketPath, credentials, tls, sockets, clock }: ConsulClientOptions): ConsulClient {
  const { Agent } = address.startsWith('https:') ? https : http;
  const common = { keepAlive: true, ...tls, ...(socketPath !== undefined && { socketPath }) };
  const agents = { brief: new Agent({ ...common, maxSockets: sockets.brief }), held: new Agent({ ...common, maxSockets: sockets.held }) };
  const at = socketPath === undefined ? address : `unix://${socketPath}`;
  // Its types know neither baseUrl (the only way to give an IPv6 address or a path) nor the generic request.
  const consul = new Consul({ baseUrl: `${address}/v1`, agent: agents.brief } as object) as unknown as Generic;
  const underWay = new Set<() => void>();
  let closed = false;

  const once = async (request: ConsulRequest): Promise<ConsulAnswer> => {
    const { method, path, params, query, body, timeoutMs, signal, blocking = false } = request;
    signal?.throwIfAborted();
    if (closed) throw new ServiceError('UNAVAILABLE', 'The consul registry is closed', { expose: false, retryable: false });
    const ctx = new EventEmitter();
    const wire: Wire = { reused: false, failure: undefined, bytes: 0 };
    let late = false;
    const cancel = (): void => void ctx.emit('cancel');
    const timer = clock.schedule(timeoutMs, () => {
      late = true;
      cancel();
    });
    signal?.addEventListener('abort', cancel, { once: true });
    underWay.add(cancel);
    try {
      const response = await consul._request({
        method,
        path,
        ctx,
        agent: blocking ? agents.held : agents.brief,
        exts: { onRequest: overWire(wire, blocking) },
        headers: credentials.headers(),
        ...(params !== undefined && { params }),
        ...(query !== undefined && { query }),
        ...(body !== undefined && { body }),
      });
      return answerOf(response, wire.bytes, credentials);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      const { response } = error as { response?: Response };
      if (response?.complete === true) return answerOf(response, wire.bytes, credentials);
      const why = late
        ? `no answer within ${timeoutMs} ms`
        : (wire.failure ?? (error as NodeJS.ErrnoException).code ?? 'an answer that cannot be read');
      throw new Unanswered(`Consul at ${at} did not answer ${method} /v1${path}: ${why}`, wire.reused && why === 'ECONNRESET');
    } finally {
      timer.cancel();
      underWay.delete(cancel);
      signal?.removeEventListener('abort', cancel);
    }
  };

  const request = async (what: ConsulRequest): Promise<ConsulAnswer> => {
    const { turn } = credentials;
    const answer = await twice(what);
    // The token was rotated meanwhile.
    return (answer.status === 401 || answer.status === 403) && (await credentials.renew(turn)) ? twice(what) : answer;
  };

  const twice = (what: ConsulRequest): Promise<ConsulAnswer> =>
    once(what).catch((error: unknown) => {
      // The agent closed a kept connection at the moment of its use. Every request of ours may be sent twice; but one that was held open
      // breaks when the agent dies, and its index means nothing to the next one.
      if (error instanceof Unanswered && error.outdated && what.blocking !== true) return once(what);
      throw error;
    });

  const refusedBy = ({ method, path }: ConsulRequest, { status, body, text }: ConsulAnswer): ServiceError => {
    const said = status < 300 ? 'no JSON of the expected form' : text === '' ? (http.STATUS_CODES[status] ?? 'no text') : text;
    const code =
      status === 403 || status === 401 ? 'PERMISSION_DENIED' : status === 404 ? 'NOT_FOUND' : status === 400 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE';
    const hint = code === 'PERMISSION_DENIED' ? '. The token needs service:write to register, service:read and node:read to watch' : '';
    return new ServiceError(code, `Consul answered ${status} to ${method} /v1${path}: ${said}${body === undefined ? '' : ' (JSON)'}${hint}`, {
      expose: false,
      status: 502,
      retryable: code === 'UNAVAILABLE',
    });
  };

  return {
    request,
    refusedBy,
    async ask(what) {
      const answer = await request(what);
      if (answer.status < 200 || answer.status > 299) throw refusedBy(what, answer);
      return answer;
    },
    close() {
      closed = true;
      for (const cancel of underWay) cancel();
      agents.brief.destroy();
      agents.held.destroy();
    },
  };
}

/** The generic request of papi, on which the package stands. */
interface Generic {
  _request(options: object): Promise<Response>;
}

type Response = IncomingMessage & { readonly body?: unknown };

interface Pending {
  transport: { request(options: RequestOptions): ClientRequest };
}

interface Wire {
  reused: boolean;
  failure: string | undefined;
  bytes: number;
}

/** Whether nothing came, or no whole answer: something else than an agent that says no. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Unanswered;
}

class Unanswered extends ServiceError {
  readonly outdated: boolean;

  constructor(message: string, outdated: boolean) {
    super('UNAVAILABLE', message, { expose: false });
    this.outdated = outdated;
  }
}

/** An extension of papi that runs before a request is sent, and watches over it. */
function overWire(wire: Wire, blocking: boolean): (pending: Pending, next: () => void) => void {
  return (pending, next) => {
    const { transport } = pending;
    pending.transport = {
      request(options) {
        const req = transport.request(options);
        req.once('socket', (socket) => {
          wire.reused = req.reusedSocket;
          if (blocking) socket.unref();
        });
        const fail = (why: string): void => {
          wire.failure ??= why;
          req.destroy();
          req.emit('error', new Error(why));
        };
        req.on('error', (error: NodeJS.ErrnoException) => (wire.failure ??= error.code));
        req.once('response', (res) => {
          res.on('data', (chunk: Buffer) => {
            wire.bytes += chunk.length;
            if (wire.bytes > MOST_BYTES) fail(`an answer of more than ${MOST_BYTES} bytes`);
          });
          res.on('error', () => {}); // `close` follows
          res.once('close', () => {
            if (!res.complete) fail('the connection broke in the middle of the answer');
          });
        });
        return req;
      },
    };
    next();
  };
}

function answerOf(response: Response, bytes: number, credentials: Credentials): ConsulAnswer {
  const { statusCode = 0, headers, body } = response;
  const isJson = /^(?:application|text)\/json\b/.test(headers['content-type'] ?? '');
  const text = isJson ? '' : Buffer.isBuffer(body) ? body.toString() : typeof body === 'string' ? body : '';
  const index = Number(headers['x-consul-index'] ?? 0);
  return {
    status: statusCode,
    body: isJson ? body : undefined,
    text: credentials
      .redact(text.slice(0, MOST_READ))
      .slice(0, MOST_TEXT)
      .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
      .trim(),
    index: Number.isSafeInteger(index) && index > 0 ? index : 0,
    bytes,
  };
}
