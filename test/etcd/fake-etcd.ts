import { once } from 'node:events';
import http2 from 'node:http2';
import type { Http2Session, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** A server that answers as it is told, for what a real etcd does not do when asked. */
export interface FakeEtcd extends AsyncDisposable {
  readonly address: string;
  /** Path of each call, in order. */
  readonly calls: readonly string[];
  readonly headers: readonly IncomingHttpHeaders[];
  answer: (call: FakeCall) => void;
}

export interface FakeCall {
  /** For example `KV/Range`. */
  readonly name: string;
  /** The fields of the first message. */
  readonly request: Fields;
  readonly stream: ServerHttp2Stream;
  /** Sends the headers of gRPC and messages, and leaves it open. */
  send(...messages: readonly Buffer[]): void;
  /** Ends it with a status, 0 by default. */
  end(status?: number, words?: string): void;
}

export type Fields = ReadonlyMap<number, number | Buffer>;
type Value = number | bigint | string | Buffer;

export async function fakeEtcd(answer: FakeEtcd['answer']): Promise<FakeEtcd> {
  const calls: string[] = [];
  const seen: IncomingHttpHeaders[] = [];
  const sessions = new Set<Http2Session>();
  const server = http2.createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.once('data', (chunk: Buffer) => {
      const name = String(headers[':path']).replace('/etcdserverpb.', '');
      calls.push(name);
      seen.push(headers);
      let begun = false;
      const begin = (extra: OutgoingHttpHeaders = {}): void => {
        if (!begun) stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...extra }, { waitForTrailers: true });
        begun = true;
      };
      fake.answer({
        name,
        request: fieldsOf(chunk.subarray(5)),
        stream,
        send(...messages) {
          begin();
          for (const message of messages) stream.write(frame(message));
        },
        end(status = 0, words) {
          begin();
          stream.once('wantTrailers', () =>
            stream.sendTrailers({ 'grpc-status': String(status), ...(words !== undefined && { 'grpc-message': words }) }),
          );
          stream.end();
        },
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const fake: FakeEtcd = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    headers: seen,
    answer,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return fake;
}

export function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A message in Protocol Buffers of these fields; written on its own, so that it shares no error with the client. */
export function message(...fields: readonly (readonly [number: number, value: Value])[]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number' || typeof value === 'bigint') return Buffer.concat([varint(number << 3), varint(value)]);
      const bytes = Buffer.from(value as string);
      return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
    }),
  );
}

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}

export function fieldsOf(bytes: Buffer): Fields {
  const fields = new Map<number, number | Buffer>();
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = next();
    const length = next();
    if ((tag & 7) === 0) fields.set(tag >> 3, length);
    else fields.set(tag >> 3, bytes.subarray(at, (at += length)));
  }
  return fields;
}
