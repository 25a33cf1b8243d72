import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { parse as parseForm } from 'node:querystring';
import { TextDecoder } from 'node:util';
import type { Call } from '../call/call.js';
import { REASONS, ServiceError } from '../errors/service-error.js';
import { parseJson } from './json.js';
import type { Exchange } from './exchange.js';

/** Bytes; 1 MiB. */
export const DEFAULT_BODY_LIMIT = 1_048_576;

/** Fields of a form; more of them cost more than any honest form is worth. */
const MOST_FIELDS = 1_000;

/** How long a client that is being refused may go on sending before its connection is cut. */
const LINGER_MS = 2_000;

/** Whether the request carries content: RFC 9112, 6.3. */
export function hasBody(headers: Call['headers']): boolean {
  const length = headers['content-length'];
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
}

const READ = Symbol('ferrule.read');

/** As `readOnce`; a request has one body, so whoever runs a handler again gets what was read. */
export function readBody(exchange: Exchange, call: Call, kind: 'parse' | 'bytes', limit: number): Promise<unknown> {
  const memory: Exchange & { [READ]?: Promise<unknown> } = exchange;
  return (memory[READ] ??= readOnce(exchange, call, kind, limit));
}

/**
 * The body as the route wants it. `parse`: JSON, `text/*` and forms by content type; bytes for a type that is unknown or
 * missing; undefined when it is empty. What a parser of the app has made already is taken as it is.
 *
 * Rejects with INVALID_ARGUMENT: 413 `BODY_TOO_LARGE`, 400 `MALFORMED_BODY`, 415 `UNSUPPORTED_MEDIA_TYPE` for a charset that
 * is unknown and for compressed content; with the call's reason when it is aborted; CANCELLED when the client went away.
 */
async function readOnce(exchange: Exchange, call: Call, kind: 'parse' | 'bytes', limit: number): Promise<unknown> {
  const { req } = exchange;
  if (exchange.body !== undefined && !isPlaceholder(exchange.body, req)) return exchange.body;
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw Object.assign(refused(415, REASONS.unsupportedMediaType, `Content-Encoding ${encoding} is not supported`), {
      headers: { 'accept-encoding': 'identity' },
    });
  }
  const bytes = await collect(exchange, call, limit);
  return kind === 'bytes' ? bytes : parseBody(bytes, req.headers['content-type']);
}

/** Parsers that met a type they do not know leave `{}` behind and the stream alone (body-parser 1, koa-bodyparser). */
function isPlaceholder(body: unknown, req: IncomingMessage): boolean {
  if (req.readableDidRead || typeof body !== 'object' || body === null) return false;
  for (const _ in body) return false;
  return !Array.isArray(body) && !(body instanceof Uint8Array);
}

function parseBody(bytes: Buffer, contentType: string | undefined): unknown {
  if (bytes.length === 0) return undefined;
  const type = mediaType(contentType);
  if (type === 'application/json' || type.endsWith('+json')) return parseJson(decode(bytes, contentType));
  if (type === 'application/x-www-form-urlencoded') return formOf(decode(bytes, contentType));
  if (type.startsWith('text/')) return decode(bytes, contentType);
  return bytes;
}

function mediaType(contentType: string | undefined): string {
  if (contentType === undefined) return '';
  const end = contentType.indexOf(';');
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)/i;

function decode(bytes: Buffer, contentType: string | undefined): string {
  const charset = contentType === undefined ? undefined : CHARSET.exec(contentType)?.[1]?.toLowerCase();
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8') {
    if (!isUtf8(bytes)) throw refused(400, REASONS.malformedBody, 'The body is not valid UTF-8');
    const text = bytes.toString('utf8');
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(charset, { fatal: true });
  } catch {
    throw refused(415, REASONS.unsupportedMediaType, 'The charset of the body is not supported');
  }
  try {
    return decoder.decode(bytes);
  } catch {
    throw refused(400, REASONS.malformedBody, `The body is not valid ${charset}`);
  }
}

/** Fields by name in an object without a prototype; a repeated one is an array. */
function formOf(text: string): unknown {
  let fields = 1;
  for (let at = text.indexOf('&'); at !== -1; at = text.indexOf('&', at + 1)) {
    if (++fields > MOST_FIELDS) throw refused(413, REASONS.bodyTooLarge, `A form may have ${MOST_FIELDS} fields`);
  }
  return parseForm(text);
}

function collect(exchange: Exchange, call: Call, limit: number): Promise<Buffer> {
  const { req } = exchange;
  return new Promise((resolve, reject) => {
    const declared = Number(req.headers['content-length'] ?? 0);
    if (declared > limit) return reject(tooLarge(exchange, limit));
    if (call.aborted) return reject(call.reason);
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (): void => {
      req.off('data', onData).off('end', onEnd).off('error', onLost).off('close', onLost);
      req.on('error', nothing);
      forget();
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= limit) return void chunks.push(chunk);
      settle();
      reject(tooLarge(exchange, limit));
    };
    const onEnd = (): void => {
      settle();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length));
    };
    const onLost = (): void => {
      settle();
      reject(new ServiceError('CANCELLED', 'The client went away while it sent the body', { reason: REASONS.disconnected }));
    };
    const forget = call.onAbort((reason) => {
      settle();
      req.resume();
      reject(reason);
    });
    if (req.readableEnded) return onEnd();
    if (req.destroyed) return onLost();
    req.on('data', onData).on('end', onEnd).on('error', onLost).on('close', onLost);
  });
}

/**
 * The rest of the body is discarded as it comes, so that a client which reads only after it has sent gets the answer.
 * Node would cut the connection with the answer's last byte, and a reset on unread data can take the answer with it
 * (RFC 9112, 9.6): the write side is closed instead, and the rest after two seconds.
 */
function tooLarge({ req, res }: Exchange, limit: number): ServiceError {
  req.resume();
  req.socket.destroySoon = lingeringClose;
  res.shouldKeepAlive = false;
  return refused(413, REASONS.bodyTooLarge, `The body is longer than ${limit} bytes`);
}

function lingeringClose(this: Socket): void {
  this.end();
  const timer = setTimeout(() => this.destroy(), LINGER_MS);
  timer.unref();
  this.once('close', () => clearTimeout(timer));
}

function refused(status: number, reason: string, message: string): ServiceError {
  return new ServiceError('INVALID_ARGUMENT', message, { status, reason });
}

function nothing(): void {}
