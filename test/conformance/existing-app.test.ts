import { createGzip, gunzipSync, gzipSync } from 'node:zlib';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { expect } from 'chai';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import Koa from 'koa';
import { ServiceError, createService, get, post, silentLogger } from '@ferrule/core';
import type { HttpAdapter, Mountable } from '@ferrule/core/adapter';
import { expressAdapter, routes as expressRoutes } from '@ferrule/express';
import { koaAdapter, routes as koaRoutes } from '@ferrule/koa';
import { rawRequest, requestBytes } from '@ferrule/testing';
import type { RawReply } from '@ferrule/testing';
import { readJson } from './subjects.js';

/**
 * Our routes beside what users have already: an app with security headers, compression, authentication, a JSON parser, routes of its
 * own and an error reporter as last error handler. The table says who ran, in which order, for every kind of request.
 */

/** An app as its users have it; `ran` records everyone whom a request comes by. */
interface ExistingApp {
  readonly name: string;
  build(ran: string[]): { readonly adapter: HttpAdapter; place(service: { readonly mountable: Mountable }): void };
}

const teapot = (): Error => Object.assign(new Error('no tea'), { status: 418, expose: true });

const expressApp: ExistingApp = {
  name: 'Express',
  build(ran) {
    const app = express().disable('x-powered-by');
    app.use(function helmet(_req, res, next) {
      ran.push('helmet');
      res.setHeader('x-frame-options', 'SAMEORIGIN');
      next();
    });
    app.use(function compression(req, res, next) {
      ran.push('compression');
      if (req.headers['accept-encoding'] === 'gzip') compressed(res);
      next();
    });
    app.use(function auth(req, res, next) {
      ran.push('auth');
      if (req.headers.authorization === undefined) res.status(401).send('who are you');
      else next();
    });
    app.use(express.json());
    return {
      adapter: expressAdapter({ app }),
      place(service) {
        app.use(function parsed(_req, _res, next) {
          ran.push('json');
          next();
        });
        app.use(expressRoutes(service));
        app.get('/theirs', (_req, res) => {
          ran.push('theirs');
          res.json({ theirs: true });
        });
        app.get('/theirs/418', () => {
          ran.push('theirs');
          throw teapot();
        });
        app.get('/theirs/500', async () => {
          ran.push('theirs');
          throw new Error('hunter2');
        });
        app.use(function reporter(error: Error, _req: Request, _res: Response, next: NextFunction) {
          ran.push(`reporter: ${error.message}`);
          next(error);
        });
      },
    };
  },
};

const koaApp: ExistingApp = {
  name: 'Koa',
  build(ran) {
    const app = new Koa();
    app.silent = true;
    app.on('error', (error: Error) => ran.push(`reporter: ${error.message}`));
    app.use(async function helmet(ctx, next) {
      ran.push('helmet');
      ctx.set('x-frame-options', 'SAMEORIGIN');
      await next();
    });
    app.use(async function compress(ctx, next) {
      ran.push('compression');
      await next();
      const body: unknown = ctx.body;
      if (ctx.get('accept-encoding') !== 'gzip' || body === undefined || body === null) return;
      ctx.set('content-encoding', 'gzip');
      ctx.remove('content-length');
      if (typeof body === 'string' || Buffer.isBuffer(body)) ctx.body = gzipSync(body);
      else if (typeof (body as NodeJS.ReadableStream).pipe === 'function') ctx.body = (body as NodeJS.ReadableStream).pipe(createGzip());
      else ctx.body = gzipSync(JSON.stringify(body));
    });
    app.use(async function auth(ctx, next) {
      ran.push('auth');
      if (ctx.get('authorization') === '') ctx.throw(401, 'who are you');
      await next();
    });
    app.use(readJson);
    return {
      adapter: koaAdapter({ app }),
      place(service) {
        app.use(async function parsed(_ctx, next) {
          ran.push('json');
          await next();
        });
        app.use(koaRoutes(service));
        app.use(async function theirs(ctx, next) {
          if (ctx.method !== 'GET' || !ctx.path.startsWith('/theirs')) {
            await next();
            return;
          }
          ran.push('theirs');
          if (ctx.path.endsWith('418')) throw teapot();
          if (ctx.path.endsWith('500')) throw new Error('hunter2');
          ctx.body = { theirs: true };
        });
      },
    };
  },
};

/** Compresses what is written to a response, the way `compression` does: by replacing its methods. */
function compressed(res: ServerResponse): void {
  const { writeHead, write, end } = res;
  let gzip: ReturnType<typeof createGzip> | undefined;
  const begin = (): NonNullable<typeof gzip> => {
    if (gzip !== undefined) return gzip;
    gzip = createGzip();
    gzip.on('data', (data: Buffer) => Reflect.apply(write, res, [data]) as boolean).on('end', () => Reflect.apply(end, res, []) as ServerResponse);
    if (!res.headersSent) res.writeHead(res.statusCode);
    return gzip;
  };
  res.writeHead = ((status: number, headers: OutgoingHttpHeaders = {}) => {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value);
    if (status !== 204 && status !== 304) {
      res.setHeader('content-encoding', 'gzip');
      res.removeHeader('content-length');
    }
    return Reflect.apply(writeHead, res, [status]);
  }) as typeof res.writeHead;
  res.write = ((data: string | Uint8Array) => begin().write(data)) as typeof res.write;
  res.end = ((data?: string | Uint8Array) => {
    if (res.statusCode === 204 || res.statusCode === 304) return Reflect.apply(end, res, []) as ServerResponse;
    begin().end(data);
    return res;
  }) as typeof res.end;
}

interface Row {
  readonly name: string;
  readonly ask: readonly [method: string, target: string, headers?: Readonly<Record<string, string>>, body?: string];
  readonly status: number;
  readonly ran: readonly string[];
  readonly check?: (reply: RawReply) => void;
}

const known = { authorization: 'me' };
const json = { ...known, 'content-type': 'application/json' };
const around = ['helmet', 'compression', 'auth', 'json'];
const isProblem = (reply: RawReply): void => void expect(reply.header('content-type')).to.equal('application/problem+json');
const hasDetail =
  (detail: string) =>
  (reply: RawReply): void => {
    isProblem(reply);
    expect(reply.json()).to.include({ detail });
  };

const table: readonly Row[] = [
  {
    name: 'health, without credentials',
    ask: ['GET', '/health/ready'],
    status: 200,
    ran: [],
    check: (reply) => expect(reply.header('x-frame-options')).to.equal(undefined),
  },
  {
    name: 'our route',
    ask: ['GET', '/ours', known],
    status: 200,
    ran: [...around, 'ours'],
    check: (reply) => expect([reply.text, reply.header('x-frame-options')]).to.deep.equal(['ours', 'SAMEORIGIN']),
  },
  { name: 'our route, without credentials', ask: ['GET', '/ours'], status: 401, ran: ['helmet', 'compression', 'auth'] },
  {
    name: 'our route, with a body that their parser reads',
    ask: ['POST', '/ours', json, '{"a":1}'],
    status: 200,
    ran: [...around, 'ours'],
    check: (reply) => expect(reply.json()).to.deep.equal({ a: 1 }),
  },
  {
    name: 'our route, compressed by them',
    ask: ['GET', '/ours', { ...known, 'accept-encoding': 'gzip' }],
    status: 200,
    ran: [...around, 'ours'],
    check: gunzips('ours'),
  },
  {
    name: 'our stream, compressed by them',
    ask: ['GET', '/ours/stream', { ...known, 'accept-encoding': 'gzip' }],
    status: 200,
    ran: [...around, 'ours'],
    check: gunzips('first second'),
  },
  {
    name: 'our problem, compressed by them',
    ask: ['GET', '/ours/404', { ...known, 'accept-encoding': 'gzip' }],
    status: 404,
    ran: [...around, 'ours'],
    check: (reply) => expect(JSON.parse(gunzipSync(reply.body).toString())).to.include({ detail: 'No order 7' }),
  },
  {
    name: 'our 204, which nobody can compress',
    ask: ['GET', '/ours/204', { ...known, 'accept-encoding': 'gzip' }],
    status: 204,
    ran: [...around, 'ours'],
    check: (reply) => expect(reply.body).to.have.length(0),
  },
  {
    name: 'HEAD of our route',
    ask: ['HEAD', '/ours', known],
    status: 200,
    ran: [...around, 'ours'],
    check: (reply) => expect(reply.header('content-length')).to.equal('4'),
  },
  {
    name: 'their route',
    ask: ['GET', '/theirs', known],
    status: 200,
    ran: [...around, 'theirs'],
    check: (reply) => expect(reply.json()).to.deep.equal({ theirs: true }),
  },
  { name: 'an unknown path', ask: ['GET', '/nothing', known], status: 404, ran: around, check: isProblem },
  {
    name: 'our path with another method',
    ask: ['DELETE', '/ours', known],
    status: 405,
    ran: around,
    check: (reply) => expect(reply.header('allow')).to.equal('GET, HEAD, POST'),
  },
  {
    name: 'a 4xx of ours: no error of the app, so it is not reported',
    ask: ['GET', '/ours/404', known],
    status: 404,
    ran: [...around, 'ours'],
    check: hasDetail('No order 7'),
  },
  {
    name: 'a 5xx of ours: reported once, answered by us',
    ask: ['GET', '/ours/500', known],
    status: 500,
    ran: [...around, 'ours', 'reporter: hunter2'],
    check: hasDetail('Internal Server Error'),
  },
  {
    name: 'a 5xx of theirs: reported once, answered as a problem',
    ask: ['GET', '/theirs/500', known],
    status: 500,
    ran: [...around, 'theirs', 'reporter: hunter2'],
    check: hasDetail('Internal Server Error'),
  },
  {
    name: 'our error, compressed by them',
    ask: ['GET', '/ours/500', { ...known, 'accept-encoding': 'gzip' }],
    status: 500,
    ran: [...around, 'ours', 'reporter: hunter2'],
    check: (reply) => expect(JSON.parse(gunzipSync(reply.body).toString())).to.include({ status: 500 }),
  },
];

/** What only one framework does: Express' error middleware hears of every error of theirs, Koa's `error` event of 5xx alone. */
const own: Readonly<Record<string, readonly Row[]>> = {
  Express: [
    {
      name: 'a 4xx of theirs',
      ask: ['GET', '/theirs/418', known],
      status: 418,
      ran: [...around, 'theirs', 'reporter: no tea'],
      check: hasDetail('no tea'),
    },
    {
      name: 'a body that their parser refuses',
      ask: ['POST', '/ours', json, '{"a":'],
      status: 400,
      ran: ['helmet', 'compression', 'auth', 'reporter: Unexpected end of JSON input'],
      check: isProblem,
    },
  ],
  Koa: [
    { name: 'a 4xx of theirs', ask: ['GET', '/theirs/418', known], status: 418, ran: [...around, 'theirs'], check: hasDetail('no tea') },
    {
      name: 'a body that their parser refuses',
      ask: ['POST', '/ours', json, '{"a":'],
      status: 400,
      ran: ['helmet', 'compression', 'auth'],
      check: isProblem,
    },
  ],
};

function gunzips(text: string): (reply: RawReply) => void {
  return (reply) => {
    expect([reply.header('content-encoding'), reply.header('content-length') === String('ours'.length)]).to.deep.equal(['gzip', false]);
    expect(gunzipSync(reply.body).toString()).to.equal(text);
  };
}

for (const existing of [expressApp, koaApp]) {
  describe(`an existing ${existing.name} app under a service: who ran`, () => {
    const ran: string[] = [];
    const ours =
      <T>(result: () => T) =>
      (): T => {
        ran.push('ours');
        return result();
      };
    const { adapter, place } = existing.build(ran);
    const service = createService({
      name: 'orders',
      adapter,
      listen: { host: '127.0.0.1' },
      signals: false,
      logger: silentLogger,
      drainDelay: 0,
      routes: [
        get(
          '/ours',
          ours(() => 'ours'),
        ),
        post('/ours', (call) => {
          ran.push('ours');
          return call.body;
        }),
        get(
          '/ours/stream',
          ours(() => pieces()),
        ),
        get(
          '/ours/204',
          ours(() => undefined),
        ),
        get(
          '/ours/404',
          ours(() => Promise.reject(new ServiceError('NOT_FOUND', 'No order 7'))),
        ),
        get(
          '/ours/500',
          ours(() => Promise.reject(new Error('hunter2'))),
        ),
      ],
    });
    place(service);
    before(() => service.start());
    after(() => service.stop());

    for (const row of [...table, ...own[existing.name]!]) {
      it(row.name, async () => {
        ran.length = 0;
        const reply = await rawRequest(service.address!, requestBytes(...row.ask));
        expect(ran).to.deep.equal(row.ran);
        expect(reply.status).to.equal(row.status);
        row.check?.(reply);
      });
    }
  });
}

async function* pieces(): AsyncGenerator<string> {
  yield 'first ';
  yield 'second';
}
