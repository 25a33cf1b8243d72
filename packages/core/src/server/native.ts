import type { ServerResponse } from 'node:http';
import { begins } from '../call/begun.js';
import { replyHeadersOf } from '../call/reply-headers.js';
import type { Call } from '../call/call.js';
import { Reply } from '../call/reply.js';
import type { ReplyHeaders } from '../call/reply.js';
import { traitsOf } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { REASONS, ServiceError } from '../errors/service-error.js';
import { EXCHANGE } from './exchange.js';
import type { Exchange } from './exchange.js';
import type { RouteHandler } from './route.js';
import { answeredByItself, cutShort, whenOver } from './tracking.js';

const NATIVE = Symbol.for('ferrule.native');
const RAN = Symbol('ferrule.ran');

/**
 * Asked when a native handler has returned without sending headers: whether the framework now answers with what it left behind
 * (Koa: `ctx.body`). By default it does not: handlers write to `res`, often after they returned.
 */
export type LeavesAnswer = (exchange: Exchange) => boolean;

/**
 * A handler of the framework's own kind as a route handler. It answers by itself, or lets the rest of the app answer, so its Reply is
 * marked `sent` and the call can run only once. As with every handler its promise ends when the headers are known: a timeout bounds
 * the time until then, an event stream may take as long as it likes. The call's life ends when the response has closed and what the
 * handler returned has settled, so permits are held that long.
 *
 * When a wrapper gives up on it before its headers (a timeout), its later writes to `res` go nowhere. When it fails after them, the
 * response is cut, and the adapter finds the error in `exchange.work`.
 */
export function nativeHandler(start: (exchange: Exchange) => unknown, leavesAnswer: LeavesAnswer = never): RouteHandler {
  let warned = false;
  const warn = (label: string, method: string): void => {
    if (warned) return;
    warned = true;
    process.emitWarning(
      `${label}: the native handler called res.${method}() after its request was answered in its place, by a timeout for example. The write was dropped; watch call.signal to stop early. This is said once a handler.`,
      { type: 'FerruleWarning', code: 'FERRULE_LATE_WRITE' },
    );
  };
  const handler = (call: Call): Promise<Reply> => {
    const exchange: (Exchange & { [RAN]?: boolean }) | undefined = call.values.get(EXCHANGE);
    if (exchange === undefined)
      return Promise.reject(new TypeError(`${call.label}: a native handler needs a request of its framework, and this call has none.`));
    const { res } = exchange;
    if (exchange[RAN] === true) {
      return Promise.reject(
        new TypeError(
          `${call.label}: a native handler cannot run twice for one request, its writes cannot be taken back. Take the wrapper that calls it again off this route, or return a Reply.`,
        ),
      );
    }
    exchange[RAN] = true;
    if (call.aborted || res.closed)
      return Promise.reject(
        (call.reason as Error | undefined) ??
          new ServiceError('CANCELLED', 'The client went away before its request was handled', { reason: REASONS.disconnected }),
      );
    begins(call);
    setHeaders(res, replyHeadersOf(call));
    return run(call, exchange, start, leavesAnswer, (method) => warn(call.label, method));
  };
  Object.defineProperty(handler, NATIVE, { value: true });
  return handler;
}

/** What wrappers add to the reply, whoever writes it. */
function setHeaders(res: ServerResponse, headers: ReplyHeaders | undefined): void {
  if (headers === undefined || res.headersSent) return;
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value);
}

/** Whether the handler answers through the framework itself. */
export function isNative(handler: RouteHandler): boolean {
  return (handler as { [NATIVE]?: boolean })[NATIVE] === true;
}

/** @throws TypeError when a wrapper that may answer twice, or instead, stands around a native handler. */
export function refuseReplays(handler: RouteHandler, wrappers: readonly Wrapper[], where: string): void {
  if (!isNative(handler)) return;
  for (const wrapper of wrappers) {
    const { name, replays } = traitsOf(wrapper);
    if (replays === true) {
      throw new TypeError(
        `${where}: ${name} may run the handler again or answer in its place, which a native handler does not allow. Let the handler return a value or a Reply, or take ${name} off this route.`,
      );
    }
  }
}

function run(
  call: Call,
  exchange: Exchange,
  start: (exchange: Exchange) => unknown,
  leavesAnswer: LeavesAnswer,
  warn: (method: string) => void,
): Promise<Reply> {
  const { res } = exchange;
  // Whoever stands around, a timeout for example, ends its part of the work when the headers are known. This part goes on.
  const rest = call.branch();
  let open = 2;
  const ended = (): void => {
    if (--open === 0) rest.end({ kind: res.writableFinished ? 'done' : 'aborted', bytes: 0 });
  };
  return new Promise((resolve, reject) => {
    let settled = false;
    let replaced = false;
    const settle = (): boolean => {
      forgetHead();
      return settled ? false : (settled = true);
    };
    const answered = (): void => {
      if (settle()) resolve(sentReply(res, replaced));
    };
    const forgetHead = onHead(res, answered);
    whenOver(res, () => {
      answered();
      ended();
    });
    call.onAbort(() => {
      if (res.headersSent) return;
      replaced = true;
      forgetHead();
      dropWritesAfterNextEnd(res, warn);
    });
    const returned = (): void => {
      if (leavesAnswer(exchange)) answered();
      ended();
    };
    const failed = (error: unknown): void => {
      if (settle()) reject(error);
      else if (res.headersSent && !res.writableEnded && !replaced) cutShort(res);
      ended();
    };
    try {
      const result = start(exchange);
      if (!isThenable(result)) return returned();
      exchange.work = Promise.resolve(result);
      exchange.work.then(returned, failed);
    } catch (error) {
      exchange.work = Promise.reject(error);
      exchange.work.catch(failed);
    }
  });
}

/**
 * Calls `told` when the response's headers are out, whoever sends them: all ways lead through `writeHead`, the implicit ones too.
 * Only native routes pay for it. The returned function takes it back.
 */
function onHead(res: ServerResponse, told: () => void): () => void {
  const before = res.writeHead;
  const hooked = function writeHead(...args: unknown[]): ServerResponse {
    Reflect.apply(before, res, args);
    if (res.headersSent) told();
    return res;
  } as ServerResponse['writeHead'];
  res.writeHead = hooked;
  return () => {
    // Somebody who patched it after us keeps calling ours, which then tells nobody anything new.
    if (res.writeHead === hooked) res.writeHead = before;
  };
}

function sentReply(res: ServerResponse, replaced: boolean): Reply {
  const status = res.statusCode >= 200 && res.statusCode <= 599 ? res.statusCode : 200;
  if (!replaced) answeredByItself(res, status);
  return new Reply(status, undefined, undefined, { sent: true });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function never(): boolean {
  return false;
}

const WRITERS = [
  'write',
  'end',
  'writeHead',
  'setHeader',
  'setHeaders',
  'appendHeader',
  'removeHeader',
  'flushHeaders',
  'addTrailers',
  'writeContinue',
  'writeProcessing',
  'writeEarlyHints',
] as const;

/**
 * The handler was given up while it may still write. Whoever ends the response next is the one that answers in its place;
 * from then on every write is dropped, so that a late `res.json()` is no ERR_HTTP_HEADERS_SENT in somebody's callback.
 */
function dropWritesAfterNextEnd(res: ServerResponse, warn: (method: string) => void): void {
  if (res.writableEnded) return;
  const end = res.end;
  res.end = function endOnce(this: ServerResponse, ...args: unknown[]): ServerResponse {
    res.end = end;
    Reflect.apply(end, res, args);
    dropWrites(res, warn);
    return res;
  } as ServerResponse['end'];
}

function dropWrites(res: ServerResponse, warn: (method: string) => void): void {
  for (const kind of WRITERS) {
    const drop = (): unknown => {
      warn(kind);
      return kind === 'write' ? true : res;
    };
    Object.defineProperty(res, kind, { value: drop, configurable: true, writable: true });
  }
}
