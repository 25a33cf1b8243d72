import { validateHeaderName, validateHeaderValue } from 'node:http';
import { Readable } from 'node:stream';
import { Reply, isStream } from '../call/reply.js';
import { bytesOf } from '../call/bytes.js';
import { jsonLoss } from '../call/json-loss.js';
import type { BodyStream } from '../call/reply.js';
import { PROBLEM_TYPE } from '../errors/problem.js';

/** What goes to the socket: text, bytes, a stream, or nothing. */
export type Payload = string | Uint8Array | BodyStream | undefined;

/** Outgoing header fields by lower-case name, checked. */
export type Head = Record<string, string | number | string[]>;

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const BYTES_TYPE = 'application/octet-stream';

/** A reply whose body is known to go over the wire and whose header fields are checked. `body` is still the value, for those who look at it. */
export class RenderedReply extends Reply {
  readonly payload: Payload;
  /** With `content-type` and, where it is known, `content-length`. */
  readonly head: Head;

  constructor(reply: Reply, head: Head, payload: Payload) {
    super(reply.status, reply.body, reply.headers, reply);
    this.head = head;
    this.payload = payload;
  }
}

/** A handler's result as a Reply; `status` for what is none, and none for undefined. */
export function replyOf(result: unknown, status: number | undefined): Reply {
  if (result instanceof Reply) return result;
  if (result === undefined) return new Reply(status ?? 204);
  return new Reply(status ?? 200, result);
}

/**
 * Makes a reply ready for the socket, so that what cannot be sent fails where it can still be mapped.
 * @throws TypeError when the body is no JSON (a BigInt, a cycle, a function, a Map, a Response) or a header field is malformed.
 */
export function render(reply: Reply): Reply {
  if (reply.sent || reply instanceof RenderedReply) return reply;
  const head: Head = {};
  const payload = payloadOf(reply, head);
  for (const name in reply.headers) {
    const value = reply.headers[name];
    if (value !== undefined) addHeader(head, name.toLowerCase(), value, payload);
  }
  return new RenderedReply(reply, head, payload);
}

function payloadOf(reply: Reply, head: Head): Payload {
  const { body, status } = reply;
  if (body === undefined || status === 204 || status === 304) {
    if (isStream(body)) body.destroy();
    if (status !== 204 && status !== 304) head['content-length'] = 0;
    return undefined;
  }
  if (typeof body === 'string') {
    head['content-type'] = TEXT_TYPE;
    head['content-length'] = Buffer.byteLength(body);
    return body;
  }
  if (typeof body === 'object' && body !== null) {
    const bytes = bytesOf(body);
    if (bytes !== undefined) {
      head['content-type'] = BYTES_TYPE;
      head['content-length'] = bytes.byteLength;
      return bytes;
    }
    if (isStream(body)) {
      head['content-type'] = BYTES_TYPE;
      return body;
    }
    const stream = otherStream(body);
    if (stream !== undefined) {
      head['content-type'] = BYTES_TYPE;
      return stream;
    }
  }
  const text = JSON.stringify(body) as string | undefined;
  if (text === undefined)
    throw new TypeError(`A ${typeof body} cannot be sent as JSON. Return an object, an array, text, a number, a boolean or null.`);
  const loss = jsonLoss(body, text);
  if (loss !== undefined) throw new TypeError(`The reply's body: ${loss}`);
  head['content-type'] = JSON_TYPE;
  head['content-length'] = Buffer.byteLength(text);
  return text;
}

/** A web stream, or what `for await` reads, as a Node stream. */
function otherStream(body: object): BodyStream | undefined {
  if (body instanceof globalThis.ReadableStream) return Readable.fromWeb(body);
  return Symbol.asyncIterator in body ? Readable.from(body as AsyncIterable<unknown>, { objectMode: false }) : undefined;
}

/** Framing belongs to the server: what a reply says of it is left out, but for the length of a stream. */
function addHeader(head: Head, name: string, value: string | number | readonly string[], payload: Payload): void {
  switch (name) {
    case 'transfer-encoding':
    case 'keep-alive':
    case 'upgrade':
    case 'trailer':
      return;
    case 'connection':
      if (String(value).toLowerCase() !== 'close') return;
      break;
    case 'content-length':
      if (!isStream(payload) || !/^\d{1,15}$/.test(String(value))) return;
      head[name] = Number(value);
      return;
    default:
  }
  if (value === PROBLEM_TYPE && name === 'content-type') {
    head[name] = value; // every error has it, and the two checks would be a tenth of what is done for one
    return;
  }
  validateHeaderName(name);
  if (typeof value === 'object') {
    for (const one of value) validateHeaderValue(name, one);
    head[name] = [...value];
  } else {
    validateHeaderValue(name, value as string);
    head[name] = value;
  }
}
