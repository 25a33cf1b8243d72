import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import express from 'express';
import { createService, del, get, memoryRegistry, silentLogger } from '@ferrule/core';
import type { Service, ServiceOptions } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import { rawConnection, rawRequest, requestBytes } from '@ferrule/testing';

const LOCAL = { host: '127.0.0.1' };

describe('a service on its framework', () => {
  const services: Service[] = [];
  const make = (options: Partial<ServiceOptions> & Pick<ServiceOptions, 'name' | 'adapter'>): Service => {
    const service = createService({ listen: LOCAL, signals: false, logger: silentLogger, drainDelay: 0, ...options });
    services.push(service);
    return service;
  };
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop();
  });

  it('finds another one, calls it, and stops without disturbing it: two services in one process', async () => {
    const registry = memoryRegistry();
    const users = make({ name: 'users', adapter: koaAdapter(), registry, routes: [get('/users/:id', ({ params }) => ({ id: params.id }))] });
    const orders: Service = make({
      name: 'orders',
      adapter: expressAdapter(),
      registry,
      routes: [
        get('/orders/:id', async ({ params }) => ({ id: params.id, user: await orders.client('users').get('/users/:id', { params: { id: '7' } }) })),
      ],
    });
    const [atUsers, atOrders] = await Promise.all([users.start(), orders.start()]);
    expect(await registry.services()).to.deep.equal(['orders', 'users']);
    expect((await rawRequest(atOrders, requestBytes('GET', '/orders/1'))).json()).to.deep.equal({ id: '1', user: { id: '7' } });

    const kept = await rawConnection(atUsers);
    kept.send(requestBytes('GET', '/users/1'));
    await kept.reply();
    await orders.stop();
    expect(await registry.services()).to.deep.equal(['users']);
    kept.send(requestBytes('GET', '/users/2'));
    const reply = await kept.reply();
    expect([reply.status, reply.header('connection')]).to.deep.equal([200, 'keep-alive']);
    kept.destroy();
  });

  for (const [framework, adapter] of [
    ['Express', expressAdapter],
    ['Koa', koaAdapter],
  ] as const) {
    it(`on ${framework}: not ready but serving from the moment it stops, and gone from the registry before it closes`, async () => {
      const registry = memoryRegistry();
      const service = make({ name: 'orders', adapter: adapter(), registry, routes: [get('/x', () => 'x')], drainDelay: '150ms' });
      const address = await service.start();
      const status = async (target: string): Promise<number> => (await rawRequest(address, requestBytes('GET', target))).status;
      expect([await status('/health/ready'), await status('/x')]).to.deep.equal([200, 200]);
      const stopped = service.stop();
      expect([await status('/health/ready'), await status('/health/live'), await status('/x')]).to.deep.equal([503, 200, 200]);
      expect(await registry.services()).to.deep.equal([]);
      await stopped;
      expect(await rawRequest(address, requestBytes('GET', '/x')).catch((error: NodeJS.ErrnoException) => error.code)).to.equal('ECONNREFUSED');
    });
  }

  it('attaches to an app that listens itself: waits for it, leaves its routes, answers health and drains it', async () => {
    const app = express();
    app.use((req, res, next) => void (req.headers.authorization === undefined ? res.sendStatus(401) : next()));
    app.get('/own', (_req, res) => void res.send('own'));
    const server = createServer(app);
    const registry = memoryRegistry();
    const service = createService({
      name: 'legacy',
      adapter: expressAdapter({ app }),
      registry,
      signals: false,
      logger: silentLogger,
      drainDelay: 0,
      routes: [get('/ours', () => 'ours')],
    });
    services.push(service);
    service.attach(server);
    const started = service.start();
    expect(service.state).to.equal('starting');
    server.listen(0, '127.0.0.1');
    const address = await started;
    expect(address.port).to.equal((server.address() as AddressInfo).port);
    const send = async (target: string, headers = {}): Promise<string> => (await rawRequest(address, requestBytes('GET', target, headers))).text;
    const auth = { authorization: 'x' };
    expect([await send('/health'), await send('/own'), await send('/own', auth), await send('/ours', auth)]).to.deep.equal([
      '{"status":"pass"}',
      'Unauthorized',
      'own',
      'ours',
    ]);
    const closed = once(server, 'close');
    await service.stop();
    await closed;
  });

  it('gives up waiting for a server of the app when it is stopped', async () => {
    const service = createService({ name: 'x', adapter: expressAdapter(), signals: false, logger: silentLogger });
    service.attach(createServer());
    const started = service.start().catch((error: unknown) => error);
    await service.stop();
    expect(await started).to.include({ code: 'CANCELLED' });
  });

  it('refuses to attach when it listens itself, or has started', async () => {
    const service = make({ name: 'x', adapter: expressAdapter() });
    expect(() => service.attach(createServer())).to.throw(TypeError, /listen was given/);
    await service.start();
    expect(() => service.attach(createServer())).to.throw(/is ready/);
  });

  it('describes what is in force', async () => {
    const service = make({
      name: 'orders',
      version: '1.0.0',
      id: 'me',
      adapter: expressAdapter(),
      registry: memoryRegistry(),
      routes: [get('/x', { name: 'listX' }, () => 'x'), del('/x/:id', () => undefined)],
      health: { checks: [{ name: 'db', run: () => true }] },
    });
    const address = await service.start();
    service.client('users');
    const { stack, clients, versions, discovery, ...rest } = service.describe();
    expect(rest).to.deep.equal({
      name: 'orders',
      id: 'me',
      degradation: undefined,
      version: '1.0.0',
      state: 'ready',
      address,
      adapter: 'express',
      registry: { kind: 'memory', registered: true },
      faults: [],
      health: { path: '/health', readiness: 'ready', checks: ['db', 'discovery'] },
      routes: [
        { method: 'GET', path: '/x', name: 'listX', chain: stack },
        { method: 'DELETE', path: '/x/:id', name: 'DELETE /x/:id', chain: stack },
      ],
    });
    expect(discovery?.watches).to.equal(0);
    expect(stack.slice(0, 1).concat(stack.filter((name) => name === 'timeout'))).to.deep.equal(['context', 'timeout']);
    expect(Object.keys(versions)).to.deep.equal(['core', 'node', 'express']);
    expect(clients.map(({ service: name }) => name)).to.deep.equal(['users']);
    expect(clients[0]!.stack).to.include('retry');
  });
});
