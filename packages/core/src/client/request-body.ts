import { Readable } from 'node:stream';
import { bytesOf } from '../call/bytes.js';
import { jsonLoss } from '../call/json-loss.js';
import { isStream } from '../call/reply.js';

/** A body as it goes over the wire. */
export interface RequestBody {
  /** What it was made from, to notice when a wrapper has put another body on the call. */
  readonly source: unknown;
  readonly content: string | Uint8Array | Readable | undefined;
  /** Sent when the call has no content-type of its own. */
  readonly contentType: string | undefined;
}

export const NO_BODY: RequestBody = Object.freeze({ source: undefined, content: undefined, contentType: undefined });

/**
 * Text, bytes and streams as they are, form fields from URLSearchParams, everything else as JSON. undefined is no body.
 * A function is asked for the body on each attempt: `() => createReadStream(file)` can be sent again, a stream cannot.
 * @throws TypeError when a value has no JSON (a cycle, a BigInt; a function inside is left out as JSON does) or its JSON would hold nothing of it
 * (a Map, a Blob, FormData), or a stream was used before.
 */
export function requestBody(source: unknown): RequestBody {
  if (source === undefined) return NO_BODY;
  const body = typeof source === 'function' ? (source as () => unknown)() : source;
  if (typeof body === 'string') return { source, content: body, contentType: 'text/plain; charset=utf-8' };
  const bytes = bytesOf(body);
  if (bytes !== undefined) return { source, content: bytes, contentType: 'application/octet-stream' };
  if (body instanceof URLSearchParams) return { source, content: body.toString(), contentType: 'application/x-www-form-urlencoded;charset=UTF-8' };
  if (isStream(body)) return { source, content: usable(body), contentType: 'application/octet-stream' };
  if (body instanceof ReadableStream) return { source, content: Readable.fromWeb(body), contentType: 'application/octet-stream' };
  const content = JSON.stringify(body) as string | undefined;
  if (content === undefined)
    throw new TypeError(`Body: ${typeof body} has no JSON. Give a value, text, bytes, a Readable or a function that makes one of them.`);
  const loss = jsonLoss(body, content);
  if (loss !== undefined) throw new TypeError(`Body: ${loss}`);
  return { source, content, contentType: 'application/json' };
}

function usable(stream: NodeJS.ReadableStream): Readable {
  if (!(stream instanceof Readable)) return new Readable().wrap(stream);
  assertUnread(stream);
  return stream;
}

/** @throws TypeError when somebody has begun to read it. */
export function assertUnread(stream: Readable): void {
  if (isUnread(stream)) return;
  throw new TypeError(
    'Body: this stream was read before and cannot be sent again. Give bytes, or a function that makes a new stream for each attempt.',
  );
}

/** Whether all of a stream is still there to be sent. */
export function isUnread(stream: Readable): boolean {
  return !Readable.isDisturbed(stream) && !stream.destroyed;
}
