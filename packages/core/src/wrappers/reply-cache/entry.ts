import { Readable } from 'node:stream';
import type { Call } from '../../call/call.js';
import { bytesOf } from '../../call/bytes.js';
import { jsonLoss } from '../../call/json-loss.js';
import { Reply, isStream } from '../../call/reply.js';
import type { BodyStream, ReplyHeaders } from '../../call/reply.js';
import { fieldOf } from './control.js';
import type { Terms } from './control.js';

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

type Chunks = AsyncIterator<string | Uint8Array, unknown>;

/** `body`: for keeping, undefined when it cannot be kept; `reply`: to be handed on, the same or one with what was read of a stream and its rest. */
export interface Read {
  readonly body: KeptBody | undefined;
  readonly reply: Reply;
}

/**
 * The body for keeping, when it holds at most `most` bytes. A short stream is read to its end, and no further than it says of itself: one that holds
 * more or less than its Content-Length is not kept. When `call` is aborted meanwhile, so is the stream.
 */
export async function keptBody(reply: Reply, most: number, call: Call): Promise<Read> {
  const { body } = reply;
  if (!isStream(body)) return { body: keptAtOnce(body, most), reply };
  const isHead = call.operation.method === 'HEAD';
  const length = Number(fieldOf(reply, 'content-length'));
  const forget = call.onAbort((reason) => void body.destroy(reason instanceof Error ? reason : undefined));
  const rest = body[Symbol.asyncIterator]() as Chunks;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      const chunk = typeof next.value === 'string' ? Buffer.from(next.value) : next.value;
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > length) return { body: undefined, reply: unread(reply, body, chunks, rest) };
    }
  } finally {
    forget();
  }
  if (bytes !== length && !isHead) return { body: undefined, reply: unread(reply, body, chunks, rest) };
  return { body: { form: 'stream', bytes: Buffer.concat(chunks) }, reply };
}

/** The reply as if nothing of its stream had been read. Closing it closes the stream at once, though that has nothing to give at the moment. */
function unread(reply: Reply, body: BodyStream, chunks: readonly Uint8Array[], rest: Chunks): Reply {
  let given = 0;
  const whole: Chunks = {
    next: async () => (given < chunks.length ? { done: false, value: chunks[given++]! } : rest.next()),
    async return() {
      body.destroy();
      return { done: true, value: undefined };
    },
  };
  return reply.with({ body: Readable.from({ [Symbol.asyncIterator]: () => whole }, { objectMode: false }) });
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
