import { PassThrough, Readable } from 'node:stream';
import { expect } from 'chai';
import { Reply, ServiceError, get } from '@ferrule/core';
import type { Call } from '@ferrule/core';
import { callOf, nativeHandler, track, whenClosed } from '@ferrule/core/adapter';
import { requestBytes } from '@ferrule/testing';
import { bareServers } from './server-fixture.js';

describe('a reply', () => {
  const { serve, close } = bareServers();
  afterEach(close);

  it('may be a web stream or anything that for await reads', async () => {
    async function* pieces(): AsyncGenerator<string> {
      yield 'a';
      yield 'ż';
    }
    const bare = await serve([get('/generator', () => pieces()), get('/web', () => new Blob(['web']).stream())]);
    expect((await bare.ask('GET', '/generator')).text).to.equal('aż');
    expect((await bare.ask('GET', '/web')).text).to.equal('web');
  });

  it('leaves the framing to the server', async () => {
    const lying = get(
      '/x',
      () =>
        new Reply(200, 'four', {
          'content-length': 9,
          'transfer-encoding': 'chunked',
          connection: 'upgrade',
          'keep-alive': 'x',
          upgrade: 'h2c',
          'X-Kept': '1',
        }),
    );
    const reply = await (await serve([lying])).ask('GET', '/x');
    expect([
      reply.text,
      reply.header('content-length'),
      reply.header('transfer-encoding'),
      reply.header('upgrade'),
      reply.header('x-kept'),
    ]).to.deep.equal(['four', '4', undefined, undefined, '1']);
  });

  it('may ask for the connection to be closed', async () => {
    const connection = await (await serve([get('/x', () => new Reply(200, 'x', { connection: 'close' }))])).connect();
    connection.send(requestBytes('GET', '/x'));
    expect((await connection.reply()).header('connection')).to.equal('close');
    await connection.closed;
  });

  it('with a status of its own and nothing in it has an empty body', async () => {
    const reply = await (await serve([get('/x', { status: 202 }, () => undefined)])).ask('GET', '/x');
    expect([reply.status, reply.header('content-length'), reply.text]).to.deep.equal([202, '0', '']);
  });

  const broken: readonly (readonly [string, () => Readable, number | undefined, RegExp])[] = [
    ['gives objects', () => Readable.from([{ a: 1 }]), undefined, /not text or bytes/],
    ['is longer than it said', () => Readable.from([Buffer.from('123')]), 2, /longer than its content-length/],
    ['is shorter than it said', () => Readable.from([Buffer.from('123')]), 5, /its content-length says 5/],
    ['was closed before', () => new PassThrough().destroy(), undefined, /closed before its end/],
    ['fails at once', () => new PassThrough().destroy(new Error('no disk')), undefined, /no disk|closed before/],
  ];
  for (const [what, source, length, message] of broken) {
    it(`breaks off when its stream ${what}, and the reason is reported`, async () => {
      const streaming = get(
        '/x',
        () =>
          new Reply(
            200,
            source().on('error', () => undefined),
            length === undefined ? {} : { 'content-length': length },
          ),
      );
      const bare = await serve([streaming]);
      const connection = await bare.connect();
      connection.send(requestBytes('GET', '/x'));
      const complete = await connection.reply().then(
        (reply) => reply.complete,
        () => false,
      );
      expect(complete).to.equal(false);
      expect(String(bare.reported)).to.match(message);
    });
  }

  it('is counted in bytes, text as UTF-8, and ends its call once', async () => {
    const ends: unknown[] = [];
    const heard = (call: Call): void => {
      call.onAnswered((status) => ends.push(status));
      call.onEnd((end) => ends.push(end));
    };
    const bare = await serve([get('/x', (call) => (heard(call), 'ż'))], { timeout: false });
    const connection = await bare.connect();
    connection.send(requestBytes('GET', '/x'));
    await connection.reply();
    connection.send(requestBytes('HEAD', '/x'));
    await connection.reply('HEAD');
    connection.send(requestBytes('GET', '/none'));
    await connection.reply();
    expect(ends).to.deep.equal([200, { kind: 'done', bytes: 2 }, 200, { kind: 'done', bytes: 0 }]);
  });

  it('of a mapper that cannot be sent is a problem about that', async () => {
    const bare = await serve([get('/x', () => Promise.reject(new Error('x')))], { errors: [{ toReply: () => new Reply(418, { big: 1n }) }] });
    const reply = await bare.ask('GET', '/x');
    expect([reply.status, (reply.json() as { code: string }).code]).to.deep.equal([500, 'UNKNOWN']);
  });

  it('logs the error behind a 5xx, and neither a 4xx nor a timeout', async () => {
    const logged: unknown[] = [];
    const nothing = (): void => undefined;
    const logger = {
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: (fields: object) => void logged.push((fields as { operation: unknown }).operation),
    };
    const failing = (path: string, error: Error) => get(path, () => Promise.reject(error));
    const bare = await serve(
      [
        failing('/500', new Error('x')),
        failing('/404', new ServiceError('NOT_FOUND', 'x')),
        failing('/504', new ServiceError('DEADLINE_EXCEEDED', 'x', { reason: 'TIMEOUT' })),
        get('/1n', () => 1n),
      ],
      { logger },
    );
    for (const path of ['/500', '/404', '/504', '/1n']) await bare.ask('GET', path);
    expect(logged).to.deep.equal(['GET /500', 'GET /1n']);
  });

  it('comes from a wrapper that throws in place of returning a promise, too', async () => {
    const careless = get(
      '/x',
      () => () => {
        throw new ServiceError('ABORTED', 'sync');
      },
      () => 'never',
    );
    expect((await (await serve([careless])).ask('GET', '/x')).status).to.equal(409);
  });
});

describe('the life of a response', () => {
  const { serve, close } = bareServers();
  afterEach(close);

  it('ends every call that had it, then tells the host', async () => {
    const order: string[] = [];
    let res: Parameters<typeof track>[0] | undefined;
    const taken = get('/x', (call) => {
      call.onEnd(({ kind }) => order.push(`first ${kind}`));
      return nativeHandler((exchange) => {
        res = exchange.res;
        const second = call.branch();
        second.onEnd(({ kind }) => order.push(`second ${kind}`));
        track(res, second);
        whenClosed(res, () => order.push('host'));
        whenClosed(res, () => order.push('another host'));
        order.push(String(callOf(res) === second));
        res.end('x');
      })(call);
    });
    const connection = await (await serve([taken], { timeout: false })).connect();
    connection.send(requestBytes('GET', '/x'));
    await connection.reply();
    connection.send(requestBytes('GET', '/none'));
    await connection.reply();
    expect(order).to.deep.equal(['true', 'second done', 'first done', 'host', 'another host']);
  });
});
