import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect } from 'chai';
import Koa from 'koa';
import { createService, get, silentLogger } from '@ferrule/core';
import { koaAdapter, routes } from '@ferrule/koa';
import { rawRequest, requestBytes } from '@ferrule/testing';

describe('a service on an existing Koa app', () => {
  it('attaches to its server: waits for it, leaves its middleware, answers health and drains it', async () => {
    const app = new Koa();
    const service = createService({
      name: 'legacy',
      adapter: koaAdapter({ app }),
      signals: false,
      logger: silentLogger,
      drainDelay: 0,
      routes: [get('/ours', () => 'ours')],
    });
    app.use((ctx, next) => {
      if (ctx.get('authorization') !== '') return next();
      ctx.status = 401;
      ctx.body = 'who?';
    });
    app.use(routes(service));
    app.use((ctx) => {
      if (ctx.path === '/own') ctx.body = 'own';
    });
    const server = createServer(app.callback()).listen(0, '127.0.0.1');
    service.attach(server);
    const address = await service.start();
    const send = async (target: string, headers = {}): Promise<string> => (await rawRequest(address, requestBytes('GET', target, headers))).text;
    const auth = { authorization: 'x' };
    expect([await send('/health/ready'), await send('/own'), await send('/own', auth), await send('/ours', auth)]).to.deep.equal([
      '{"status":"pass"}',
      'who?',
      'own',
      'ours',
    ]);
    const closed = once(server, 'close');
    await service.stop();
    await closed;
  });
});
