import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { reset } from './reset.js';

/** Where to connect; a service's address fits. */
export interface RawTarget {
  readonly host: string;
  readonly port: number;
}

/** The first part of a reply: what stood before its body. */
export interface RawHead {
  readonly status: number;
  readonly statusText: string;
  /** Field values by lower-case name, in the order in which they arrived, repeated ones one by one. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** The 1xx replies that came before, for example `[100]`. */
  readonly interim: readonly number[];
  /** A field as one text, repeated ones joined with `, `; undefined when it is absent. `name` in lower case. */
  header(name: string): string | undefined;
}

export interface RawReply extends RawHead {
  readonly body: Buffer;
  readonly text: string;
  /** Whether the body ended as its framing promised; false when the connection broke before. */
  readonly complete: boolean;
  /** The body parsed. @throws SyntaxError when it is no JSON. */
  json(): unknown;
}

/** A connection on which a test says every byte itself. */
export interface RawConnection {
  /** The socket, for what is not offered here. */
  readonly socket: Socket;
  /** Resolves when the socket has closed, however that came. */
  readonly closed: Promise<void>;
  send(bytes: string | Uint8Array): void;
  /** The status of a 1xx reply, as soon as it is there. @throws Error when another reply comes, or none. */
  interim(): Promise<number>;
  /** Status and fields of the next reply. `method` of the request: after HEAD there is no body. @throws Error when the connection ends before. */
  head(method?: string): Promise<RawHead>;
  /** The next piece of the body of the reply whose head was read last; undefined at its end. @throws Error when the connection breaks first. */
  chunk(): Promise<Buffer | undefined>;
  /** A whole reply. A body that breaks off is no error here: `complete` is false. @throws Error when the connection ends before the head. */
  reply(method?: string): Promise<RawReply>;
  /** Says that nothing more is coming (FIN). */
  end(): void;
  /** Closes at once; `reset` with RST in place of FIN. */
  destroy(how?: 'close' | 'reset'): void;
}

/** The bytes of an HTTP/1.1 request. `Host` is added when missing, `Content-Length` when there is a body and no framing. */
export function requestBytes(
  method: string,
  target: string,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
  body?: string | Uint8Array,
): Buffer {
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = [`${method} ${target} HTTP/1.1`];
  if (!names.has('host')) lines.push('Host: test.local');
  for (const [name, value] of Object.entries(headers)) {
    for (const one of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  }
  const bytes = Buffer.from(body ?? '');
  if (body !== undefined && !names.has('content-length') && !names.has('transfer-encoding')) lines.push(`Content-Length: ${bytes.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
}

/** Opens a connection for requests written byte by byte. @throws Error when it is refused. */
export async function rawConnection(target: RawTarget): Promise<RawConnection> {
  const socket = connect({ host: target.host, port: target.port, noDelay: true });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  const input = new Input(socket);
  let frame: Frame = { left: 0 };

  let heard: number[] = [];

  const head = async (method = 'GET'): Promise<RawHead> => {
    for (;;) {
      const { status, statusText, lines } = await nextHead(input);
      if (status < 200 && status !== 101) {
        heard.push(status);
        continue;
      }
      const fields = fieldsOf(lines);
      frame = frameOf(method, status, fields);
      const interim = heard;
      heard = [];
      return { status, statusText, fields, interim, header: (name) => fields.get(name)?.join(', ') };
    }
  };

  const interim = async (): Promise<number> => {
    const { status } = await nextHead(input);
    if (status >= 200) throw new Error(`A final reply ${status} came where a 1xx was expected`);
    heard.push(status);
    return status;
  };

  const chunk = (): Promise<Buffer | undefined> => nextChunk(input, frame);

  return {
    socket,
    closed,
    head,
    interim,
    chunk,
    send: (bytes) => void socket.write(bytes),
    async reply(method) {
      const first = await head(method);
      const pieces: Buffer[] = [];
      let complete = true;
      try {
        for (let piece = await chunk(); piece !== undefined; piece = await chunk()) pieces.push(piece);
      } catch {
        complete = false;
      }
      const body = Buffer.concat(pieces);
      const text = body.toString('utf8');
      return { ...first, body, text, complete, json: (): unknown => JSON.parse(text) };
    },
    end: () => void socket.end(),
    destroy: (how = 'close') => (how === 'reset' ? reset(socket) : void socket.destroy()),
  };
}

/**
 * One exchange on a connection of its own: sends the bytes as they are, reads one reply and closes.
 * `requestBytes` makes ordinary ones; anything else may be sent too. @throws Error when no reply comes.
 */
export async function rawRequest(target: RawTarget, bytes: string | Uint8Array): Promise<RawReply> {
  const connection = await rawConnection(target);
  try {
    connection.send(bytes);
    const method = /^[A-Z]+/.exec(Buffer.from(bytes).toString('latin1', 0, 16))?.[0];
    return await connection.reply(method);
  } finally {
    connection.destroy();
  }
}

/** How the rest of a body is framed (RFC 9112, 6.3): so many bytes, chunks, or until the connection closes. */
interface Frame {
  left: number | 'chunked' | 'close';
}

function frameOf(method: string, status: number, fields: ReadonlyMap<string, readonly string[]>): Frame {
  if (method === 'HEAD' || status === 204 || status === 304 || status === 101) return { left: 0 };
  if (fields.get('transfer-encoding')?.at(-1)?.toLowerCase().endsWith('chunked') === true) return { left: 'chunked' };
  const length = fields.get('content-length')?.[0];
  return { left: length === undefined ? 'close' : Number(length) };
}

async function nextHead(input: Input): Promise<{ status: number; statusText: string; lines: string[] }> {
  const [statusLine = '', ...lines] = (await input.through('\r\n\r\n')).toString('latin1').slice(0, -4).split('\r\n');
  const match = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(statusLine);
  if (match === null) throw new Error(`A reply began with ${JSON.stringify(statusLine.slice(0, 100))}, which is no status line`);
  return { status: Number(match[1]), statusText: match[2]!, lines };
}

async function nextChunk(input: Input, frame: Frame): Promise<Buffer | undefined> {
  if (frame.left === 'close') return input.some(Infinity);
  if (frame.left === 'chunked') {
    const size = Number.parseInt((await input.through('\r\n')).toString('latin1'), 16);
    if (Number.isNaN(size)) throw new Error('A chunk of the reply has no size');
    if (size > 0) return (await input.exactly(size + 2)).subarray(0, -2);
    while ((await input.through('\r\n')).length > 2);
    frame.left = 0;
    return undefined;
  }
  if (frame.left === 0) return undefined;
  const piece = await input.some(frame.left);
  if (piece === undefined) throw new Error(`The connection ended ${frame.left} bytes before the end of the body`);
  frame.left -= piece.length;
  return piece;
}

function fieldsOf(lines: readonly string[]): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim().toLowerCase();
    const values = fields.get(name) ?? [];
    values.push(line.slice(colon + 1).trim());
    fields.set(name, values);
  }
  return fields;
}

/** What has arrived and was not read yet. One reader at a time. */
class Input {
  #bytes: Buffer = Buffer.alloc(0);
  #ended: Error | undefined;
  #finished = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, data]);
      this.#wake?.();
    });
    const end = (error: Error): void => {
      this.#ended ??= error;
      this.#wake?.();
    };
    socket.on('end', () => {
      this.#finished = this.#ended === undefined;
      end(new Error('The connection ended before the reply did'));
    });
    socket.on('error', end);
    socket.on('close', () => end(new Error('The connection was closed before the reply ended')));
  }

  /** Everything up to and with `mark`. */
  async through(mark: string): Promise<Buffer> {
    for (;;) {
      const index = this.#bytes.indexOf(mark);
      if (index >= 0) return this.#take(index + mark.length);
      await this.#more();
    }
  }

  async exactly(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) await this.#more();
    return this.#take(count);
  }

  /** What is there, at least one byte and at most `limit`; undefined when the connection has ended in order. */
  async some(limit: number): Promise<Buffer | undefined> {
    while (this.#bytes.length === 0) {
      if (this.#finished) return undefined;
      await this.#more();
    }
    return this.#take(Math.min(limit, this.#bytes.length));
  }

  #take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
  }
}
