import type { Readable } from 'node:stream';
import { Readable as NodeReadable } from 'node:stream';
import type { Directory } from '../discovery/directory.js';
import { createDirectory } from '../discovery/create-directory.js';
import { operation } from '../call/operation.js';
import { isStream } from '../call/reply.js';
import type { Reply } from '../call/reply.js';
import { isRemoteError } from '../errors/remote-error.js';
import { isServiceError } from '../errors/service-error.js';
import { systemClock } from '../time/clock.js';
import { checkFunction, checkList, checkOptions, checkSignal } from '../options/check.js';
import { shown } from '../options/shown.js';
import { CHANNEL_OPTIONS, openChannel } from './channel.js';
import type { Channel, ChannelOptions } from './channel.js';
import { httpTransport } from './http-transport.js';
import { sendCall } from './send-call.js';

export interface ServiceFetchOptions extends Omit<ChannelOptions, 'errors' | 'toOwn'> {
  /** Hosts that are services although they have a dot. Default none. */
  readonly services?: readonly string[];
  /** What everything else goes to. Default: the built-in fetch. */
  readonly fetch?: typeof fetch;
}

/** `fetch`, with `dispose` for the connections that it opened. */
export type ServiceFetch = typeof fetch & AsyncDisposable;

const OPTIONS: readonly string[] = [...CHANNEL_OPTIONS.filter((name) => name !== 'errors' && name !== 'toOwn'), 'services', 'fetch'];
/** The ways that are kept open; the one unused for longest is closed for another. */
const MOST_SERVICES = 1_000;

/**
 * A drop-in fetch that finds services. `http://orders/…`, a host of a single label without a port and not localhost, or one of
 * `services`, is a service: its request goes through the stack of a client, to an instance, with retries inside. Anything else is plain fetch.
 *
 * As with fetch, any status is a Response, its body is a stream (an error's is read whole, up to 10 MiB), and the promise rejects with the
 * signal's reason, a TypeError (`cause` is the ServiceError), or a DOMException `TimeoutError` when a time limit of the stack was reached.
 * Unlike fetch, redirects of a service are not followed: the 3xx is the Response. Replies are asked for unencoded. A body of
 * text or bytes can be sent again; a stream, a Blob and FormData are sent once. The stack's time limits hold until the head of the reply, the
 * deadline of the inbound call for its body as well; a body that stands still is given up after 30 s (`streamIdleTimeout` of the transport).
 *
 * @throws TypeError when there is neither registry nor directory, or another option does not fit.
 */
export function serviceFetch(options: ServiceFetchOptions): ServiceFetch {
  checkOptions('serviceFetch', options, OPTIONS);
  checkList(options.services, 'serviceFetch services', 'host names');
  checkFunction(options.fetch, 'serviceFetch fetch');
  const { services = [], fetch: plain = globalThis.fetch, registry, clock = systemClock } = options;
  if (registry === undefined && options.directory === undefined)
    throw new TypeError('serviceFetch: give a registry or a directory, in which services are found.');
  for (const name of services)
    if (typeof name !== 'string' || name === '') throw new TypeError(`serviceFetch services: ${shown(name)} is no host name.`);
  // A URL's host is in lower case, a service's name need not be.
  const named = new Map(services.map((name) => [name.toLowerCase(), name]));
  const common = {
    clock,
    ...(options.logger !== undefined && { logger: options.logger }),
    ...(options.random !== undefined && { random: options.random }),
  };
  const ownDirectory: Directory | undefined = options.directory === undefined ? createDirectory({ discovery: registry!, ...common }) : undefined;
  const ownTransport = options.transport === undefined ? httpTransport({ clock }) : undefined;
  const shared: ChannelOptions = { ...options, directory: options.directory ?? ownDirectory!, transport: options.transport ?? ownTransport! };
  // One way is laid at once, and never used, so that an option that does not fit is refused here.
  void openChannel('any', shared)[Symbol.asyncDispose]();
  const channels = new Map<string, Channel>();
  let closed = false;

  function channelTo(service: string): Channel {
    if (closed) throw new TypeError('fetch failed: this serviceFetch was disposed of');
    const channel = channels.get(service) ?? openChannel(service, shared);
    channels.delete(service);
    channels.set(service, channel); // the last is the one used last
    if (channels.size > MOST_SERVICES) {
      const [oldest, unused] = channels.entries().next().value!;
      channels.delete(oldest);
      void unused[Symbol.asyncDispose]();
    }
    return channel;
  }

  async function fetchService(service: string, url: URL, input: string | URL | Request, init: RequestInit | undefined): Promise<Response> {
    const given = init?.signal === undefined ? (input instanceof Request ? input.signal : undefined) : init.signal;
    const signal = given ?? undefined;
    checkSignal(signal, 'fetch signal');
    signal?.throwIfAborted();
    // Without the signal, to which it would tie itself for good: the call listens, and only while it lives.
    const request = new Request(input, { ...init, signal: null });
    const { handler } = channelTo(service);
    try {
      const reply = await sendCall(handler, clock, {
        // A URL carries values, so it is no name for a metric.
        operation: operation(service, request.method, '', { name: request.method }),
        path: url.pathname,
        query: url.search.slice(1),
        headers: headersOf(request),
        body: repeatable(init?.body) ?? request.body ?? undefined,
        mode: 'raw',
        timeoutMs: undefined,
        signal,
        cancellation: (reason) => reason,
        late: failure,
      });
      if (request.redirect === 'error' && reply.status >= 300 && reply.status < 400 && reply.status !== 304) {
        if (isStream(reply.body)) reply.body.destroy();
        throw new TypeError('fetch failed', { cause: new Error(`unexpected redirect, status ${reply.status}`) });
      }
      return responseOf(reply, url);
    } catch (error) {
      if (isRemoteError(error) && error.reply !== undefined) return responseOf(error.reply, url);
      throw signal?.aborted === true ? signal.reason : failure(error);
    }
  }

  const fetchOrFind = (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const text = input instanceof Request ? input.url : String(input);
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const service = url === undefined ? undefined : serviceOf(url, named);
    return service === undefined ? plain(input, init) : fetchService(service, url!, input, init);
  };
  return Object.assign(fetchOrFind, {
    async [Symbol.asyncDispose](): Promise<void> {
      closed = true;
      for (const channel of channels.values()) await channel[Symbol.asyncDispose]();
      channels.clear();
      await ownTransport?.[Symbol.asyncDispose]();
      await ownDirectory?.[Symbol.asyncDispose]();
    },
  });
}

function serviceOf(url: URL, named: ReadonlyMap<string, string>): string | undefined {
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.port !== '' || url.username !== '' || url.password !== '') return undefined;
  const known = named.get(url.hostname);
  if (known !== undefined) return known;
  return /^[a-z0-9_-]+$/.test(url.hostname) && url.hostname !== 'localhost' ? url.hostname : undefined;
}

function headersOf(request: Request): Record<string, string> {
  // Nothing here decodes: what a server sends without being asked, the reader gets as it came.
  const headers: Record<string, string> = { accept: '*/*' };
  for (const [name, value] of request.headers) headers[name] = value;
  headers['accept-encoding'] = 'identity';
  return headers;
}

/** A body that can be sent again; undefined for all others. A copy of bytes, since fetch promises one. */
function repeatable(body: RequestInit['body']): string | Uint8Array | undefined {
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  if (body instanceof ArrayBuffer) return new Uint8Array(body.slice(0));
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice();
  return undefined;
}

/** Statuses whose Response must not have a body, not even an empty one. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

function responseOf(reply: Reply, url: URL): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(reply.headers)) {
    if (value === undefined) continue;
    for (const single of Array.isArray(value) ? (value as readonly string[]) : [String(value)]) headers.append(name, single);
  }
  const response = new Response(BODILESS.has(reply.status) ? emptied(reply) : bodyInit(reply, headers), { status: reply.status, headers });
  Object.defineProperty(response, 'url', { value: url.href, configurable: true });
  return response;
}

function emptied(reply: Reply): null {
  if (isStream(reply.body)) reply.body.destroy();
  return null;
}

function bodyInit(reply: Reply, headers: Headers): ConstructorParameters<typeof Response>[0] {
  const { body } = reply;
  // As fetch does it: a body that is empty is one all the same, which can be read.
  if (body === undefined || body === null) return new Uint8Array(0);
  // Node's and the global ReadableStream are one class with two declarations.
  if (isStream(body)) return NodeReadable.toWeb(body as Readable) as ReadableStream<Uint8Array>;
  if (typeof body === 'string' || body instanceof Uint8Array) return body as string | Uint8Array<ArrayBuffer>;
  // Of a fallback, which may answer with a value.
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  return JSON.stringify(body);
}

/** In fetch's own words. */
function failure(error: unknown): unknown {
  if (!isServiceError(error)) return error;
  if (error.code !== 'DEADLINE_EXCEEDED' && error.code !== 'CANCELLED') return new TypeError('fetch failed', { cause: error });
  const own = new DOMException(error.message, error.code === 'CANCELLED' ? 'AbortError' : 'TimeoutError');
  return Object.defineProperty(own, 'cause', { value: error, configurable: true });
}
