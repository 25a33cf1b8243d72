import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import express from 'express';
import type { ErrorRequestHandler, Express } from 'express';
import request from 'supertest';
import { EXCHANGE, Reply, ServiceError, createService, get, monitor, post, retry, silentLogger, timeout } from '@ferrule/core';
import type { Service, ServiceOptions } from '@ferrule/core';
import { expressAdapter, handle, healthRoutes, native, problemErrors, routes } from '@ferrule/express';
import { manualClock, rawConnection, rawRequest, requestBytes } from '@ferrule/testing';

const boom = get('/boom', () => Promise.reject(new Error('hunter2')));

describe('the Express adapter', () => {
  const services: Service[] = [];
  const make = (options: Partial<ServiceOptions>, app?: Express): Service => {
    const service = createService({
      name: 'shop',
      adapter: expressAdapter(app === undefined ? {} : { app }),
      signals: false,
      logger: silentLogger,
      drainDelay: 0,
      listen: { host: '127.0.0.1' },
      ...options,
    });
    services.push(service);
    return service;
  };
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop();
  });

  describe('below a prefix', () => {
    it('matches without it, and says 405 for what is known there', async () => {
      const app = express();
      const service = make({ routes: [get('/users/:id', ({ params }) => params)] }, app);
      app.use('/api', routes(service));
      const { host, port } = await service.start();
      const at = request(`http://${host}:${port}`);
      await at.get('/api/users/7').expect(200, { id: '7' });
      await at.delete('/api/users/7').expect(405).expect('allow', 'GET, HEAD');
      await at.get('/users/7').expect(404);
    });
  });

  describe('the error behind a 5xx', () => {
    const withReporter = (report: ErrorRequestHandler): Service => {
      const app = express();
      const service = make({ routes: [boom, get('/gone', () => Promise.reject(new ServiceError('NOT_FOUND', 'gone')))] }, app);
      app.use(routes(service));
      app.use(report);
      return service;
    };

    it("goes to the app's error middleware, which may answer", async () => {
      const { host, port } = await withReporter((error: Error, _req, res, _next) => void res.status(503).send(`reported ${error.message}`)).start();
      await request(`http://${host}:${port}`).get('/boom').expect(503, 'reported hunter2');
    });

    it('is answered with the mapped reply when that passes it on, and a 4xx does not go there', async () => {
      const reported: string[] = [];
      const { host, port } = await withReporter((error: Error, _req, _res, next) => {
        reported.push(error.message);
        next(error);
      }).start();
      const at = request(`http://${host}:${port}`);
      const reply = await at.get('/boom').expect(500).expect('content-type', 'application/problem+json');
      expect(reply.text).to.not.contain('hunter2');
      await at.get('/gone').expect(404);
      expect(reported).to.deep.equal(['hunter2']);
    });

    it("is the app's alone with errorHandling: native, every other error too", async () => {
      const app = express();
      const service = make(
        { routes: [boom, get('/gone', () => Promise.reject(new ServiceError('NOT_FOUND', 'gone')))], errorHandling: 'native' },
        app,
      );
      app.use(routes(service));
      app.use(
        ((error: Error & { status?: number }, _req, res, _next) => void res.status(error.status ?? 599).send('theirs')) satisfies ErrorRequestHandler,
      );
      const { host, port } = await service.start();
      const at = request(`http://${host}:${port}`);
      await at.get('/boom').expect(599, 'theirs');
      await at.get('/gone').expect(404, 'theirs');
    });

    it('of a stream that fails behind its headers is reported, and the reply breaks off', async () => {
      const source = new PassThrough();
      const app = express();
      const service = make({ routes: [get('/stream', () => source)] }, app);
      app.use(routes(service));
      const reported: string[] = [];
      app.use(((error: Error, _req, _res, next) => {
        reported.push(error.message);
        next(error);
      }) satisfies ErrorRequestHandler);
      const connection = await rawConnection(await service.start());
      connection.send(requestBytes('GET', '/stream'));
      source.write('part');
      await connection.head();
      await connection.chunk();
      source.destroy(new Error('no disk'));
      await connection.closed;
      expect(reported).to.deep.equal(['no disk']);
    });
  });

  it('adds to cookies and Vary that middleware has begun', async () => {
    const app = express();
    app.use((_req, res, next) => {
      res.cookie('theirs', '1').vary('Origin');
      next();
    });
    const { host, port } = await make({ routes: [get('/x', () => new Reply(200, 'x', { 'set-cookie': 'ours=2', vary: 'Accept' }))] }, app).start();
    const reply = await request(`http://${host}:${port}`).get('/x').expect('vary', 'Origin, Accept');
    expect(reply.headers['set-cookie']).to.deep.equal(['theirs=1; Path=/', 'ours=2']);
  });

  it('reads the body itself when a parser of the app left an empty object for a type it does not know', async () => {
    const app = express();
    app.use((req, _res, next) => {
      req.body = {};
      next();
    });
    const { host, port } = await make({ routes: [post('/x', ({ body }) => ({ body }))] }, app).start();
    await request(`http://${host}:${port}`).post('/x').type('text/plain').send('text').expect(200, { body: 'text' });
  });

  it('gives wrappers and handlers the native request', async () => {
    const app = express();
    app.use((req, _res, next) => {
      Object.assign(req, { user: 'ada' });
      next();
    });
    const { host, port } = await make({ routes: [get('/me', (call) => (call.values.get(EXCHANGE)!.req as { user?: string }).user)] }, app).start();
    await request(`http://${host}:${port}`).get('/me').expect(200, 'ada');
  });

  it('carries one service', () => {
    const adapter = expressAdapter();
    const service = make({ adapter });
    adapter.mount(service.mountable);
    expect(() => adapter.mount(service.mountable)).to.throw(/one adapter for each service/);
  });

  it('refuses what is no service for routes(), no monitor for healthRoutes(), and no handler for native()', () => {
    expect(() => native(undefined as never)).to.throw(TypeError, /^native: undefined is no handler/);
    for (const wrong of [undefined, null, 5, [], get('/x', () => 'x')])
      expect(() => routes(wrong as never)).to.throw(TypeError, /^routes: .* is no service/);
    for (const wrong of [undefined, {}, monitor])
      expect(() => healthRoutes(wrong as never)).to.throw(TypeError, /^health routes: .* has no live\(\)/);
  });

  it('takes the app by name, and nothing else for one', () => {
    expect(() => expressAdapter(express() as never)).to.throw(TypeError, 'expressAdapter({ app })');
    expect(() => expressAdapter({ ap: express() } as never)).to.throw(TypeError, /no option "ap"/);
    expect(() => expressAdapter({ app: express.Router } as never)).to.throw(TypeError, /no Express app/);
    expect(() => expressAdapter({ app: {} } as never)).to.throw(TypeError, /no Express app/);
  });

  describe('a native handler', () => {
    it('that writes in a timer after its timeout brings nobody down, and one warning says so', async () => {
      const clock = manualClock();
      let late!: () => void;
      let started!: () => void;
      const running = new Promise<void>((resolve) => (started = resolve));
      const slow = get(
        '/slow',
        native((_req, res) => {
          late = () => void res.status(200).set('x-late', '1').json({ late: true }).end();
          started();
        }),
      );
      const target = await make({ routes: [slow], clock, timeout: '1s' }).start();
      const connection = await rawConnection(target);
      connection.send(requestBytes('GET', '/slow'));
      await running;
      await clock.advance(1_000);
      expect((await connection.reply()).status).to.equal(504);
      const warned = once(process, 'warning');
      late();
      const [warning] = (await warned) as [Error & { code?: string }];
      expect([warning.code, warning.message]).to.deep.equal(['FERRULE_LATE_WRITE', warning.message]);
      expect(warning.message).to.match(/GET \/slow.*setHeader/);
      connection.destroy();
    });

    it('that fails behind its headers is reported to the app, also outside of a service', async () => {
      const reported: string[] = [];
      const app = express();
      app.get(
        '/x',
        handle(
          native(async (_req, res) => {
            res.writeHead(200, { 'content-length': 100 });
            await new Promise<void>((resolve) => void res.write('part', () => resolve()));
            throw new Error('too late');
          }),
          timeout('1s'),
        ),
      );
      app.use(((error: Error, _req, _res, next) => {
        reported.push(error.message);
        next(error);
      }) satisfies ErrorRequestHandler);
      app.use(problemErrors({ logger: silentLogger }));
      const server = app.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const reply = await rawRequest({ host: '127.0.0.1', port }, requestBytes('GET', '/x'));
      server.close();
      expect([reply.status, reply.complete, reported]).to.deep.equal([200, false, ['too late']]);
    });

    it('that calls next(error) fails with it', async () => {
      const { host, port } = await make({
        routes: [
          get(
            '/x',
            native((_req, _res, next) => next(new ServiceError('ABORTED', 'theirs'))),
          ),
        ],
      }).start();
      await request(`http://${host}:${port}`).get('/x').expect(409);
    });

    it('may not be asked twice, and says so', async () => {
      const twice = get(
        '/x',
        (next) => async (call) => {
          void next(call).catch(() => undefined);
          return next(call).catch((error: Error) => new Reply(200, error.message));
        },
        native(() => undefined),
      );
      const { host, port } = await make({ routes: [twice] }).start();
      const reply = await request(`http://${host}:${port}`).get('/x').expect(200);
      expect(reply.text).to.match(/GET \/x: a native handler cannot run twice/);
    });
  });

  describe('handle()', () => {
    const fail = (): never => {
      throw new ServiceError('UNAVAILABLE', 'sql-7 is down', { retryAfterMs: 1_500 });
    };

    it('wraps one handler of an app: params of its path, a wildcard joined, query and body', async () => {
      const app = express();
      app.post(
        '/users/:id/*rest',
        express.json(),
        handle(({ params, query, body, operation }) => ({ params, query, body, name: operation.name }), timeout('1s')),
      );
      await request(app)
        .post('/users/7/a/b?q=1')
        .send({ a: 1 })
        .expect(200, { params: { id: '7', rest: 'a/b' }, query: { q: '1' }, body: { a: 1 }, name: 'POST /users/:id/*rest' });
    });

    it('leaves errors to the app, and problemErrors() makes problems of them', async () => {
      const app = express();
      app.get('/x', handle(fail));
      app.use(
        problemErrors({
          service: 'shop',
          logger: silentLogger,
          mappers: [{ toReply: (error) => (error instanceof RangeError ? new Reply(418, 'tea') : undefined) }],
        }),
      );
      const reply = await request(app).get('/x').expect(503).expect('retry-after', '2');
      expect(reply.body).to.deep.include({ code: 'UNAVAILABLE', service: 'shop', requestId: reply.headers['x-request-id'] });
      expect(reply.text).to.not.contain('sql-7');
    });

    it("has problemErrors() name the request in problems of the app's own errors, too", async () => {
      const app = express();
      app.get('/x', () => {
        throw new Error('theirs');
      });
      app.use(problemErrors({ logger: silentLogger }));
      const reply = await request(app).get('/x').set('x-request-id', 'r-1').expect(500).expect('x-request-id', 'r-1');
      expect(reply.body).to.include({ requestId: 'r-1' }).and.not.have.property('service');
    });

    it('problemErrors() logs what is behind a 5xx once, and no 4xx', async () => {
      const logged: [string, unknown][] = [];
      const logger = { ...silentLogger, error: (fields: object) => void logged.push([(fields as { error: Error }).error.message, fields]) };
      const app = express();
      app.get(
        '/x',
        handle(() => Promise.reject(new Error('ours'))),
      );
      app.get('/y', () => Promise.reject(new Error('theirs')));
      app.get('/z', () => Promise.reject(Object.assign(new Error('none'), { status: 404 })));
      app.use(problemErrors({ logger }));
      for (const target of ['/x', '/y', '/z']) await request(app).get(target).set('x-request-id', 'r-1');
      expect(logged.map(([message]) => message)).to.deep.equal(['ours', 'theirs']);
      expect(logged[1]![1]).to.include({ requestId: 'r-1' });
    });

    it('problemErrors() says it on standard error unless told otherwise', async () => {
      const app = express();
      app.get('/x', () => Promise.reject(new Error('theirs')));
      app.use(problemErrors({ service: 'shop' }));
      const lines = await standardError(() => request(app).get('/x').expect(500));
      expect(lines).to.have.length(1);
      expect(JSON.parse(lines[0]!)).to.deep.include({ level: 'error', service: 'shop' }).and.nested.include({ 'error.message': 'theirs' });
    });

    it('problemErrors() refuses options that it does not know', () => {
      expect(() => problemErrors({ lgger: silentLogger } as never)).to.throw(TypeError, /no option "lgger"/);
      expect(() => problemErrors({ mappers: 5 } as never)).to.throw(TypeError, /problemErrors mappers: 5 is no list/);
      expect(() => problemErrors({ logger: {} } as never)).to.throw(TypeError, /problemErrors logger/);
    });

    it('refuses a retry around a native handler, and what is no handler', () => {
      expect(() =>
        handle(
          native(() => undefined),
          retry(),
        ),
      ).to.throw(TypeError, /handle: retry/);
      expect(() => handle(undefined as never)).to.throw(TypeError, /not a handler/);
    });

    it('may hand the request on to another one, and both calls end', async () => {
      const app = express();
      const failed: unknown[] = [];
      const noting = () => {
        let note: (kind: string) => void;
        const ended = new Promise<string>((resolve) => (note = resolve));
        const handler = handle(
          native((_req, _res, next) => next()),
          (next) => (call) => {
            call.onEnd(({ kind }) => note(kind));
            return next(call);
          },
        );
        return { ended, handler };
      };
      const [first, second] = [noting(), noting()];
      app.get('/x', first.handler, second.handler, (_req, res) => void res.send('theirs'));
      app.use(((error, _req, res, _next) => {
        failed.push(error);
        res.sendStatus(500);
      }) satisfies ErrorRequestHandler);
      const reply = await request(app).get('/x');
      expect([failed, reply.status, reply.text]).to.deep.equal([[], 200, 'theirs']);
      expect(await Promise.all([first.ended, second.ended])).to.deep.equal(['done', 'done']);
    });
  });

  it('healthRoutes() answer in an app without a service and let everything else pass', async () => {
    const app = express();
    app.use(healthRoutes(monitor()));
    app.get('/x', (_req, res) => void res.send('x'));
    await request(app).get('/health/ready').expect(200, '{"status":"pass"}');
    await request(app).get('/x').expect(200, 'x');
  });

  it('problemErrors() breaks a reply off that has begun', async () => {
    const app = express();
    app.get('/x', (_req, res, next) => {
      res.writeHead(200, { 'content-length': 10 });
      res.write('part', () => next(new Error('late')));
    });
    app.use(problemErrors({ logger: silentLogger }));
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const connection = await rawConnection({ host: '127.0.0.1', port });
    connection.send(requestBytes('GET', '/x'));
    expect((await connection.reply()).complete).to.equal(false);
    server.close();
  });
});

/** The lines that are written to standard error meanwhile. */
async function standardError(work: () => PromiseLike<unknown>): Promise<string[]> {
  const written: string[] = [];
  const { write } = process.stderr;
  process.stderr.write = (text: string | Uint8Array) => written.push(String(text)) > 0;
  try {
    await work();
  } finally {
    process.stderr.write = write;
  }
  return written;
}
