import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A TCP proxy on loopback that stands between a client and a server and spoils what passes. */
export interface TcpProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** Client connections that are open now. */
  readonly connections: number;
  /** Resolves when so many bytes have come from clients in all, swallowed ones included. */
  received(bytes: number): Promise<void>;
  /** Resets every connection; new ones pass. */
  cut(): void;
  /** From now on (true) bytes of both directions are swallowed: connections open, nothing answers. Swallowed bytes do not come back. */
  blackHole(on: boolean): void;
  /** From now on (true) bytes are held back in both directions; false lets go of them, in order. A delay that the test ends. */
  hold(on: boolean): void;
  /** From now on (true) new connections are reset at once. */
  refuse(on: boolean): void;
  /** Stops listening and cuts. Idempotent. */
  close(): Promise<void>;
}

/** Starts one in front of `target` on a free port. `await using proxy = await tcpProxy(upstream)` closes it with its block. */
export async function tcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const pairs = new Map<Socket, Socket>();
  let swallowing = false;
  let holding = false;
  let refusing = false;
  let received = 0;
  const waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];

  const relay = (from: Socket, to: Socket): void => {
    from.on('data', (data) => {
      if (!swallowing) to.write(data);
    });
    from.on('end', () => {
      if (!swallowing) to.end();
    });
    from.on('error', () => to.resetAndDestroy());
    from.on('close', (failed) => {
      if (!failed && !swallowing) to.destroySoon();
    });
    if (holding) from.pause();
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (refusing) return void client.resetAndDestroy();
    const upstream = connect({ host: target.host, port: target.port, noDelay: true, allowHalfOpen: true });
    pairs.set(client, upstream);
    client.once('close', () => {
      pairs.delete(client);
      if (swallowing) upstream.destroy();
    });
    client.on('data', (data: Buffer) => {
      received += data.length;
      for (const { bytes, resolve } of waiting) if (received >= bytes) resolve();
    });
    relay(client, upstream);
    relay(upstream, client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });

  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
  };
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    cut();
    await closed;
  };
  return {
    host: '127.0.0.1',
    port,
    origin: `http://127.0.0.1:${port}`,
    get connections() {
      return pairs.size;
    },
    received: (bytes) =>
      new Promise((resolve) => {
        if (received >= bytes) resolve();
        else waiting.push({ bytes, resolve });
      }),
    cut,
    blackHole: (on) => void (swallowing = on),
    hold(on) {
      holding = on;
      for (const pair of pairs)
        for (const socket of pair)
          if (on) socket.pause();
          else socket.resume();
    },
    refuse: (on) => void (refusing = on),
    close,
    [Symbol.asyncDispose]: close,
  };
}
