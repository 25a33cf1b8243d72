import http2 from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { FrameReader, framed } from './grpc-frames.js';

/** What a call ended with instead of an answer. */
export class GrpcFailure extends Error {
  /** The status of gRPC, from 1. */
  readonly status: number;
  /** There was no answer at all: the connection is gone or silent. */
  readonly lost: boolean;

  constructor(status: number, message: string, lost = false) {
    super(message);
    this.status = status;
    this.lost = lost;
  }
}

export interface GrpcSink {
  onMessage(message: Buffer): void;
  /** Once. Without an error: the server has ended it with status 0. */
  onEnd(error: GrpcFailure | undefined): void;
}

export interface GrpcStream {
  send(message: Buffer): void;
  /** Says that nothing more is sent. */
  end(): void;
  /** Ends it without calling the sink again. */
  cancel(): void;
}

export interface GrpcStreamOptions {
  readonly path: string;
  readonly metadata: OutgoingHttpHeaders;
  readonly sink: GrpcSink;
  /** Something came. */
  readonly onHeard: () => void;
  /** What to say when it ended without a status. */
  readonly lost: () => GrpcFailure;
}

export const UNAVAILABLE = 14;
/** More than a hundred thousand instances. */
const MOST_BYTES = 64 * 2 ** 20;
const MOST_TEXT = 200;

/** One call of gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), as long as it is open. */
export function grpcStream(session: ClientHttp2Session, { path, metadata, sink, onHeard, lost }: GrpcStreamOptions): GrpcStream {
  const { onMessage, onEnd } = sink;
  const frames = new FrameReader(MOST_BYTES);
  let stream: ClientHttp2Stream | undefined;
  let status: IncomingHttpHeaders | undefined;
  let broken: string | undefined;
  let ended = false;
  const finish = (error: GrpcFailure | undefined): void => {
    if (ended) return;
    ended = true;
    stream?.close(http2.constants.NGHTTP2_CANCEL);
    onEnd(error);
  };
  const judge = (): void => {
    if (broken !== undefined) finish(new GrpcFailure(UNAVAILABLE, broken));
    else if (status === undefined) finish(lost());
    else finish(failureIn(status));
  };
  try {
    stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...metadata,
    });
  } catch {
    queueMicrotask(() => finish(lost()));
    return { send() {}, end() {}, cancel: () => (ended = true) };
  }
  stream.on('response', (headers) => {
    onHeard();
    if (headers[':status'] !== 200) broken = `status ${headers[':status']} of HTTP instead of gRPC`;
    else if (!headers['content-type']?.startsWith('application/grpc')) broken = `${headers['content-type'] ?? 'no content type'} instead of gRPC`;
    if (headers['grpc-status'] !== undefined) status = headers;
    if (broken !== undefined) judge();
  });
  stream.on('trailers', (headers: IncomingHttpHeaders) => {
    onHeard();
    status = headers;
  });
  stream.on('data', (chunk: Buffer) => {
    onHeard();
    if (ended) return;
    try {
      for (const message of frames.push(chunk)) if (!ended) onMessage(message);
    } catch (error) {
      broken = `an answer that cannot be read: ${(error as Error).message}`;
      judge();
    }
  });
  stream.on('end', () => {
    if (status !== undefined || broken !== undefined) judge(); // else `close` follows
  });
  stream.on('error', () => {}); // `close` follows
  stream.on('close', judge);
  return {
    send: (message) => void (ended || stream.write(framed(message))),
    end: () => void (ended || stream.end()),
    cancel() {
      ended = true;
      stream.close(http2.constants.NGHTTP2_CANCEL);
    },
  };
}

/** undefined for status 0. */
function failureIn(headers: IncomingHttpHeaders): GrpcFailure | undefined {
  const status = Number(headers['grpc-status']);
  if (status === 0) return undefined;
  const text = String(headers['grpc-message'] ?? '');
  let words = text;
  try {
    words = decodeURIComponent(text);
  } catch {
    // As it came.
  }
  words = words
    .slice(0, MOST_TEXT)
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .trim();
  return new GrpcFailure(Number.isInteger(status) && status > 0 && status <= 16 ? status : 2, words === '' ? `status ${status}` : words);
}
