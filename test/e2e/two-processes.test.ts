import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { rawConnection, rawRequest, requestBytes } from '@ferrule/testing';
import { SCRIPT, sharedDirectory } from './shared-directory.js';

/** A service in a process of its own. */
interface Peer {
  readonly pid: number;
  readonly port: number;
  readonly host: string;
  /** Exit code and signal, once it has ended. */
  readonly exit: Promise<readonly [number | null, NodeJS.Signals | null]>;
  kill(signal: NodeJS.Signals): void;
}

interface Order {
  readonly id: string;
  readonly pid: number;
}

/** What a client without retries got: who answered, and every reply that was not what it asked for. */
interface Traffic {
  readonly answered: Map<number, number>;
  readonly failures: string[];
  /** Resolves when so many more requests have been answered. */
  more(count: number): Promise<void>;
  stop(): Promise<void>;
}

describe('services in several processes that know each other by a directory alone', function () {
  this.timeout(30_000);
  const directory = sharedDirectory();

  async function start(name: 'orders' | 'gateway', framework: 'express' | 'koa'): Promise<Peer> {
    const child = directory.own(spawn(process.execPath, [SCRIPT, name, framework, directory.path], { stdio: ['pipe', 'pipe', 'pipe'] }));
    let complaints = '';
    child.stderr.on('data', (text: Buffer) => (complaints += text.toString()));
    const exit = once(child, 'exit').then(([code, signal]) => [code as number | null, signal as NodeJS.Signals | null] as const);
    const lines = createInterface(child.stdout);
    const said = await Promise.race([
      once(lines, 'line'),
      exit.then(([code]) => Promise.reject(new Error(`${name} ended with ${String(code)} before it was up: ${complaints}`))),
    ]);
    const port = Number(/^up (\d+)$/.exec(said[0] as string)![1]);
    return { pid: child.pid!, host: '127.0.0.1', port, exit, kill: (signal) => void child.kill(signal) };
  }

  /** Sixteen connections to the gateway, each with a request under way all the time; every fifth is a write. */
  function traffic(gateway: Peer): Traffic {
    const answered = new Map<number, number>();
    const failures: string[] = [];
    const waiting: { left: number; readonly resolve: () => void }[] = [];
    let going = true;
    let sent = 0;

    const client = async (): Promise<void> => {
      const connection = await rawConnection(gateway);
      while (going) {
        const id = String(++sent);
        const writes = sent % 5 === 0;
        connection.send(
          writes
            ? requestBytes('POST', '/orders', { 'content-type': 'application/json' }, JSON.stringify({ id }))
            : requestBytes('GET', `/orders/${id}`),
        );
        const reply = await connection.reply();
        const order = reply.status < 300 ? (reply.json() as Order) : undefined;
        if (order?.id !== id || reply.status !== (writes ? 201 : 200))
          failures.push(`${writes ? 'POST' : 'GET'} ${id}: ${reply.status} ${reply.text}`);
        else answered.set(order.pid, (answered.get(order.pid) ?? 0) + 1);
        for (const one of waiting) if (--one.left === 0) one.resolve();
      }
      connection.destroy();
    };
    const clients = Promise.all(Array.from({ length: 16 }, client));

    return {
      answered,
      failures,
      more: (count) => Promise.race([new Promise<void>((resolve) => waiting.push({ left: count, resolve })), clients.then(() => {})]),
      async stop() {
        going = false;
        await clients;
      },
    };
  }

  it('a client in one process finds the service of another, whatever framework either runs on', async () => {
    const [orders, gateway] = await Promise.all([start('orders', 'koa'), start('gateway', 'express')]);
    const reply = await rawRequest(gateway, requestBytes('GET', '/orders/a%2Fb'));
    expect([reply.status, reply.json()]).to.deep.equal([200, { id: 'a/b', pid: orders.pid }]);
  });

  it('an instance that is killed under traffic costs no request', async () => {
    const [victim, survivor, gateway] = await Promise.all([start('orders', 'express'), start('orders', 'koa'), start('gateway', 'koa')]);
    const load = traffic(gateway);
    await load.more(200);
    victim.kill('SIGKILL');
    await victim.exit;
    await load.more(400);
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    expect(load.answered.get(victim.pid), 'requests that the victim answered before').to.be.above(0);
    expect(load.answered.get(survivor.pid)).to.be.above(400);
  });

  it('an instance that is stopped in order under traffic costs no request, and one that joins takes its share', async () => {
    const [leaving, staying, gateway] = await Promise.all([start('orders', 'koa'), start('orders', 'express'), start('gateway', 'express')]);
    const load = traffic(gateway);
    await load.more(200);
    const joining = await start('orders', 'express');
    leaving.kill('SIGTERM');
    expect(await leaving.exit).to.deep.equal([0, null]);
    const before = load.answered.get(leaving.pid);
    await load.more(200);
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    expect(load.answered.get(leaving.pid)).to.equal(before);
    for (const { pid } of [staying, joining]) expect(load.answered.get(pid)).to.be.above(0);
  });

  it('with nobody left the gateway says 503 at once, and it finds one that comes later', async () => {
    const gateway = await start('gateway', 'express');
    const nobody = await rawRequest(gateway, requestBytes('GET', '/orders/1'));
    expect([nobody.status, nobody.header('content-type')]).to.deep.equal([503, 'application/problem+json']);
    const orders = await start('orders', 'express');
    let reply = await rawRequest(gateway, requestBytes('GET', '/orders/1'));
    while (reply.status === 503) reply = await rawRequest(gateway, requestBytes('GET', '/orders/1'));
    expect(reply.json()).to.deep.equal({ id: '1', pid: orders.pid });
  });
});
