import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bulkhead, createService, get, silentLogger } from '@ferrule/core';
import type { ServiceOptions } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';

/** Draws how long one piece of work takes, ms. */
export type ServiceTime = (random: () => number) => number;

export const exponential =
  (meanMs: number): ServiceTime =>
  (random) =>
    -Math.log(1 - random()) * meanMs;

/** One in a hundred takes fifty times as long as the others. */
export const bimodal =
  (meanMs: number): ServiceTime =>
  (random) =>
    (meanMs / 1.49) * (random() < 0.01 ? 50 : 1);

/**
 * The capacity of one server: work waits in the order in which it came until one of `count` workers is free, and is then done to its end, whether
 * or not somebody still waits for it. A timer stands for the work, so that the capacity is count / mean time and not what the machine can.
 */
export class Workers {
  /** 0.3: everything takes 1 / 0.3 times as long. */
  speed = 1;
  readonly #count: number;
  readonly #time: ServiceTime;
  readonly #random: () => number;
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  /** By how much timers were late in all, which the next ones make up for: capacity would be some percent less than it says. */
  #lateMs = 0;

  constructor(count: number, time: ServiceTime, random: () => number) {
    this.#count = count;
    this.#time = time;
    this.#random = random;
  }

  async work(): Promise<void> {
    if (this.#busy === this.#count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy++;
    const wantedMs = this.#time(this.#random) / this.speed;
    const began = performance.now();
    const timerMs = Math.round(wantedMs - this.#lateMs);
    if (timerMs > 0) await new Promise((resolve) => setTimeout(resolve, timerMs));
    this.#lateMs += performance.now() - began - wantedMs;
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy--;
    else next(); // keeps this one's place
  }
}

export interface Served {
  readonly origin: string;
  close(): Promise<void>;
}

/** A server that knows of no deadline: what came is done. */
export async function plainServer(workers: Workers): Promise<Served> {
  const server = createServer((_req, res) => {
    void workers.work().then(() => res.setHeader('content-type', 'application/json').end('{"ok":true}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A service of ours on Express around the same work. */
export async function ourServer(workers: Workers, options: Pick<ServiceOptions, 'concurrencyLimit' | 'limits' | 'wrappers'> = {}): Promise<Served> {
  const service = createService({
    name: 'work',
    adapter: expressAdapter(),
    signals: false,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
    drainDelay: 0,
    drainTimeout: '100ms',
    routes: [
      get('/', async () => {
        await workers.work();
        return { ok: true };
      }),
    ],
    ...options,
  });
  const { port } = await service.start();
  return { origin: `http://127.0.0.1:${port}`, close: () => service.stop() };
}

/** Its queue is a bulkhead's, inside of the timeout: work whose deadline has passed when its turn comes is not begun. */
export function deadlineServer(workers: Workers, count: number): Promise<Served> {
  return ourServer(workers, { wrappers: [bulkhead({ limit: count, queue: 100_000 })] });
}
