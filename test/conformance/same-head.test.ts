import { expect } from 'chai';
import { ServiceError, createService, get, silentLogger } from '@ferrule/core';
import { rawConnection, requestBytes } from '@ferrule/testing';
import { subjects } from './subjects.js';

/** What middleware had set for the reply that it meant to give. */
const BEGUN = {
  etag: '"1"',
  'content-encoding': 'br',
  'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
  expires: 'Thu, 01 Jan 2099 00:00:00 GMT',
  vary: 'Origin',
  'x-frame-options': 'DENY',
};

/** Of the cases of one host alone the heads cannot be told to be the same. */
describe('an error at Express and at Koa', () => {
  for (const [path, error, cacheControl = 'public, max-age=9999', kept = false] of [
    ['/ours', new ServiceError('NOT_FOUND', '没有用户', { reason: 'USER_NOT_FOUND', retryAfterMs: 1_000 })],
    ['/before', Object.assign(new Error('pay first'), { status: 402, expose: true, headers: { 'www-authenticate': 'Basic', 'set-cookie': 'a=b' } })],
    ['/ours', new ServiceError('CANCELLED', 'a status that has no words')],
    ['/before', new Error('secret')],
    ['/before', new Error('private'), 'no-store', true],
    ['/nothing', undefined],
  ] as const) {
    it(`has the same status line, header fields and body: ${path} ${error?.message ?? ''}`, async () => {
      const replies = [];
      for (const subject of subjects) {
        const app = subject.createApp();
        app.use((exchange, next) => {
          for (const [name, value] of Object.entries(BEGUN)) exchange.header(name, value);
          exchange.header('cache-control', cacheControl);
          if (exchange.req.url === '/before') throw error;
          return next();
        });
        await using service = createService({
          name: 'stage',
          adapter: subject.createAdapter(app),
          signals: false,
          logger: silentLogger,
          drainDelay: 0,
          listen: { host: '127.0.0.1', port: 0 },
          routes: [get('/ours', () => Promise.reject(error))],
        });
        await service.start();
        const connection = await rawConnection({ host: '127.0.0.1', port: service.address!.port });
        connection.send(requestBytes('GET', path, { 'x-request-id': 'r-1' }));
        const { status, statusText, fields, text } = await connection.reply();
        connection.destroy();
        replies.push({
          status,
          statusText,
          text,
          fields: [...fields].filter(([name]) => name !== 'date').toSorted(([one], [other]) => one.localeCompare(other)),
        });
      }
      expect(replies[0]).to.deep.equal(replies[1]);
      expect(replies[0]?.fields.map(([name]) => name))
        .to.include('x-frame-options')
        .and.not.include('content-encoding')
        .and.not.include('etag')
        .and.not.include('expires');
      expect(replies[0]?.fields.some(([name]) => name === 'cache-control')).to.equal(kept);
    });
  }
});
