import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { adaptiveScore, client, createService, fromConfig, roundRobin, silentLogger, staticRegistry } from '@ferrule/core';
import type { ClientOptions } from '@ferrule/core';
import { manualClock, seededRandom } from '@ferrule/testing';
import { expressAdapter } from '@ferrule/express';

describe('the adaptive score of a client', () => {
  const open: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  /** A server with that status, and how often it was asked. */
  async function answering(status: number): Promise<{ origin: string; asked: number; status: number }> {
    const upstream = { origin: '', asked: 0, status };
    const server = createServer((_, response) => {
      upstream.asked++;
      response.writeHead(upstream.status).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(() => {
      server.closeAllConnections();
      server.close();
    });
    upstream.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return upstream;
  }

  const options: ClientOptions = {
    balancer: roundRobin({ random: seededRandom(1) }),
    ejector: false,
    retry: false,
    adaptiveScore: { sampleSize: 4 },
  };
  const asks = async (orders: { get(path: string): Promise<unknown> }, times: number): Promise<void> => {
    for (let count = 0; count < times; count++) await orders.get('/').catch(() => undefined);
  };

  it('keeps calls from a critical instance, and gives it another chance after a window', async () => {
    const clock = manualClock();
    const [good, bad] = [await answering(200), await answering(500)];
    const orders = client('orders', { ...options, clock, registry: staticRegistry({ orders: [good.origin, bad.origin] }) });
    open.push(() => orders[Symbol.asyncDispose]());
    await asks(orders, 20);
    expect(bad.asked).to.equal(4);
    const stateOf = (at: string): unknown => orders.endpoints().find(({ origin }) => origin === at)?.state;
    expect([stateOf(good.origin), stateOf(bad.origin)]).to.deep.equal(['ready', 'failing']);
    expect(orders.describe()).to.include('adaptiveScore');
    expect(orders.policies().find(({ name }) => name === 'adaptiveScore')?.stats).to.include({ requests: 20, failing: 1 });
    bad.status = 200;
    await clock.advance(60_000);
    await asks(orders, 4);
    expect(bad.asked).to.be.above(4);
  });

  it('is turned on by a configuration', async () => {
    const [good, bad] = [await answering(200), await answering(500)];
    await using parts = await fromConfig(
      {
        clients: {
          orders: { balancer: 'round-robin', ejector: false, retry: false, adaptiveScore: { sampleSize: 4, thresholds: { latency: '1s' } } },
        },
      },
      { env: {} },
    );
    const orders = client('orders', { ...parts.clientOptions('orders'), registry: staticRegistry({ orders: [good.origin, bad.origin] }) });
    open.push(() => orders[Symbol.asyncDispose]());
    await asks(orders, 20);
    expect(bad.asked).to.equal(4);
    expect(orders.score!.stats()).to.include({ failing: 1 });
  });

  it('panics rather than leaving nobody: with all critical, all are called', async () => {
    const all = [await answering(500), await answering(500)];
    const orders = client('orders', { ...options, clock: manualClock(), registry: staticRegistry({ orders: all.map(({ origin }) => origin) }) });
    open.push(() => orders[Symbol.asyncDispose]());
    await asks(orders, 20);
    expect(orders.endpoints().every(({ state }) => state === 'failing')).to.equal(true);
    expect(all[0]!.asked + all[1]!.asked).to.equal(20);
    expect(orders.score!.level).to.equal('critical');
  });

  it('is a warning of the service that calls, which stays ready and alive, and is gone with it', async () => {
    const bad = await answering(500);
    const service = createService({
      name: 'shop',
      adapter: expressAdapter(),
      registry: staticRegistry({ orders: [bad.origin] }),
      advertise: { host: '127.0.0.1' },
      signals: false,
      logger: silentLogger,
      clients: options,
    });
    open.push(() => service.stop());
    await asks(service.client('orders'), 5);
    expect(service.monitor.checks).to.deep.equal(['discovery', 'score of orders']);
    const report = (await service.monitor.ask('ready')).find(({ name }) => name === 'score of orders');
    expect(report).to.include({ status: 'warn', output: 'critical' });
    await service.stop();
    expect(service.monitor.checks).to.deep.equal([]);
  });

  it('refuses what is no score, and one of another service', () => {
    const registry = staticRegistry({ orders: ['http://127.0.0.1:1'] });
    for (const [given, message] of [
      [3, 'client "orders" adaptiveScore: 3 has no healthOf(). Give'],
      [() => {}, 'adaptiveScore'],
      [{ sampleSize: 0 }, 'adaptiveScore sampleSize: 0'],
      [adaptiveScore({ service: 'users' }), 'it was made for "users". Give one with service: "orders"'],
    ] as const)
      expect(() => client('orders', { registry, adaptiveScore: given as never }), message).to.throw(TypeError, message);
  });
});
