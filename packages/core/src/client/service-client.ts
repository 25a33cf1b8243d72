import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { CallHeaders } from '../call/call.js';
import { operation } from '../call/operation.js';
import type { Operation } from '../call/operation.js';
import { isStream } from '../call/reply.js';
import type { Reply } from '../call/reply.js';
import { ServiceError } from '../errors/service-error.js';
import type { AdaptiveScore } from '../health/adaptive-score/adaptive-score.js';
import type { EndpointReport } from '../selection/service-selector.js';
import { checkOptions, checkRecord, checkSignal, namesOf, unknownOption } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { faultReports, policyReports } from '../wrappers/in-force.js';
import type { FaultReport, PolicyReport } from '../wrappers/in-force.js';
import type { Handler } from '../wrappers/wrapper.js';
import { instanceAt } from './address.js';
import { CHANNEL_OPTIONS, openChannel } from './channel.js';
import type { ChannelOptions } from './channel.js';
import { sendCall } from './send-call.js';
import { checkHeaders } from './request-headers.js';
import { pathTemplate, queryText } from './target.js';
import type { Transport } from './transport.js';
import type { PathTemplate, TargetQuery, TargetValue } from './target.js';

export interface ClientOptions extends ChannelOptions {
  /** Sent with every request that does not set them itself. Whoever puts authorization here sends it to whatever the registry names. */
  readonly headers?: CallHeaders;
}

const CLIENT_OPTIONS: readonly string[] = [...CHANNEL_OPTIONS, 'headers'];

/** One request. Path and query are encoded; a value can change neither the host nor the route. */
export interface RequestOptions {
  /** Values of the template's parameters. */
  readonly params?: Readonly<Record<string, TargetValue>>;
  readonly query?: TargetQuery;
  readonly headers?: CallHeaders;
  /**
   * A value (sent as JSON), text, bytes, URLSearchParams, a Readable or ReadableStream. A stream can be sent once, so that a failure after
   * it was begun is final; a function that makes the body is asked for each attempt.
   */
  readonly body?: unknown;
  /** All attempts together, in place of the client's timeout; never past the deadline of the inbound call. */
  readonly timeout?: Duration;
  /**
   * Goes to this address (`'http://127.0.0.1:8080'` or `'127.0.0.1:8080'`: scheme, host and port) and to no endpoint that is picked, in each
   * attempt; timeouts, retries, breaker and headers are the client's. For people who debug: never from what a request brought, or its sender chooses whom we call.
   */
  readonly address?: string;
  /** Cancels the request. Its rejection is a ServiceError CANCELLED (DEADLINE_EXCEEDED for `AbortSignal.timeout`) with the signal's reason as cause. */
  readonly signal?: AbortSignal;
  /** Sent as `Idempotency-Key`, the same in all attempts, which makes a POST or PATCH fit for retries: true for a new UUID. Default none. */
  readonly idempotencyKey?: true | string;
  /** Whether the reply's body is given as a Readable, at headers, instead of read whole. A reply that has no body has none here either. Default false. */
  readonly stream?: boolean;
}

const REQUEST_OPTIONS = namesOf<RequestOptions>({
  params: true,
  query: true,
  headers: true,
  body: true,
  timeout: true,
  address: true,
  signal: true,
  idempotencyKey: true,
  stream: true,
});

/** A client of one service. Every method rejects with a ServiceError; of another service's error reply with a RemoteError. */
export interface ServiceClient extends AsyncDisposable {
  readonly service: string;
  /** The reply: 2xx and 3xx (redirects are not followed), any other status is thrown. */
  request(method: string, path: string, options?: RequestOptions): Promise<Reply>;
  /** The body of the reply; undefined when it has none. `T` is taken on trust. A redirect is thrown, since it has no such body. */
  get(path: string, options: RequestOptions & { readonly stream: true }): Promise<Readable>;
  get<T = unknown>(path: string, options?: RequestOptions): Promise<T>;
  post<T = unknown>(path: string, options?: RequestOptions): Promise<T>;
  put<T = unknown>(path: string, options?: RequestOptions): Promise<T>;
  patch<T = unknown>(path: string, options?: RequestOptions): Promise<T>;
  delete<T = unknown>(path: string, options?: RequestOptions): Promise<T>;
  /** The stack itself, for calls that were made by hand. */
  readonly handler: Handler;
  /** The wrappers in force, the outermost first. */
  describe(): readonly string[];
  /** The counts and states of the policies among them, as they are now. */
  policies(): readonly PolicyReport[];
  /** Those that inject faults on purpose (`chaos`). */
  faults(): readonly FaultReport[];
  /** How it is doing by its calls; undefined without the option `adaptiveScore`. */
  readonly score: AdaptiveScore | undefined;
  /** Its endpoints as they are now. */
  endpoints(): readonly EndpointReport[];
}

/** Paths are templates, of which a program has a limited number; more than this, and they probably carry values. */
const MOST_OPERATIONS = 1_000;

/**
 * A client of a service, by name (then `registry` or `directory` says where it is), or of an address such as `'http://127.0.0.1:8080'`.
 *
 * Its calls are made on behalf of the inbound call that is running: they end with its deadline (5 ms before) and with its
 * cancellation and carry its request id; work that should outlive it runs inside `detached`.
 * Disposing closes what the client opened itself: a directory or transport that was handed in stays open. Requests are refused from then on:
 * ServiceError FAILED_PRECONDITION, with status 500.
 *
 * @throws TypeError naming an option that does not fit.
 */
export function client(target: string, options: ClientOptions = {}): ServiceClient {
  checkOptions(typeof target === 'string' && !target.includes('://') ? `client ${shown(target)}` : 'client', options, CLIENT_OPTIONS);
  checkHeaders(options.headers, 'client headers');
  const channel = openChannel(target, options);
  const { service, handler } = channel;
  const clock = options.clock ?? systemClock;
  const defaults = options.headers;
  const operations = new Map<string, KnownOperation>();
  let disposed = false;

  function known(method: string, path: string): KnownOperation {
    const key = `${method} ${path}`;
    let found = operations.get(key);
    if (found === undefined) {
      const template = pathTemplate(path);
      const full = operations.size >= MOST_OPERATIONS;
      // Beyond the bound it still works, but is measured as one: a metric must not grow with what callers send.
      found = { template, operation: full ? operation(service, method, '_OTHER') : operation(service, method, path) };
      if (!full) operations.set(key, found);
    }
    return found;
  }

  function send(method: string, path: string, options: RequestOptions): Promise<Reply> {
    if (disposed)
      throw new ServiceError('FAILED_PRECONDITION', `The client of ${service} was disposed of. Make a new one, or dispose of it later.`, {
        status: 500,
      });
    const { template, operation } = known(checkedMethod(method), path);
    checkRequest(method, path, options);
    const { params, body } = options;
    return sendCall(handler, clock, {
      operation,
      params: params === undefined ? undefined : textOf(params),
      path: template.fill(params),
      query: queryText(options.query),
      headers: headersOf(defaults, options),
      body,
      mode: options.stream === true ? 'stream' : 'parse',
      address: options.address === undefined ? undefined : instanceAt(`request ${method} ${path}`, service, options.address).id,
      timeoutMs: options.timeout === undefined ? undefined : requestTimeout(options.timeout),
      signal: options.signal,
    });
  }

  async function bodyOf<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const reply = await send(method, path, options);
    if (reply.status < 300) return (options.stream === true && reply.body === undefined ? Readable.from([]) : reply.body) as T;
    if (isStream(reply.body)) reply.body.destroy();
    throw new ServiceError(
      'INTERNAL',
      `${service} answered ${reply.status} to ${method} ${path}, which has no body of the type that was asked for. Use request() to see the reply; redirects are not followed.`,
      {
        status: 502,
        reason: 'UNEXPECTED_STATUS',
      },
    );
  }

  return {
    service,
    handler,
    request: async (method, path, options = {}) => send(method, path, options),
    get: <T>(path: string, options?: RequestOptions) => bodyOf<T>('GET', path, options),
    post: (path, options) => bodyOf('POST', path, options),
    put: (path, options) => bodyOf('PUT', path, options),
    patch: (path, options) => bodyOf('PATCH', path, options),
    delete: (path, options) => bodyOf('DELETE', path, options),
    describe: () => channel.names,
    policies: () => policyReports(channel.inForce),
    faults: () => faultReports(channel.inForce),
    score: channel.score,
    endpoints: () => channel.endpoints(),
    [Symbol.asyncDispose]() {
      disposed = true;
      return channel[Symbol.asyncDispose]();
    },
  };
}

/**
 * Checks options from which clients will be made later, as `client` would.
 * @throws TypeError naming an option that does not fit.
 */
export function checkClientOptions(factory: string, options: ClientOptions): void {
  checkOptions(factory, options, CLIENT_OPTIONS);
  checkHeaders(options.headers, `${factory} headers`);
  void openChannel('http://localhost', { transport: UNUSED, ...options })[Symbol.asyncDispose]();
}

const UNUSED: Transport = {
  name: 'unused',
  handle: (call) => Promise.reject(new Error(`${call.label}: this transport sends nothing`)),
  forget: () => {},
  withPool: () => UNUSED,
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

interface KnownOperation {
  readonly operation: Operation;
  readonly template: PathTemplate;
}

const KNOWN_IN_REQUEST: Readonly<Record<string, unknown>> = Object.assign(
  Object.create(null) as object,
  Object.fromEntries(REQUEST_OPTIONS.map((name) => [name, true])),
);

/** On each call, hence by look-up alone: 0.03 µs. @throws TypeError naming an option that there is not, or that does not fit. */
function checkRequest(method: string, path: string, options: RequestOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(
      `request ${method} ${path}: ${shown(options)} is no options object. It takes { ${REQUEST_OPTIONS.join(', ')} }. ${BODY_BELONGS}`,
    );
  }
  for (const name in options) {
    if (KNOWN_IN_REQUEST[name] === undefined)
      throw new TypeError(`${unknownOption(`request ${method} ${path}`, name, REQUEST_OPTIONS).message} ${BODY_BELONGS}`);
  }
  const { signal, params } = options;
  checkRecord(params, 'request params');
  checkSignal(signal, 'request signal');
}

const BODY_BELONGS = "What is to be sent belongs into body, as in post('/orders', { body: order }).";

const ACCEPT = 'application/json, */*;q=0.8';

function headersOf(defaults: CallHeaders | undefined, { headers, idempotencyKey }: RequestOptions): CallHeaders {
  if (defaults === undefined && headers === undefined && idempotencyKey === undefined) return ACCEPT_ONLY;
  const all: Record<string, string | readonly string[] | undefined> = { accept: ACCEPT };
  for (const given of [defaults, headers]) {
    if (given === undefined) continue;
    checkRecord(given, 'request headers');
    for (const name of Object.keys(given)) all[name.toLowerCase()] = given[name];
  }
  if (idempotencyKey !== undefined) all['idempotency-key'] = quotedKey(idempotencyKey);
  return all;
}

const ACCEPT_ONLY: CallHeaders = Object.freeze({ accept: ACCEPT });

/** A Structured Field string, as draft-ietf-httpapi-idempotency-key-header wants it. */
function quotedKey(key: true | string): string {
  if (key === true) return `"${randomUUID()}"`;
  if (typeof key !== 'string' || !/^[!#-[\]-~]{1,255}$/.test(key)) {
    throw new TypeError(
      `idempotencyKey: ${shown(key)} does not fit. Give true for a new one, or 1 to 255 visible ASCII characters without quotes and backslashes.`,
    );
  }
  return `"${key}"`;
}

function requestTimeout(timeout: Duration): number {
  const ms = toMs(timeout, 'request timeout');
  if (ms === 0) throw new TypeError("request timeout: 0 leaves no time. Give a duration above 0, or leave it out for the client's own.");
  return ms;
}

function checkedMethod(method: string): string {
  const upper = typeof method === 'string' ? method.toUpperCase() : '';
  if (!/^[A-Z][A-Z-]{0,19}$/.test(upper) || upper === 'CONNECT')
    throw new TypeError(`request method: ${shown(method)} does not fit. Give an HTTP method such as 'GET'; CONNECT is none of a client.`);
  return upper;
}

function textOf(params: Readonly<Record<string, TargetValue>>): Record<string, string> {
  const text: Record<string, string> = {};
  for (const name of Object.keys(params)) text[name] = String(params[name]);
  return text;
}
