import { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:http';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** What a server would have written to the socket. */
export interface Injected {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Hands a GET request to the listeners of a server without a socket, and reads the very bytes of the answer. */
export function inject(server: Server, url: string, headers: Readonly<Record<string, string>> = {}): Promise<Injected> {
  const chunks: Buffer[] = [];
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  const req = new IncomingMessage(new Socket());
  req.method = 'GET';
  req.url = url;
  req.httpVersionMajor = 1;
  req.httpVersionMinor = 1;
  req.headers = { host: 'stage', ...headers };
  req.complete = true;
  req.push(null);
  const res = new ServerResponse(req);
  res.assignSocket(wire as Socket);
  return new Promise((resolve, reject) => {
    const end = (): void => {
      const text = Buffer.concat(chunks).toString('latin1');
      const at = text.indexOf('\r\n\r\n');
      resolve({ status: res.statusCode, head: text.slice(0, at), body: text.slice(at + 4) });
    };
    res.on('finish', end);
    wire.on('close', () => reject(new Error('the connection was broken off')));
    server.emit('request', req, res);
  });
}
