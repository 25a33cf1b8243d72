import { STATUS_CODES } from 'node:http';
import type { Context, Next, ParameterizedContext } from 'koa';
import type { Reply } from '@ferrule/core';
import { answered, cutShort, followStream, forgetOtherBody, rendered, writeReply } from '@ferrule/core/adapter';
import type { Exchange, Mountable } from '@ferrule/core/adapter';

/** Any context, whatever state the app has declared. */
export type AnyContext = Context | ParameterizedContext;

/** Koa's request as an exchange. A body is there when a parser of the app ran. */
export function exchangeOf(ctx: AnyContext, next: Next): Exchange {
  return { req: ctx.req, res: ctx.res, native: ctx, body: (ctx.request as { body?: unknown }).body, next };
}

/** What a service does about errors; without one, and with `errorHandling: 'native'`, they are the app's. */
export type Errors = Pick<Mountable, 'toReply' | 'brokeOff'>;

/**
 * Answers with what a route gave. The error behind a 5xx goes to the app's `error` event first; a listener that answers has answered.
 * A native handler that goes on behind its headers is waited for, so that Koa does not end the response.
 */
export function answer(ctx: AnyContext, reply: Reply, exchange: Exchange, errors?: Errors): void | Promise<unknown> {
  if (reply.sent) return errors === undefined ? exchange.work : exchange.work?.catch((error: unknown) => breakOff(ctx, error, errors));
  if (reply.error !== undefined && reply.status >= 500) emitError(ctx, reply.error, errors);
  writeContext(ctx, reply, errors);
}

/** As `answer`, where no middleware of the app stands around that could look at the context: past it, which spares Koa's work for its setters. */
export function answerAlone(ctx: AnyContext, reply: Reply, exchange: Exchange, errors?: Errors): void | Promise<unknown> {
  if (reply.sent) return answer(ctx, reply, exchange, errors);
  const { res } = ctx;
  if (reply.error !== undefined && reply.status >= 500) emitError(ctx, reply.error, errors);
  ctx.respond = false;
  if (res.statusMessage) res.statusMessage = ''; // a wrapper has set `ctx.status`, and with it the words for another one
  writeReply(res, reply, ctx.req.method!, (error) => breakOff(ctx, error, errors ?? {}));
}

/** An error that comes when the headers are out: there is no other reply, so the connection says it. */
export function breakOff(ctx: AnyContext, error: unknown, errors: Partial<Errors>): void {
  errors.brokeOff?.(error, ctx.res);
  emitError(ctx, error, errors);
  if (!ctx.res.writableEnded) cutShort(ctx.res);
}

/**
 * Tells the app's `error` event. Of a service's errors Koa's own listener, which writes to the console, is not told: the service's logger is.
 * It would also throw at what is no native error; and a listener that throws shall not keep the reply from leaving.
 */
export function emitError(ctx: AnyContext, error: unknown, errors: Partial<Errors> = {}): void {
  const { app } = ctx;
  const isLogged = errors.brokeOff !== undefined;
  if (isLogged && app.listenerCount('error') === 1 && app.listeners('error')[0] === app.onerror) return;
  try {
    app.emit('error', error instanceof Error ? error : new Error(`${typeof error} was thrown`, { cause: error }), ctx);
  } catch {
    // The listener's error has nowhere to go.
  }
}

/**
 * Puts a reply into the context, where middleware around finds status, headers and body (text, a Buffer or a stream) and may change
 * them; Koa sends them. Cuts the connection when part of another reply is on its way.
 */
export function writeContext(ctx: AnyContext, reply: Reply, errors?: Partial<Errors>): void {
  if (reply.sent) return;
  const { res } = ctx;
  const { head, payload, status } = rendered(reply);
  if (res.headersSent || res.writableEnded || res.destroyed) {
    if (typeof payload === 'object' && 'destroy' in payload) payload.destroy();
    if (res.headersSent && !res.writableEnded) cutShort(res);
    return;
  }
  if (reply.error !== undefined) forgetOtherBody(res);
  for (const name in head) {
    if (name !== 'content-length' || typeof payload === 'object') setField(ctx, name, head[name]!);
  }
  if (payload === undefined) {
    ctx.remove('Content-Type');
    ctx.body = null;
  } else if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
    ctx.body = payload;
  } else if (payload instanceof Uint8Array) {
    ctx.body = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  } else {
    followStream(payload, res, (error) => errors?.brokeOff?.(error, res));
    ctx.body = payload;
  }
  setStatus(ctx, status);
  answered(res, status, typeof payload === 'string' || payload instanceof Uint8Array ? (head['content-length'] as number) : 0);
}

/** Cookies, Vary and Link are lists that middleware may have begun. */
function setField(ctx: AnyContext, name: string, value: string | number | string[]): void {
  if ((name === 'set-cookie' || name === 'vary' || name === 'link') && ctx.res.hasHeader(name))
    ctx.append(name, typeof value === 'number' ? String(value) : value);
  else ctx.res.setHeader(name, value);
}

/** Koa refuses a status that has no registered name (499, 599); Node does not. */
function setStatus(ctx: AnyContext, status: number): void {
  if (ctx.res.statusCode === status) return;
  const name = STATUS_CODES[status];
  if (name !== undefined) ctx.status = status;
  else {
    ctx.res.statusCode = status;
    ctx.res.statusMessage = 'unknown'; // Node's word for one, so that the status line is the same at every host
  }
}
