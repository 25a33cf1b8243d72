import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { systemClock } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import { reset } from './reset.js';

/** A TCP proxy on loopback that stands between a client and a server and spoils what passes. */
export interface TcpProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** Client connections that are open now. */
  readonly connections: number;
  /** Client connections that ever came, those that were refused included. */
  readonly accepted: number;
  /** Resolves when so many bytes have come from clients in all, swallowed ones included. */
  received(bytes: number): Promise<void>;
  /** Resets every connection; new ones pass. */
  cut(): void;
  /** From now on (true) bytes of both directions are swallowed: connections open, nothing answers. Swallowed bytes do not come back. */
  blackHole(on: boolean): void;
  /** From now on (true) bytes are held back in both directions; false lets go of them, in order. A delay that the test ends. */
  hold(on: boolean): void;
  /** From now on what comes passes so much later, in order, in both directions. 0: at once. @throws TypeError when it is negative or no number. */
  delay(ms: number): void;
  /**
   * From now on every connection passes so many bytes a second in each direction, in pieces of a twentieth of that. Infinity: as many as come.
   * @throws TypeError for less than 1.
   */
  throttle(bytesPerSecond: number): void;
  /** From now on (true) new connections are reset at once. */
  refuse(on: boolean): void;
  /** Stops listening and cuts. Idempotent. */
  close(): Promise<void>;
}

export interface TcpProxyOptions {
  /** Of `delay` and `throttle`. Default: that of the process. */
  readonly clock?: Clock;
}

/** Starts one in front of `target` on a free port. `await using proxy = await tcpProxy(upstream)` closes it with its block. */
export async function tcpProxy(
  target: { readonly host: string; readonly port: number },
  { clock = systemClock }: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const pairs = new Map<Socket, Socket>();
  let swallowing = false;
  let holding = false;
  let refusing = false;
  let accepted = 0;
  let received = 0;
  let delayMs = 0;
  let bytesPerSecond = Number.POSITIVE_INFINITY;
  const waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];

  const relay = (from: Socket, to: Socket): void => {
    const line = new Line({ clock, from, to, holds: () => holding, rate: () => bytesPerSecond });
    from.on('data', (data) => {
      if (!swallowing) line.push(data, delayMs);
    });
    from.on('end', () => {
      if (!swallowing) line.push(undefined, delayMs);
    });
    from.on('error', () => reset(to));
    from.on('close', (failed) => {
      if (!failed && !swallowing) line.close();
    });
    if (holding) from.pause();
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    accepted++;
    if (refusing) return reset(client);
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
      reset(client);
      reset(upstream);
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
    get accepted() {
      return accepted;
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
    delay(ms) {
      if (!(ms >= 0 && Number.isFinite(ms))) throw new TypeError(`tcpProxy delay: ${String(ms)} does not fit. Give milliseconds from 0.`);
      delayMs = ms;
    },
    throttle(most) {
      if (!(most >= 1)) throw new TypeError(`tcpProxy throttle: ${String(most)} does not fit. Give bytes a second from 1, or Infinity.`);
      bytesPerSecond = most;
    },
    refuse: (on) => void (refusing = on),
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface LineOptions {
  readonly clock: Clock;
  readonly from: Socket;
  readonly to: Socket;
  readonly holds: () => boolean;
  readonly rate: () => number;
}

/** Pieces of a throttled second. */
const PIECES = 20;
/** Nothing more is read while so much waits. */
const MOST_WAITING = 256 * 1024;

/** One direction of a connection: what waits for its time. */
class Line {
  readonly #options: LineOptions;
  /** `data` undefined: the end. */
  readonly #waiting: { data: Buffer | undefined; readonly due: number }[] = [];
  #bytes = 0;
  #freeAt = 0;
  #pending = false;
  #closing = false;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  push(data: Buffer | undefined, delayMs: number): void {
    this.#waiting.push({ data, due: this.#options.clock.now() + delayMs });
    this.#bytes += data?.length ?? 0;
    if (this.#bytes > MOST_WAITING) this.#options.from.pause();
    this.#pass();
  }

  /** Nothing more comes: the other side is closed after what waits. */
  close(): void {
    this.#closing = true;
    this.#pass();
  }

  #pass(): void {
    if (this.#pending) return;
    const { clock, from, to, holds, rate } = this.#options;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const restMs = Math.max(next.due, this.#freeAt) - clock.now();
      if (restMs > 0) {
        this.#pending = true;
        clock.schedule(restMs, () => {
          this.#pending = false;
          this.#pass();
        });
        return;
      }
      if (next.data === undefined) {
        this.#waiting.shift();
        to.end();
        continue;
      }
      const most = Number.isFinite(rate()) ? Math.max(1, Math.floor(rate() / PIECES)) : next.data.length;
      const piece = next.data.subarray(0, most);
      next.data = next.data.subarray(most);
      if (next.data.length === 0) this.#waiting.shift();
      this.#bytes -= piece.length;
      if (Number.isFinite(rate())) this.#freeAt = clock.now() + (piece.length / rate()) * 1_000;
      to.write(piece);
    }
    if (this.#closing) to.destroySoon();
    else if (!holds()) from.resume();
  }
}
