import { Agent, request } from 'node:http';
import { orderOf, placedOf, userOf } from './catalogue.js';

/** One request of a shopper and what became of it. */
export interface Visit {
  readonly startedAt: number;
  readonly ms: number;
  /** Absent when the answer was exactly what it had to be. */
  readonly failure?: string;
}

/**
 * Shoppers with a plain node:http client: no retry, keep-alive, `perSecond` requests evenly spread whether or not the
 * earlier ones were answered, every fifth a write with an idempotency key of its own.
 */
export function shoppers(port: number, perSecond: number, onVisit: (visit: Visit) => void): { stop(): Promise<void> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const started = performance.now();
  let sent = 0;
  let open = 0;
  let stopped: (() => void) | undefined;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) / 1_000) * perSecond);
    while (sent < due) visit(++sent);
  }, 4);

  function visit(id: number): void {
    const startedAt = performance.now();
    open++;
    const write = id % 5 === 0;
    const key = `demo-${process.pid}-${id}`;
    const expected = JSON.stringify(write ? placedOf(id, key) : { order: orderOf(id), user: userOf(orderOf(id).userId) });
    const outgoing = request(
      write
        ? { agent, port, host: '127.0.0.1', method: 'POST', path: '/orders', headers: { 'content-type': 'application/json', 'idempotency-key': key } }
        : { agent, port, host: '127.0.0.1', method: 'GET', path: `/checkout/${id}` },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', (error) => done(error.message));
        incoming.on('end', () => {
          const body = Buffer.concat(chunks).toString();
          const right = incoming.statusCode === 200 && body === expected;
          done(right ? undefined : `${incoming.statusCode} ${body.slice(0, 200)}`);
        });
      },
    );
    outgoing.on('error', (error) => done(error.message));
    outgoing.end(write ? JSON.stringify({ id }) : undefined);

    let over = false;
    function done(failure: string | undefined): void {
      if (over) return;
      over = true;
      open--;
      onVisit({
        startedAt,
        ms: performance.now() - startedAt,
        ...(failure === undefined ? {} : { failure: `${write ? 'POST /orders' : `GET /checkout/${id}`}: ${failure}` }),
      });
      if (open === 0) stopped?.();
    }
  }

  return {
    async stop() {
      clearInterval(timer);
      if (open > 0) await new Promise<void>((resolve) => (stopped = resolve));
      agent.destroy();
    },
  };
}
