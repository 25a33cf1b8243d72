import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { reset } from './reset.js';

/** What an upstream received. */
export interface RecordedRequest {
  readonly method: string;
  /** Path and query as they arrived. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body parsed. @throws SyntaxError when it is no JSON. */
  json(): unknown;
  /** Which connection it came on, counted from 1: two requests with one number shared a connection. */
  readonly connection: number;
  /** Resolves with true when the reply was written whole, with false when the client went away or it was cut. */
  readonly finished: Promise<boolean>;
}

/**
 * How one request is answered. Plain fields are an ordinary reply; `after` holds back its head, `bodyAfter` its body, until a promise
 * of the test resolves, which is a delay without a clock. `cut` breaks it instead.
 */
export interface ScriptedAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: OutgoingHttpHeaders;
  /** Text and bytes as they are, anything else as JSON. Default: no body. */
  readonly body?: unknown;
  readonly after?: Promise<unknown>;
  readonly bodyAfter?: Promise<unknown>;
  /**
   * `hang`: says nothing, ever. `reset`: RST before the head. `close`: FIN before the head. `body`: head and the first half of
   * the body, then RST. `garbage`: bytes that are no HTTP.
   */
  readonly cut?: 'hang' | 'reset' | 'close' | 'body' | 'garbage';
}

export type ScriptedStep = ScriptedAnswer | ((request: RecordedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>);

/** A real HTTP server on loopback that answers as it is told. */
export interface ScriptedUpstream extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** Everything received so far, whole requests in the order of their arrival. */
  readonly requests: readonly RecordedRequest[];
  /** Connections that are open now. */
  readonly connections: number;
  /** Appends answers: each is used for one request, in order. */
  script(...steps: readonly ScriptedStep[]): void;
  /** What is answered when the script has run out. At first: 500 with a text that says so. */
  otherwise(step: ScriptedStep): void;
  /** Resolves with the n-th request, counted from 1, when it has arrived. */
  received(count: number): Promise<RecordedRequest>;
  /** Resets every open connection; stays listening. */
  cut(): void;
  /** Stops listening, so that connections are refused, and cuts what is open. Idempotent. */
  close(): Promise<void>;
}

/** Answers that tests need often. */
export const answers = {
  ok: (body: unknown = { ok: true }): ScriptedAnswer => ({ body }),
  status: (status: number, body?: unknown, headers: OutgoingHttpHeaders = {}): ScriptedAnswer => ({ status, headers, body }),
  /** 503 with `Retry-After` in whole seconds. */
  unavailable: (retryAfterSeconds?: number): ScriptedAnswer => ({
    status: 503,
    headers: retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
    body: { title: 'Service Unavailable', status: 503 },
  }),
  hang: (): ScriptedAnswer => ({ cut: 'hang' }),
  reset: (): ScriptedAnswer => ({ cut: 'reset' }),
  close: (): ScriptedAnswer => ({ cut: 'close' }),
  resetMidBody: (body: unknown = 'x'.repeat(4096)): ScriptedAnswer => ({ body, cut: 'body' }),
  garbage: (): ScriptedAnswer => ({ cut: 'garbage' }),
} as const;

/** Starts one on a free port. `await using upstream = await scriptedUpstream()` closes it with its block. */
export async function scriptedUpstream(...script: readonly ScriptedStep[]): Promise<ScriptedUpstream> {
  const steps: ScriptedStep[] = [...script];
  const requests: RecordedRequest[] = [];
  const waiting: { readonly count: number; readonly resolve: (request: RecordedRequest) => void }[] = [];
  let last: ScriptedStep = { status: 500, body: 'scriptedUpstream: no answer is scripted for this request' };
  let connections = 0;
  const numbers = new WeakMap<object, number>();

  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, (req, res) => {
    const finished = new Promise<boolean>((resolve) => res.once('close', () => resolve(res.writableFinished)));
    void serve(req, res, finished).catch(() => req.socket.destroy());
  });
  server.on('connection', (socket) => {
    numbers.set(socket, ++connections);
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => {});
  });
  const open = new Set<Socket>();

  const serve = async (req: IncomingMessage, res: ServerResponse, finished: Promise<boolean>): Promise<void> => {
    const pieces: Buffer[] = [];
    for await (const piece of req) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    const request: RecordedRequest = {
      method: req.method!,
      url: req.url!,
      headers: req.headers,
      body,
      json: (): unknown => JSON.parse(body.toString('utf8')),
      connection: numbers.get(req.socket)!,
      finished,
    };
    requests.push(request);
    for (const { count, resolve } of waiting) if (requests.length >= count) resolve(requests[count - 1]!);
    const step = steps.shift() ?? last;
    await play(typeof step === 'function' ? await step(request) : step, req, res);
  };

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of open) reset(socket);
  };
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    cut();
    await closed;
  };

  return {
    host: '127.0.0.1',
    port,
    origin: `http://127.0.0.1:${port}`,
    requests,
    get connections() {
      return open.size;
    },
    script: (...more) => void steps.push(...more),
    otherwise: (step) => void (last = step),
    received: (count) =>
      new Promise((resolve) => {
        if (requests.length >= count) resolve(requests[count - 1]!);
        else waiting.push({ count, resolve });
      }),
    cut,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function play(answer: ScriptedAnswer, req: IncomingMessage, res: ServerResponse): Promise<void> {
  await answer.after;
  if (answer.cut === 'hang' || res.destroyed) return;
  if (answer.cut === 'reset') return reset(req.socket);
  if (answer.cut === 'close') return void req.socket.end();
  if (answer.cut === 'garbage') return void req.socket.end('\x00\x01 this is no HTTP\r\n\r\n');
  const given = answer.body === undefined ? '' : answer.body;
  const plain = typeof given === 'string' || given instanceof Uint8Array;
  const body = Buffer.from(plain ? given : JSON.stringify(given));
  res.writeHead(answer.status ?? 200, {
    ...(plain ? {} : { 'content-type': 'application/json' }),
    ...(answer.headers?.['transfer-encoding'] === undefined ? { 'content-length': body.length } : {}),
    ...answer.headers,
  });
  if (answer.cut === 'body') {
    res.write(body.subarray(0, Math.ceil(body.length / 2)), () => reset(req.socket));
    return;
  }
  if (answer.bodyAfter !== undefined) {
    res.flushHeaders();
    await answer.bodyAfter;
    if (res.destroyed) return;
  }
  res.end(req.method === 'HEAD' ? undefined : body);
}
