import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PassThrough, Transform } from 'node:stream';
import { expect } from 'chai';
import Koa from 'koa';
import request from 'supertest';
import { Reply, ServiceError, createService, get, monitor, post, retry, silentLogger, timeout } from '@ferrule/core';
import type { Service, ServiceOptions } from '@ferrule/core';
import { EXCHANGE } from '@ferrule/core/adapter';
import { handle, healthRoutes, koaAdapter, native, problemErrors, routes } from '@ferrule/koa';
import { manualClock, rawConnection, rawRequest, requestBytes } from '@ferrule/testing';

const boom = get('/boom', () => Promise.reject(new Error('hunter2')));

describe('the Koa adapter', () => {
  const services: Service[] = [];
  const make = (options: Partial<ServiceOptions>, app?: Koa): Service => {
    const service = createService({
      name: 'shop',
      adapter: koaAdapter(app === undefined ? {} : { app }),
      signals: false,
      logger: silentLogger,
      drainDelay: 0,
      listen: { host: '127.0.0.1' },
      ...options,
    });
    services.push(service);
    return service;
  };
  /** An app whose errors are noted. */
  const noted = (): { app: Koa; errors: unknown[] } => {
    const app = new Koa();
    const errors: unknown[] = [];
    app.on('error', (error: unknown) => errors.push(error));
    return { app, errors };
  };
  const at = async (service: Service) => {
    const { host, port } = await service.start();
    return request(`http://${host}:${port}`);
  };
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop();
  });

  it('keeps what a wrapper has set on the context, but for what an error does away with, in an app of its own too', async () => {
    const fails = get('/fails', () => Promise.reject(new Error('hunter2')));
    const gives = get('/gives', () => new Reply(201, { id: 1 }, { 'set-cookie': 'b=2' }));
    const spoils: ServiceOptions['wrappers'] = [
      (next) => (call) => {
        const ctx = call.values.get(EXCHANGE)!.native as Koa.Context;
        ctx.status = 202;
        ctx.set({ 'content-encoding': 'gzip', 'set-cookie': ['a=1'], 'x-kept': 'yes' });
        return next(call);
      },
    ];
    for (const app of [undefined, new Koa()]) {
      const { host, port } = await make({ routes: [fails, gives], wrappers: spoils }, app).start();
      const failed = await rawRequest({ host, port }, requestBytes('GET', '/fails'));
      expect([failed.status, failed.statusText]).to.deep.equal([500, 'Internal Server Error']);
      expect([failed.header('content-type'), failed.header('x-kept'), failed.header('content-encoding')]).to.deep.equal([
        'application/problem+json',
        'yes',
        undefined,
      ]);
      const given = await rawRequest({ host, port }, requestBytes('GET', '/gives'));
      expect([given.status, given.statusText]).to.deep.equal([201, 'Created']);
      expect(given.fields.get('set-cookie')).to.deep.equal(['a=1', 'b=2']);
    }
  });

  it('matches below a prefix that is taken off the path, and says 405 for what is known there', async () => {
    const app = new Koa();
    const service = make({ routes: [get('/users/:id', ({ params }) => params)] }, app);
    const inner = routes(service);
    app.use(async (ctx, next) => {
      if (!ctx.path.startsWith('/api/')) return void (await next());
      const before = ctx.path;
      ctx.path = before.slice('/api'.length);
      await inner(ctx, async () => {
        ctx.path = before;
        await next();
        ctx.path = before.slice('/api'.length);
      });
      ctx.path = before;
    });
    const shop = await at(service);
    await shop.get('/api/users/7').expect(200, { id: '7' });
    await shop.delete('/api/users/7').expect(405).expect('allow', 'GET, HEAD');
    await shop.get('/users/7').expect(404);
  });

  it('lets middleware around see status, type, length and body, and change them', async () => {
    const app = new Koa();
    const seen: unknown[] = [];
    app.use(async (ctx, next) => {
      await next();
      seen.push([ctx.status, ctx.type, ctx.length, ctx.body]);
      if (typeof ctx.body === 'string') ctx.body = ctx.body.toUpperCase();
      else if (ctx.body instanceof PassThrough)
        ctx.body = ctx.body.pipe(new Transform({ transform: (chunk: Buffer, _encoding, done) => done(null, String(chunk).toUpperCase()) }));
    });
    const source = new PassThrough();
    source.end('stream');
    const shop = await at(
      make(
        {
          routes: [
            get('/json', { status: 201 }, () => ({ a: 'b' })),
            get('/stream', () => new Reply(200, source, { 'content-type': 'text/plain' })),
            get('/none', () => undefined),
          ],
        },
        app,
      ),
    );
    await shop.get('/json').expect(201, '{"A":"B"}');
    await shop.get('/stream').expect(200, 'STREAM');
    await shop.get('/none').expect(204, '');
    expect(seen).to.deep.equal([
      [201, 'application/json', 9, '{"a":"b"}'],
      [200, 'text/plain', undefined, source],
      [204, '', undefined, null],
    ]);
  });

  it('sends a status that Koa has no name for', async () => {
    const shop = await at(
      make({ routes: [get('/x', () => Promise.reject(new ServiceError('CANCELLED', 'x'))), get('/599', () => new Reply(599, 'x'))] }),
    );
    await shop.get('/x').expect(499).expect('content-type', 'application/problem+json');
    await shop.get('/599').expect(599, 'x');
  });

  it('sends bytes of any kind, and an empty reply with a status of its own', async () => {
    const shop = await at(
      make({ routes: [get('/bytes', () => new Uint8Array([1, 2])), get('/empty', { status: 200 }, () => undefined), get('/null', () => null)] }),
    );
    const bytes = await shop.get('/bytes').expect('content-type', 'application/octet-stream').expect('content-length', '2');
    expect([...(bytes.body as Buffer)]).to.deep.equal([1, 2]);
    await shop.get('/empty').expect(200, '').expect('content-length', '0');
    await shop.get('/null').expect(200, 'null');
  });

  describe('an error', () => {
    it('behind a 5xx reaches the error event once, a 4xx does not, and what is no Error arrives wrapped', async () => {
      const { app, errors } = noted();
      const shop = await at(
        make(
          { routes: [boom, get('/gone', () => Promise.reject(new ServiceError('NOT_FOUND', 'gone'))), get('/text', () => Promise.reject('text'))] },
          app,
        ),
      );
      await shop.get('/boom').expect(500);
      await shop.get('/gone').expect(404);
      await shop.get('/text').expect(500);
      expect(errors.map((error) => [(error as Error).message, (error as Error).cause])).to.deep.equal([
        ['hunter2', undefined],
        ['string was thrown', 'text'],
      ]);
    });

    it('is not written to the console by Koa: the logger of the service has it, of streams too', async () => {
      const app = new Koa();
      const logged: string[] = [];
      const source = new PassThrough();
      const logger = {
        ...silentLogger,
        error: (fields: object, message: string) => void logged.push(`${message}: ${(fields as { error: Error }).error.message}`),
      };
      app.use((ctx, next) => {
        if (ctx.path === '/theirs') throw new Error('theirs');
        return next();
      });
      const { write } = process.stderr; // where the console writes
      let written = '';
      process.stderr.write = (text: string | Uint8Array) => (written += String(text)) !== '';
      try {
        const service = make({ routes: [boom, get('/stream', () => source)], logger }, app);
        const shop = await at(service);
        await shop.get('/boom').expect(500);
        await shop.get('/theirs').expect(500);
        expect(written).to.equal('');
        app.silent = true; // of a broken stream Koa tells the event itself
        const connection = await rawConnection(service.address!);
        connection.send(requestBytes('GET', '/stream'));
        source.write('part');
        await connection.head();
        await connection.chunk();
        source.destroy(new Error('no disk'));
        await connection.closed;
      } finally {
        process.stderr.write = write;
      }
      expect(logged).to.deep.equal([
        'A request failed: hunter2',
        'A request failed: theirs',
        'A request failed after its headers were sent: no disk',
      ]);
    });

    it('is not logged for a stream whose client has left', async () => {
      const logged: unknown[] = [];
      const source = new PassThrough();
      const closed = new Promise((resolve) => source.on('close', resolve));
      const connection = await rawConnection(
        await make({ routes: [get('/stream', () => source)], logger: { ...silentLogger, error: (fields) => void logged.push(fields) } }).start(),
      );
      connection.send(requestBytes('GET', '/stream'));
      source.write('part');
      await connection.head();
      connection.destroy();
      await closed;
      expect(logged).to.deep.equal([]);
    });

    it('is answered even when the listener throws', async () => {
      const app = new Koa();
      app.on('error', () => {
        throw new Error('listener');
      });
      await (await at(make({ routes: [boom] }, app))).get('/boom').expect(500).expect('content-type', 'application/problem+json');
    });

    it('of middleware does not go out with the fields of the reply that was meant', async () => {
      const { app } = noted();
      app.use(async (ctx, next) => {
        await next();
        if (ctx.path !== '/x') return;
        ctx.set('content-encoding', 'br');
        ctx.set('etag', '"1"');
        throw Object.assign(new Error('x'), { status: 418, expose: true });
      });
      const reply = await (await at(make({ routes: [get('/x', () => 'x')] }, app))).get('/x').expect(418);
      expect([reply.headers['content-encoding'], reply.headers.etag, (reply.body as { detail: string }).detail]).to.deep.equal([
        undefined,
        undefined,
        'x',
      ]);
    });

    it("is the app's alone with errorHandling: native, and so is what nobody took", async () => {
      const app = new Koa();
      app.use(async (ctx, next) => {
        try {
          await next();
        } catch (error) {
          ctx.status = 503;
          ctx.body = `theirs ${(error as Error).message}`;
        }
      });
      const shop = await at(make({ routes: [boom], errorHandling: 'native' }, app));
      await shop.get('/boom').expect(503, 'theirs hunter2');
      await shop.get('/none').expect(404, 'Not Found');
    });

    it('of a stream that fails behind its headers reaches the error event, and the reply breaks off', async () => {
      const { app } = noted();
      const failed = new Promise<unknown>((resolve) => app.on('error', resolve));
      const source = new PassThrough();
      const connection = await rawConnection(await make({ routes: [get('/stream', () => source)] }, app).start());
      connection.send(requestBytes('GET', '/stream'));
      source.write('part');
      await connection.head();
      await connection.chunk();
      source.destroy(new Error('no disk'));
      await connection.closed;
      expect(await failed).to.have.property('message', 'no disk');
    });

    it('of a stream that fails while middleware around takes its time crashes nobody', async () => {
      const { app } = noted();
      const source = new PassThrough();
      app.use(async (_ctx, next) => {
        await next();
        source.destroy(new Error('no disk'));
        await new Promise((resolve) => void setImmediate(resolve));
      });
      const service = make({ routes: [get('/stream', () => source), get('/alive', () => 'yes')] }, app);
      const connection = await rawConnection(await service.start());
      connection.send(requestBytes('GET', '/stream'));
      expect(
        await connection.reply().then(
          (reply) => reply.complete && reply.status === 200,
          () => false,
        ),
      ).to.equal(false);
      connection.destroy();
    });
  });

  it('refuses what is no service for routes(), no monitor for healthRoutes(), and no handler for native()', () => {
    expect(() => native(undefined as never)).to.throw(TypeError, /^native: undefined is no handler/);
    for (const wrong of [undefined, null, 5, [], get('/x', () => 'x')])
      expect(() => routes(wrong as never)).to.throw(TypeError, /^routes: .* is no service/);
    for (const wrong of [undefined, {}, monitor])
      expect(() => healthRoutes(wrong as never)).to.throw(TypeError, /^health routes: .* has no live\(\)/);
  });

  it('takes the app by name, and nothing else for one', () => {
    expect(() => koaAdapter(new Koa() as never)).to.throw(TypeError, 'koaAdapter({ app })');
    expect(() => koaAdapter({ ap: new Koa() } as never)).to.throw(TypeError, /no option "ap"/);
    expect(() => koaAdapter({ app: {} } as never)).to.throw(TypeError, /no Koa app/);
  });

  for (const [what, look] of [
    ['before the adapter was made', (app: Koa) => [() => void app.callback(), () => undefined]],
    ['before the routes were placed', (app: Koa) => [() => undefined, () => void app.callback()]],
  ] as const) {
    it(`refuses an app that was made a listener ${what}: Koa would never ask the routes`, async () => {
      const app = new Koa();
      const [before, after] = look(app);
      before!();
      const service = createService({
        name: 'late',
        adapter: koaAdapter({ app }),
        routes: [get('/x', () => 'x')],
        signals: false,
        logger: silentLogger,
      });
      after!();
      app.use(routes(service));
      const error: unknown = await service.start().catch((reason: unknown) => reason);
      expect(error)
        .to.be.instanceOf(Error)
        .with.property('message')
        .that.matches(/callback\(\) or listen\(\) was called before the routes of late/);
    });
  }

  it('refuses an app that was made a listener and has not placed the routes', async () => {
    const app = new Koa();
    const service = createService({ name: 'late', adapter: koaAdapter({ app }), routes: [], signals: false, logger: silentLogger });
    app.callback();
    const error: unknown = await service.start().catch((reason: unknown) => reason);
    expect(error)
      .to.be.instanceOf(Error)
      .with.property('message')
      .that.matches(/app\.use\(routes\(service\)\) first/);
  });

  it('carries one service', () => {
    const adapter = koaAdapter();
    const service = make({ adapter });
    adapter.mount(service.mountable);
    expect(() => adapter.mount(service.mountable)).to.throw(/one adapter for each service/);
  });

  it('answers 504 for a native handler that took the response over, and drops what that writes later', async () => {
    const clock = manualClock();
    let late!: () => void;
    let started!: () => void;
    const running = new Promise<void>((resolve) => (started = resolve));
    const slow = get(
      '/slow',
      native((ctx) => {
        late = () => {
          ctx.set('x-late', '1');
          ctx.body = 'late';
          ctx.res.setHeader('x-late', '1');
          ctx.res.end('late');
        };
        started();
        return new Promise(() => undefined);
      }),
    );
    const connection = await rawConnection(await make({ routes: [slow, get('/alive', () => 'yes')], clock, timeout: '1s' }).start());
    connection.send(requestBytes('GET', '/slow'));
    await running;
    await clock.advance(1_000);
    expect((await connection.reply()).status).to.equal(504);
    late();
    connection.send(requestBytes('GET', '/alive'));
    expect((await connection.reply()).text).to.equal('yes');
    connection.destroy();
  });

  describe('handle()', () => {
    it('wraps one handler of an app: the params and path of its router, query and body', async () => {
      const app = new Koa();
      const one = handle(({ params, query, body, operation }) => ({ params, query, body, name: operation.name }), timeout('1s'));
      app.use(async (ctx, next) => {
        Object.assign(ctx, { params: { id: '7' }, _matchedRoute: '/users/:id' });
        await one(ctx, next);
      });
      await request(app.callback())
        .post('/users/7?q=1')
        .send({ a: 1 })
        .expect(200, { params: { id: '7' }, query: { q: '1' }, body: { a: 1 }, name: 'POST /users/:id' });
    });

    it('leaves errors to the app, and problemErrors() makes problems of them', async () => {
      const { app, errors } = noted();
      app.use(problemErrors({ service: 'shop', logger: silentLogger }));
      app.use(handle(() => Promise.reject(new ServiceError('UNAVAILABLE', 'sql-7 is down'))));
      const reply = await request(app.callback()).get('/x').expect(503);
      expect(reply.body).to.deep.include({ code: 'UNAVAILABLE', service: 'shop', requestId: reply.headers['x-request-id'] });
      expect(reply.text).to.not.contain('sql-7');
      expect(errors).to.have.length(1);
    });

    it("problemErrors() logs what is behind a 5xx once, Koa's own listener not among the hearers", async () => {
      const logged: string[] = [];
      const logger = { ...silentLogger, error: (fields: object) => void logged.push((fields as { error: Error }).error.message) };
      const app = new Koa();
      app.onerror = (error) => void logged.push(`koa: ${error.message}`);
      app.use(problemErrors({ logger }));
      app.use((ctx) => ctx.throw(ctx.path === '/x' ? 500 : 404, ctx.path));
      await request(app.callback()).get('/x').expect(500);
      await request(app.callback()).get('/y').expect(404);
      expect(logged).to.deep.equal(['/x']);
    });

    it('problemErrors() refuses options that it does not know', () => {
      expect(() => problemErrors({ lgger: silentLogger } as never)).to.throw(TypeError, /no option "lgger"/);
    });

    it('cuts the reply of a native handler that fails behind its headers, and leaves the error to the app', async () => {
      const { app, errors } = noted();
      app.use(
        handle(
          native(async ({ res }) => {
            res.writeHead(200, { 'content-length': '100' });
            await new Promise<void>((resolve) => void res.write('part', () => resolve()));
            throw new Error('too late');
          }),
          timeout('1s'),
        ),
      );
      const server = app.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const reply = await rawRequest({ host: '127.0.0.1', port }, requestBytes('GET', '/'));
      server.close();
      expect([reply.status, reply.complete]).to.deep.equal([200, false]);
      expect(errors.map((error) => (error as Error).message)).to.deep.equal(['too late']);
    });

    it('lets a native handler that writes to ctx.res go on until it returns', async () => {
      const app = new Koa();
      app.use(
        handle(
          native(async ({ res }) => {
            res.writeHead(200, { 'content-type': 'text/plain' });
            await new Promise<void>((resolve) => void res.write('first ', () => resolve()));
            await new Promise((resolve) => void setImmediate(resolve));
            res.end('second');
          }),
        ),
      );
      await request(app.callback()).get('/').expect(200, 'first second');
    });

    it('refuses a retry around a native handler', () => {
      expect(() =>
        handle(
          native(() => undefined),
          retry(),
        ),
      ).to.throw(TypeError, /handle: retry/);
    });
  });

  it('healthRoutes() answer in an app without a service and let everything else pass', async () => {
    const app = new Koa();
    app.use(healthRoutes(monitor()));
    app.use((ctx) => void (ctx.body = 'x'));
    await request(app.callback()).get('/health/ready').expect(200, '{"status":"pass"}');
    await request(app.callback()).get('/x').expect(200, 'x');
  });

  it('uses the body of a parser of the app', async () => {
    const app = new Koa();
    app.use((ctx, next) => {
      Object.assign(ctx.request, { body: { parsed: true } });
      ctx.req.resume();
      return next();
    });
    await (
      await at(make({ routes: [post('/x', ({ body }) => ({ body }))] }, app))
    )
      .post('/x')
      .send({ a: 1 })
      .expect(200, { body: { parsed: true } });
  });
});
