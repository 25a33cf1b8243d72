import { expect } from 'chai';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fastifyAdapter, native, routes } from '@ferrule-examples/fastify';
import { createService, get, silentLogger } from '@ferrule/core';
import { httpAdapterCases, skipReason } from '@ferrule/testing';
import type { ForeignApp, ForeignExchange, ForeignMiddleware, HttpAdapterSubject } from '@ferrule/testing';
import { root } from '../repository/repository.js';

type FastifyApp = ForeignApp & { readonly native: FastifyInstance };

const NO_MIDDLEWARE = 'Fastify has hooks, which all run before a route: nothing stands behind one';
const SKIPS = {
  'routes that the app placed are not added a second time, and middleware behind them does not see what they take': NO_MIDDLEWARE,
  'another method of our path goes on to the app, and is 405 only when the app declined': NO_MIDDLEWARE,
  'a native handler that calls next() declines: the app goes on behind our routes': NO_MIDDLEWARE,
  'the app behind a native handler that declined is on behalf of the call of the app again, not of the handler': NO_MIDDLEWARE,
  'what the rest of the app answers after a native handler declined counts as its answer: headers end the time, not the body': NO_MIDDLEWARE,
  "a native handler that throws after its headers breaks the reply off, and the app's error listeners and the log hear of it once":
    'the reply is broken off and logged; an onError hook of Fastify hears of errors before the headers alone',
};

/** Fastify 5, as its users write it. What others do in middleware they do in hooks. */
const fastifySubject: HttpAdapterSubject = {
  name: 'fastify',
  createApp(): FastifyApp {
    const app = fastify();
    return {
      native: app,
      use: (middleware) =>
        void app.addHook('onRequest', async (request, reply) => {
          let goesOn = false;
          await middleware(exchangeOf(request, reply), async () => void (goesOn = true));
          return goesOn ? undefined : reply;
        }),
      useJsonParser: () => {}, // Fastify has one of its own
      useRoutes: (service) => void app.register(routes(service)),
      onError: (listener) =>
        void app.addHook('onError', (_request, _reply, error, done) => {
          listener(error);
          done();
        }),
      createServer: () => createServer((req, res) => void app.ready().then(() => app.routing(req, res))),
    };
  },
  createAdapter: (app) => fastifyAdapter(app === undefined ? {} : { app: (app as FastifyApp).native }),
  native: (handler: ForeignMiddleware) => native((request, reply, next) => handler(exchangeOf(request, reply), next)),
  skips: SKIPS,
};

function exchangeOf(request: FastifyRequest, reply: FastifyReply): ForeignExchange {
  return {
    req: request.raw,
    res: reply.raw,
    header: (name, value) => void reply.header(name, value),
    answer: (status, text) => void reply.code(status).type('text/plain').send(text),
    takeOver: () => reply.hijack().raw,
  };
}

describe('the fastify adapter', () => {
  for (const one of httpAdapterCases) {
    const reason = skipReason(httpAdapterCases, fastifySubject, one.name);
    if (reason === undefined) it(one.name, () => one.run(fastifySubject)).timeout(one.deadlineMs + 5_000);
    else it.skip(`${one.name} (${reason})`);
  }

  it('passes nine tenths of the cases, in at most eighty lines', () => {
    const skipped = Object.keys(SKIPS).length;
    expect(1 - skipped / httpAdapterCases.length).to.be.at.least(0.9);
    const lines = readFileSync(join(root, 'examples/custom-adapter/fastify/index.js'), 'utf8').trimEnd().split('\n');
    expect(lines.length).to.be.at.most(80);
    expect(Math.max(...lines.map(({ length }) => length))).to.be.at.most(150);
  });

  describe('in an app of its own', () => {
    const closing: (() => Promise<unknown>)[] = [];
    afterEach(async () => {
      for (const close of closing.splice(0)) await close();
    });
    const started = async (app: FastifyInstance, errorHandling: 'problem' | 'native' = 'problem'): Promise<string> => {
      const service = createService({
        name: 'stage',
        adapter: fastifyAdapter({ app }),
        logger: silentLogger,
        signals: false,
        drainDelay: 0,
        errorHandling,
        listen: { host: '127.0.0.1' },
        routes: [get('/ours', () => ({ ours: true })), get('/fails', () => Promise.reject(new Error('hunter2'))), get('/both', () => 'ours')],
      });
      closing.push(() => service.stop());
      const { port } = await service.start();
      return `http://127.0.0.1:${port}`;
    };

    it("leaves the app's own routes, parsers and errors to it, and they win over ours", async () => {
      const app = fastify();
      app.get('/both', () => 'theirs');
      app.post('/echo', (request) => request.body);
      const origin = await started(app);
      expect(await (await fetch(`${origin}/both`)).text()).to.equal('theirs');
      expect(await (await fetch(`${origin}/ours`)).json()).to.deep.equal({ ours: true });
      const headers = { 'content-type': 'application/json' };
      expect(await (await fetch(`${origin}/echo`, { method: 'POST', headers, body: '{"a":1}' })).json()).to.deep.equal({ a: 1 });
      expect((await fetch(`${origin}/echo`, { method: 'POST', headers, body: '{' })).headers.get('content-type')).to.match(/^application\/json/);
    });

    it('shows our replies to its onSend hooks, which may change them', async () => {
      const app = fastify();
      app.addHook('onSend', async (_request, reply, payload) => {
        reply.header('x-seen', reply.statusCode);
        reply.removeHeader('content-length');
        return typeof payload === 'string' ? payload.toUpperCase() : payload;
      });
      const reply = await fetch(`${await started(app)}/ours`);
      expect([reply.headers.get('x-seen'), await reply.text()]).to.deep.equal(['200', '{"OURS":TRUE}']);
    });

    it('with native errors leaves them, and what nobody took, to the app', async () => {
      const app = fastify();
      app.setErrorHandler((error, _request, reply) => reply.code(599).send((error as Error).message));
      app.setNotFoundHandler((_request, reply) => reply.code(410).send('gone'));
      const origin = await started(app, 'native');
      expect([(await fetch(`${origin}/fails`)).status, (await fetch(`${origin}/nothing`)).status]).to.deep.equal([599, 410]);
    });

    it('stands below a prefix where the app placed it', async () => {
      const app = fastify();
      const service = createService({
        name: 'stage',
        adapter: fastifyAdapter({ app }),
        logger: silentLogger,
        signals: false,
        drainDelay: 0,
        listen: { host: '127.0.0.1' },
        routes: [get('/ours', () => 'ours')],
      });
      closing.push(() => service.stop());
      app.register(routes(service), { prefix: '/api' });
      const { port } = await service.start();
      const statuses = await Promise.all(
        ['/api/ours', '/ours', '/api/nothing'].map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).status),
      );
      expect(statuses).to.deep.equal([200, 404, 404]);
    });
  });
});
