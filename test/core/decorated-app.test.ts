import { expect } from 'chai';
import { Container } from 'inversify';
import { createService, coreModule, load } from '@ferrule/core/di';
import { memoryRegistry, silentLogger } from '@ferrule/core';
import type { Service } from '@ferrule/core';
import { expressModule } from '@ferrule/express';
import { koaModule } from '@ferrule/koa';
import { rawRequest, requestBytes } from '@ferrule/testing';
import type { RawReply } from '@ferrule/testing';
type App = typeof import('../decorators/app.js');

/** One source, compiled by two projects. */
const compiled = async (project: string): Promise<App> =>
  (await import(new URL(`../../${project}/dist/decorators/app.js`, import.meta.url).href)) as App;
const [standard, legacy] = [await compiled('decorators-standard'), await compiled('decorators-legacy')];

const LOCAL = { listen: { host: '127.0.0.1' }, signals: false, drainDelay: 0, logger: silentLogger } as const;
const JSON_TYPE = { 'content-type': 'application/json' };

/** The one suite: the same application under both kinds of decorators, on both frameworks. */
for (const [kind, app] of [
  ['standard', standard],
  ['legacy', legacy],
] as const) {
  for (const [framework, frameworkModule] of [
    ['Express', expressModule],
    ['Koa', koaModule],
  ] as const) {
    describe(`a decorated application, ${kind} decorators, on ${framework}`, () => {
      const services: Service[] = [];
      let orders: Service;
      let container: Container;
      const ask = async (method: string, target: string, body?: unknown, headers: Record<string, string> = {}): Promise<RawReply> =>
        rawRequest(
          orders.address!,
          body === undefined
            ? requestBytes(method, target, headers)
            : requestBytes(method, target, { ...JSON_TYPE, ...headers }, JSON.stringify(body)),
        );
      const errorsOf = (reply: RawReply): unknown => (reply.json() as { errors?: unknown }).errors;

      beforeEach(async () => {
        const parent = load(new Container(), coreModule({ ...LOCAL, registry: memoryRegistry() }));
        const prices = createService(load(new Container({ parent }), coreModule({ name: 'prices', controllers: [app.Prices] }), frameworkModule()));
        container = load(
          new Container({ parent }),
          coreModule({ name: 'orders', controllers: [app.Orders], remotes: [app.PricesClient], providers: [app.Store, app.Audit] }),
          frameworkModule(),
        );
        orders = createService(container);
        services.push(prices, orders);
        await Promise.all([prices.start(), orders.start()]);
      });
      afterEach(async () => {
        for (const service of services.splice(0)) await service.stop();
      });

      it('hands typed arguments to its methods', async () => {
        expect((await ask('GET', '/orders/1')).json()).to.deep.equal({ id: 1, item: 'screw', amount: 100 });
        expect((await ask('GET', '/orders/1', undefined, { 'X-Shout': 'true' })).json()).to.include({ item: 'SCREW' });
        expect((await ask('PATCH', '/orders/1', { item: 'nail' })).json()).to.deep.equal({
          id: 1,
          item: 'nail',
          amount: 100,
          by: 'PATCH /orders/:id',
        });
        expect((await ask('GET', '/orders/7/call')).json()).to.deep.equal({ id: '7', method: 'GET' });
      });

      it('answers with the status that was said, 204 for undefined and 200 for a POST', async () => {
        const made = await ask('POST', '/orders', { item: 'bolt', amount: 2 });
        expect([made.status, made.json()]).to.deep.equal([201, { item: 'bolt', amount: 2, id: 2 }]);
        expect((await ask('POST', '/orders/1/copies')).status).to.equal(200);
        const gone = await ask('DELETE', '/orders/2');
        expect([gone.status, gone.text]).to.deep.equal([204, '']);
      });

      it('serves HEAD and OPTIONS', async () => {
        const head = await ask('HEAD', '/orders/1');
        expect([head.status, head.header('x-item')]).to.deep.equal([200, 'screw']);
        const options = await ask('OPTIONS', '/orders/anything');
        expect([options.status, options.header('allow')]).to.deep.equal([204, 'GET']);
      });

      it('inherits routes, and calls what a derived class made of them', async () => {
        expect((await ask('GET', '/orders/size')).json()).to.equal(1);
      });

      it('answers 400 with a pointer to each value that does not fit (zod, valibot, conversions)', async () => {
        const created = await ask('POST', '/orders', { item: '', amount: -1 });
        expect(created.status).to.equal(400);
        expect(created.json()).to.include({ code: 'INVALID_ARGUMENT', reason: 'VALIDATION_FAILED' });
        expect((errorsOf(created) as { pointer: string }[]).map(({ pointer }) => pointer)).to.deep.equal(['#/item', '#/amount']);

        const changed = await ask('PUT', '/orders/x', { amount: 0 });
        expect((errorsOf(changed) as { pointer: string }[]).map(({ pointer }) => pointer)).to.deep.equal(['#/params/id', '#/amount']);
        expect(errorsOf(await ask('GET', '/orders?limit=99'))).to.have.nested.property('[0].pointer', '#/query/limit');
        expect(errorsOf(await ask('GET', '/orders/1', undefined, { 'x-shout': 'loud' }))).to.deep.equal([
          { pointer: '#/headers/x-shout', detail: 'must be true or false' },
        ]);
        expect((await ask('POST', '/orders')).status).to.equal(400);
      });

      it('hands on what a schema made of the input', async () => {
        expect((await ask('GET', '/orders?limit=5&tag=a&tag=b')).json()).to.deep.equal({ page: { limit: 5, tag: ['a', 'b'] } });
        expect((await ask('GET', '/orders')).json()).to.deep.equal({ page: { limit: 10 } });
        expect((await ask('PUT', '/orders/1', { amount: 5 })).json()).to.include({ amount: 5 });
      });

      it('maps errors by their class', async () => {
        const reply = await ask('GET', '/orders/9');
        expect([reply.status, reply.json()]).to.have.nested.property('[1].reason', 'NO_SUCH_ORDER');
        expect(reply.status).to.equal(404);
      });

      it('nests policies in the one order, whatever order they were written in', async () => {
        const described = orders.describe().routes.find(({ path }) => path === '/orders/flaky/:kind')!;
        expect(described.chain.slice(-6)).to.deep.equal(['mapError(NoSuchOrder)', 'Audited', 'fallback', 'timeout', 'bulkhead', 'retry']);
        expect((await ask('GET', '/orders/flaky/once')).json()).to.deep.equal({ tries: 2 });
        expect((await ask('GET', '/orders/flaky/never')).json()).to.deep.equal({ instead: 'try 5' });
      });

      it('has a policy of the class where the method has none of its kind', () => {
        const described = orders.describe().routes.find(({ path, method }) => path === '/orders/:id' && method === 'GET')!;
        expect(described.chain.slice(-3)).to.deep.equal(['mapError(NoSuchOrder)', 'Audited', 'timeout']);
      });

      it('has wrappers that the container made, with parts of it', async () => {
        await ask('GET', '/orders/1');
        expect(container.get(app.Audit).seen).to.deep.equal(['GET /orders/:id']);
      });

      it('calls another service through an injected client', async () => {
        expect((await ask('GET', '/orders/1/total')).json()).to.deep.equal({ total: 200 });
        expect(orders.describe().clients.map(({ service }) => service)).to.deep.equal(['prices']);
        expect(container.get(app.PricesClient)).to.be.instanceOf(app.PricesClient);
      });

      it('validates one contract on both sides', async () => {
        const { price, raw } = container.get(app.PricesClient);
        expect(await price({ params: { item: 'screw' }, query: { amount: 2 } })).to.deep.equal({ item: 'screw', total: 4 });
        const failures = await Promise.allSettled([
          price({ params: { item: 'x' }, query: { amount: 1 } }),
          price({ params: { item: 'nothing' }, query: { amount: 1 } }),
          raw({ params: { item: 'broken' }, query: { amount: 1 } }),
        ]);
        expect(failures.map((one) => (one.status === 'rejected' ? (one.reason as { status: number }).status : 'none'))).to.deep.equal([
          400, 404, 500,
        ]);
      });

      it('is ready when its checked methods say so', async () => {
        expect(orders.monitor.checks).to.include('store');
        expect((await ask('GET', '/health/ready')).status).to.equal(200);
        await ask('DELETE', '/orders/1');
        expect((await ask('GET', '/health/ready')).status).to.equal(503);
      });

      it('answers 404 and 405 as functional routes do', async () => {
        expect((await ask('GET', '/nowhere')).status).to.equal(404);
        const reply = await ask('PUT', '/orders');
        expect([reply.status, reply.header('allow')]).to.deep.equal([405, 'GET, HEAD, POST']);
      });

      it('has no other metadata after use than before', () => {
        const again = createService(load(new Container({ parent: container }), coreModule({ name: 'again' }), frameworkModule()));
        expect(again.describe().routes).to.deep.equal(orders.describe().routes);
      });
    });
  }
}
