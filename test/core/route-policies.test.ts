import { expect } from 'chai';
import { Controller, Get, Timeout, bulkhead, createService, fromConfig, get, loadConfig, retry, timeout } from '@ferrule/core';
import type { ConfigError, Configuration, Route, RoutePolicies, Service, ServiceOptions, Wrapper } from '@ferrule/core';
import { named } from '@ferrule/core/adapter';

import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';

const passing: Wrapper = named({ name: 'auth' }, (next) => next);
const ok = (): string => 'ok';

function serviceOf(routePolicies: Readonly<Record<string, RoutePolicies>>, routes: readonly Route[], more: Partial<ServiceOptions> = {}): Service {
  return createService({ name: 'orders', adapter: expressAdapter(), signals: false, routes, routePolicies, ...more });
}

/** What stands around the first route beyond the service's own. */
function ownChain(service: Service, index = 0): readonly string[] {
  const { stack, routes } = service.describe();
  return routes[index]!.chain.filter((name) => !stack.includes(name) || name === 'timeout').slice(1);
}

describe('policies of single routes', () => {
  for (const [host, adapter] of [
    ['express', expressAdapter],
    ['koa', koaAdapter],
  ] as const) {
    it(`are in force on ${host}, from a configuration`, async () => {
      let release = (): void => {};
      const held = new Promise<void>((resolve) => (release = resolve));
      let entered = (): void => {};
      const inside = new Promise<void>((resolve) => (entered = resolve));
      await using parts = await fromConfig(
        {
          service: { name: 'orders', listen: { host: '127.0.0.1', port: 0 }, signals: false, routePolicies: { 'GET /orders/:id': { bulkhead: 1 } } },
        },
        { env: {} },
      );
      await using service = createService({
        ...parts.service,
        adapter: adapter(),
        routes: [get('/orders/:id', async () => (entered(), await held, 'ok')), get('/free', ok)],
      });
      const { port } = await service.start();
      const first = fetch(`http://127.0.0.1:${port}/orders/1`);
      await inside;
      const second = await fetch(`http://127.0.0.1:${port}/orders/2`);
      expect(second.status).to.equal(503);
      await second.text();
      const other = await fetch(`http://127.0.0.1:${port}/free`);
      expect(await other.text()).to.equal('ok');
      release();
      expect(await (await first).text()).to.equal('ok');
      expect(service.describe().routes.map(({ chain }) => chain.includes('bulkhead'))).to.deep.equal([true, false]);
    });
  }

  it('stand next to the handler, in the one order of policies', () => {
    const service = serviceOf({ 'GET /': { bulkhead: 3, replyCache: true, timeout: '1s', rateLimit: { limit: 5 }, concurrencyLimit: true } }, [
      get('/', passing, retry(), ok),
    ]);
    expect(ownChain(service)).to.deep.equal(['auth', 'replyCache', 'timeout', 'rateLimit', 'bulkhead', 'concurrencyLimit', 'retry']);
  });

  it('take the place of those of their kind, and false takes these away', () => {
    const route = get('/', timeout('2s'), bulkhead(7), ok);
    expect(ownChain(serviceOf({ 'GET /': { bulkhead: 3 } }, [route]))).to.deep.equal(['timeout', 'bulkhead']);
    expect(ownChain(serviceOf({ 'GET /': { bulkhead: false, timeout: '1s' } }, [route]))).to.deep.equal(['timeout']);
    expect(ownChain(serviceOf({ 'GET /': { bulkhead: false, timeout: false } }, [route]))).to.deep.equal([]);
  });

  it('are those of controllers too, by the name of the operation', () => {
    @Controller('/things')
    @Timeout('9s')
    class Things {
      @Get('/', { name: 'list' })
      list(): string {
        return 'ok';
      }
    }
    const service = serviceOf({ list: { timeout: '1s', bulkhead: 2 } }, [], { controllers: [Things] });
    expect(ownChain(service)).to.deep.equal(['timeout', 'bulkhead']);
  });

  it('refuse what cannot be meant', () => {
    const routes = [get('/orders/:id', ok), get('/', { name: 'root' }, ok)];
    expect(() => serviceOf({ 'GET /order/:id': {} }, routes)).to.throw(
      TypeError,
      'routePolicies["GET /order/:id"]: there is no such route. Did you mean GET /orders/:id? There are GET /orders/:id, GET /, root.',
    );
    expect(() => serviceOf({ 'GET /': { bulkhead: 1 }, root: { bulkhead: 2 } }, routes)).to.throw('has policies under its other name too');
    expect(() => serviceOf({ 'GET /': { timeout: '31s' } }, routes)).to.throw('longer than the timeout of the service, 30000 ms');
    expect(() => serviceOf({ 'GET /': { bulkhead: 0 } }, routes)).to.throw(TypeError, /^routePolicies\["GET \/"\]\.bulkhead: /);
    expect(() => serviceOf({ 'GET /': { bulkhed: 1 } as object }, routes)).to.throw('bulkhed');
    expect(() => serviceOf([] as never, routes)).to.throw('createService routePolicies');
  });

  it('are located by their path in a configuration, whatever the route is called', async () => {
    const source = {
      service: {
        name: 'orders',
        routePolicies: {
          'GET /auth/token': { bulkhead: -4, timeuot: 1 },
          'GET /x': { rateLimit: { limit: 5, burst: 2, algorithm: 'sliding-window' } },
        },
      },
    };
    const { problems } = await loadConfig(source as Configuration, { env: {} }).then(
      () => expect.fail('it was taken'),
      (error: ConfigError) => error,
    );
    expect(problems.map(({ path }) => path)).to.deep.equal([
      'service.routePolicies["GET /auth/token"].bulkhead',
      'service.routePolicies["GET /auth/token"].timeuot',
      'service.routePolicies["GET /x"].rateLimit',
    ]);
    expect(problems[0]!.message).to.include('-4');
  });
});
