import { expect } from 'chai';
import { ConfigError, ServiceError, createService, fromConfig, get, isRemoteError, silentLogger } from '@ferrule/core';
import type { ConfigSource } from '@ferrule/core';
import { expressAdapter, problemErrors as expressErrors } from '@ferrule/express';
import { problemErrors as koaErrors } from '@ferrule/koa';

const opened = (source: unknown) => fromConfig(source as ConfigSource, { env: {}, logger: silentLogger });
const local = { listen: { host: '127.0.0.1', port: 0 }, signals: false, drainDelay: 0 } as const;

describe('a configuration of errors', () => {
  it('says how a service answers them, and what a client makes of them', async () => {
    await using behind = createService({
      name: 'users',
      adapter: expressAdapter(),
      logger: silentLogger,
      ...local,
      routes: [get('/users/:id', () => Promise.reject(new ServiceError('NOT_FOUND', 'No user 42', { number: 10001 })))],
    });
    await behind.start();
    const { port } = behind.address!;
    await using parts = await opened({
      service: { name: 'orders', ...local, errorReplies: { format: 'micro', challenge: 'Bearer' } },
      direct: { services: { users: `127.0.0.1:${port}` } },
      clients: { users: { retry: false, toOwn: { 404: 'NOT_FOUND', '5xx': 'pass' } } },
    });
    const users = parts.client('users');
    const service = createService({
      ...parts.service,
      adapter: expressAdapter(),
      routes: [get('/who', () => Promise.reject(new ServiceError('UNAUTHENTICATED', 'Who are you?'))), get('/through', () => users.get('/users/42'))],
    });
    await service.start();
    try {
      const ask = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${service.address!.port}${path}`);
      const who = await ask('/who');
      expect(who.headers.get('www-authenticate')).to.equal('Bearer');
      expect(await who.json()).to.deep.equal({ id: 'orders', code: 401, detail: 'Who are you?', status: 'Unauthorized' });
      expect(await (await ask('/through')).json()).to.deep.equal({ id: 'orders', code: 404, detail: 'Not Found', status: 'Not Found' });
      const failure: unknown = await users.get('/users/42').catch((error: unknown) => error);
      expect(isRemoteError(failure) && failure.number).to.equal(10001);
    } finally {
      await service.stop();
    }
  });

  const bad: readonly (readonly [object, RegExp])[] = [
    [{ service: { errorReplies: { format: 'xml' } } }, /service\.errorReplies\.format/],
    [{ service: { errorReplies: { show: ['password'] } } }, /service\.errorReplies\.show/],
    [{ clients: { users: { toOwn: { 200: 'NOT_FOUND' } } } }, /toOwn/],
    [{ clients: { users: { toOwn: { 404: 'GONE' } } } }, /toOwn/],
  ];
  for (const [source, message] of bad) {
    it(`refuses ${JSON.stringify(source)}`, async () => {
      const failure: unknown = await opened(source).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(ConfigError);
      expect((failure as Error).message).to.match(message);
    });
  }

  it('has the same options for an app without a service, and says what is wrong with them', () => {
    for (const problemErrors of [expressErrors, koaErrors]) {
      problemErrors({ format: 'plain', challenge: 'Bearer', show: ['requestId'], translate: () => undefined, logger: silentLogger });
      expect(() => problemErrors({ format: 'xml' as never })).to.throw(TypeError, /problemErrors format/);
    }
    const createWith = (errorReplies: object) => () => createService({ name: 'x', adapter: expressAdapter(), errorReplies });
    expect(createWith({ challenge: 'Bearer\n' })).to.throw(TypeError, /createService errorReplies challenge/);
  });
});
