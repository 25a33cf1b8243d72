import { expect } from 'chai';
import { createService, defineErrors, errorAggregator, errorMonitor, get, silentLogger } from '@ferrule/core';
import type { ServiceOptions } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';

const base = (more: Partial<ServiceOptions> = {}): ServiceOptions => ({
  name: 'users',
  adapter: expressAdapter(),
  logger: silentLogger,
  listen: { host: '127.0.0.1', port: 0 },
  drainDelay: 0,
  ...more,
});

describe('createService: errorMonitor and catalogues', () => {
  it('counts what routes fail with and what is refused, and closes what counts with the service', async () => {
    let closed = 0;
    const counting = errorMonitor();
    const monitor = { ...counting, close: () => void closed++ };
    const kinds = errorAggregator();
    const service = createService(
      base({
        errorMonitor: [monitor, kinds],
        rateLimit: { limit: 1, per: '1h' },
        routes: [
          get('/users', () => {
            throw new Error('boom');
          }),
        ],
      }),
    );
    expect(service.describe().stack.join()).to.match(/errorMonitor.*errorAggregator.*errors/);
    await service.start();
    const origin = `http://127.0.0.1:${service.address!.port}`;
    for (const status of [500, 429]) expect(await fetch(`${origin}/users`)).to.include({ status });
    const { calls, byCode } = monitor.stats();
    expect([calls, Object.keys(byCode)]).to.deep.equal([2, ['UNKNOWN', 'RESOURCE_EXHAUSTED']]);
    expect(kinds.report()).to.deep.include({ total: 2, byService: Object.assign(Object.create(null), { users: 2 }) as object });
    expect(closed).to.equal(0);
    await service.stop();
    expect(closed).to.equal(1);
  });

  it('refuses catalogues that do not go together, and what is no monitor', () => {
    const users = defineErrors({ GONE: { number: 1, code: 'NOT_FOUND', title: 'Gone' } }, { service: 'users' });
    const orders = defineErrors({ AWAY: { number: 1, code: 'NOT_FOUND', title: 'Away' } }, { service: 'orders' });
    expect(() => createService(base({ catalogues: [users, users] }))).to.not.throw();
    expect(() => createService(base({ catalogues: [users, orders] }))).to.throw(TypeError, /orders AWAY number: 1 is that of users GONE too/);
    expect(() => createService(base({ catalogues: [{}] as never }))).to.throw(TypeError, /\{\} is no catalogue/);
    expect(() => createService(base({ catalogues: users as never }))).to.throw(TypeError, /createService catalogues: .* is no list/);
    expect(() => createService(base({ errorMonitor: {} as never }))).to.throw(TypeError, /createService errorMonitor/);
    const monitor = errorMonitor();
    expect(() => createService(base({ errorMonitor: [monitor, monitor] }))).to.throw(TypeError, /count every error twice/);
  });
});
