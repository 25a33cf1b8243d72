import http2 from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import type { SecureContextOptions } from 'node:tls';

export interface GrpcHealthTls extends Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> {
  readonly servername?: string;
}

export interface GrpcHealthQuestion {
  readonly origin: string;
  readonly service: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tls: GrpcHealthTls;
  readonly signal: AbortSignal;
}

const STATUSES: readonly string[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
/** An answer has seven bytes. */
const MOST_BYTES = 4_096;
const PREFIX = 5;

/**
 * One `Check` of `grpc.health.v1.Health`, over a connection that is closed with it: the word of the status, or `grpc-status <n>`, `http <n>`,
 * `no gRPC`. Rejects with an error of the connection, and with the signal's reason; nothing is left open then.
 */
export function askGrpcHealth({ origin, service, metadata, tls, signal }: GrpcHealthQuestion): Promise<string> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const session: ClientHttp2Session = http2.connect(origin, { ...tls, settings: { enablePush: false } });
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', aborted);
      session.destroy();
      settle();
    };
    const aborted = (): void => end(() => reject(signal.reason));
    const answer = (said: string): void => end(() => resolve(said));
    const failed = (error: unknown): void => end(() => reject(error));
    signal.addEventListener('abort', aborted, { once: true });
    session.on('error', failed); // for good: one that was destroyed may still tell of it
    session.once('close', () => answer('closed'));
    session.unref();
    const stream = session.request({
      ...metadata,
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'ferrule-probe',
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let head: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    // One that ended with its session has nothing to say: that tells why itself.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ERR_HTTP2_STREAM_CANCEL') failed(error);
    });
    stream.on('response', (headers) => (head = headers));
    stream.on('trailers', (headers: IncomingHttpHeaders) => (trailers = headers));
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) answer('no gRPC');
      else chunks.push(chunk);
    });
    stream.once('end', () => answer(said(head, trailers, Buffer.concat(chunks))));
    stream.end(question(service));
  });
}

/** A HealthCheckRequest: `service` is its field 1. */
function question(service: string): Buffer {
  const name = Buffer.from(service);
  const length = name.length < 0x80 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7]; // below 16,384
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function said(head: IncomingHttpHeaders, trailers: IncomingHttpHeaders, body: Buffer): string {
  const code = Number(head[':status']);
  if (code !== 200) return `http ${code}`;
  // An answer without a body has its trailers among the headers.
  const status = trailers['grpc-status'] ?? head['grpc-status'];
  if (typeof status !== 'string' || !/^\d{1,2}$/.test(status)) return 'no gRPC';
  if (status !== '0') return `grpc-status ${status}`;
  if (body.length < PREFIX || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX) return 'no gRPC';
  const number = statusOf(body.subarray(PREFIX));
  return number === undefined ? 'no gRPC' : (STATUSES[number] ?? `status ${number}`);
}

/** Field 1 of a HealthCheckResponse, 0 when it is left out; other fields are skipped. undefined when the bytes are no message. */
function statusOf(message: Buffer): number | undefined {
  let at = 0;
  let status = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; factor < 2 ** 70; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) return NaN;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    return NaN;
  };
  while (at < message.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) {
      const value = varint();
      if (Number.isNaN(value)) return undefined;
      if (tag === 0x08) status = value;
    } else if (wire === 2) {
      const length = varint();
      at += length;
    } else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else return undefined;
  }
  return at === message.length ? status : undefined;
}
