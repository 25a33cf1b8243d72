import { Readable } from 'node:stream';
import { bytesOf } from '../call/bytes.js';
import { jsonLoss } from '../call/json-loss.js';
import { Reply, isStream } from '../call/reply.js';
import type { ReplyHeaders } from '../call/reply.js';
import { fieldOf } from './reply-cache-control.js';
import type { Terms } from './reply-cache-control.js';

/** A body as it is kept: nobody who got the reply can change it. */
export type KeptBody =
  | { readonly form: 'none' }
  | { readonly form: 'text' | 'json'; readonly text: string }
  | { readonly form: 'bytes' | 'stream'; readonly bytes: Uint8Array };

/** A reply that others may get, or a failure. Each of them gets a copy of its own. */
export class CachedReply {
  readonly kind = 'reply';
  readonly bytes: number;
  /** Until when the entry is not fetched anew in the background, after that failed. */
  restUntil: number = -Infinity;

  constructor(
    readonly status: number,
    readonly headers: ReplyHeaders,
    readonly body: KeptBody,
    /** Thrown in place of an answer. */
    readonly error: unknown,
    readonly terms: Terms,
    readonly storedAt: number,
  ) {
    this.bytes = sizeOf(body) + sizeOfHeaders(headers);
  }

  freshUntil(): number {
    return this.storedAt + this.terms.freshMs;
  }

  ageMs(now: number): number {
    return this.terms.ageMs + Math.max(0, now - this.storedAt);
  }

  /** @throws what the call failed with, when that is what was kept */
  reply(now: number): Reply {
    if (this.error !== undefined) throw this.error;
    return new Reply(this.status, copyOf(this.body), { ...this.headers, age: String(Math.floor(this.ageMs(now) / 1_000)) });
  }

  /** By which it can be asked whether it is still good. */
  get validators(): Readonly<Record<string, string>> | undefined {
    const etag = this.headers['etag'];
    const modified = this.headers['last-modified'];
    if (typeof etag === 'string') return { 'if-none-match': etag };
    return typeof modified === 'string' ? { 'if-modified-since': modified } : undefined;
  }

  /** The same content on new terms, with the fields of the 304 in place of the old ones (RFC 9111, 4.3.4). */
  renewed(notModified: Reply, terms: Terms, now: number): CachedReply {
    return new CachedReply(this.status, { ...this.headers, ...keptHeaders(notModified) }, this.body, undefined, terms, now);
  }
}

/** The body for keeping; undefined when it cannot be kept or is larger than `most` bytes. A stream is read to its end. */
export async function keptBody(reply: Reply, most: number): Promise<KeptBody | undefined> {
  const { body } = reply;
  if (!isStream(body)) return keptAtOnce(body, most);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return { form: 'stream', bytes: Buffer.concat(chunks) };
}

/** Whether all of a stream can be read before it is handed on: it says how much it is, and that is little enough. Event streams never end. */
export function isShortStream(reply: Reply, most: number): boolean {
  const length = fieldOf(reply, 'content-length');
  return length !== undefined && /^\d+$/.test(length) && Number(length) <= most;
}

function keptAtOnce(body: unknown, most: number): KeptBody | undefined {
  if (body === undefined) return { form: 'none' };
  if (typeof body === 'string') return Buffer.byteLength(body) > most ? undefined : { form: 'text', text: body };
  const bytes = bytesOf(body);
  if (bytes !== undefined) return bytes.byteLength > most ? undefined : { form: 'bytes', bytes: Buffer.from(bytes) };
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) return undefined;
  try {
    const text = JSON.stringify(body) as string | undefined;
    if (text === undefined || Buffer.byteLength(text) > most || jsonLoss(body, text) !== undefined) return undefined;
    return { form: 'json', text };
  } catch {
    return undefined; // whoever sends it says what is wrong with it
  }
}

function copyOf(body: KeptBody): unknown {
  switch (body.form) {
    case 'none':
      return undefined;
    case 'text':
      return body.text;
    case 'json':
      return JSON.parse(body.text);
    case 'bytes':
      return Buffer.from(body.bytes);
    case 'stream':
      return Readable.from(body.bytes.byteLength === 0 ? [] : [Buffer.from(body.bytes)], { objectMode: false });
  }
}

function sizeOf(body: KeptBody): number {
  return body.form === 'none' ? 0 : 'text' in body ? Buffer.byteLength(body.text) : body.bytes.byteLength;
}

function sizeOfHeaders(headers: ReplyHeaders): number {
  let bytes = 0;
  for (const name of Object.keys(headers)) bytes += name.length + String(headers[name]).length;
  return bytes;
}

/** Of one connection, not of the message (RFC 9110, 7.6.1), and what the cache itself says. */
const NOT_KEPT = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'age',
]);

export function keptHeaders(reply: Reply): ReplyHeaders {
  const kept: Record<string, string | number | readonly string[]> = {};
  const named = fieldOf(reply, 'connection')?.toLowerCase() ?? '';
  for (const name of Object.keys(reply.headers)) {
    const value = reply.headers[name];
    const lower = name.toLowerCase();
    if (value !== undefined && !NOT_KEPT.has(lower) && !named.split(',').some((one) => one.trim() === lower)) kept[lower] = value;
  }
  if (reply.status === 304) delete kept['content-length'];
  return kept;
}
