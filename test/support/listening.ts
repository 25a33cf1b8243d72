import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A server on 127.0.0.1 that knows its connections, and cuts them when it is disposed of. */
export interface Listening extends AsyncDisposable {
  readonly port: number;
  /** With `http:`, whatever it speaks. */
  readonly url: string;
  readonly sockets: ReadonlySet<Socket>;
  /** Resolves when the last connection has closed. */
  idle(): Promise<void>;
}

/** Anything that listens as a `net.Server` does, one of HTTP/2 too. */
export async function listening(server: Pick<Server, 'on' | 'once' | 'emit' | 'listen' | 'address' | 'close'>, isSecure = false): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      sockets.delete(socket);
      server.emit('one closed');
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    sockets,
    async idle() {
      while (sockets.size > 0) await new Promise<void>((resolve) => void server.once('one closed', resolve));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A port where nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
