// One server process of the errors bench: `node server.js <kind> <manifest of the peers>`. Tells its port, and its CPU time when asked.
import { createRequire } from 'node:module';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { pathToFileURL } from 'node:url';
import { createService, get, silentLogger } from '@ferrule/core';
import type { HttpAdapter } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import express from 'express';
import Koa from 'koa';
import { listen, tellCpu } from '../http/tell-cpu.js';
import { thrown } from './thrown.js';

const KINDS = ['error', 'http-error'] as const;
type FinalHandler = (req: IncomingMessage, res: ServerResponse, options: { env: string }) => () => void;

async function ferrule(adapter: HttpAdapter): Promise<number> {
  const service = createService({
    name: 'bench',
    adapter,
    signals: false,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
    routes: KINDS.map((kind) =>
      get(`/${kind}/:name`, () => {
        throw thrown(kind);
      }),
    ),
  });
  return (await service.start()).port;
}

/** Express' own default is `finalhandler` with an `onerror` that writes the stack to the console; here without that. */
function bareExpress(): RequestListener {
  const require = createRequire(createRequire(import.meta.url).resolve('express'));
  const finalhandler = require('finalhandler') as FinalHandler;
  const app = express();
  for (const kind of KINDS)
    app.get(`/${kind}/:name`, () => {
      throw thrown(kind);
    });
  return (req, res) => (app as unknown as (...args: unknown[]) => void)(req, res, finalhandler(req, res, { env: 'production' }));
}

async function bareKoa(): Promise<RequestListener> {
  interface KoaRouter {
    get(path: string, handler: () => void): void;
    routes(): Koa.Middleware;
  }
  const path = createRequire(process.argv[3]!).resolve('@koa/router');
  const { default: Router } = (await import(pathToFileURL(path).href)) as { default: new () => KoaRouter };
  const app = new Koa();
  app.silent = true;
  const router = new Router();
  for (const kind of KINDS)
    router.get(`/${kind}/:name`, () => {
      throw thrown(kind);
    });
  app.use(router.routes());
  return app.callback();
}

async function start(kind: string): Promise<number> {
  switch (kind) {
    case 'ferrule-express':
      return ferrule(expressAdapter());
    case 'ferrule-koa':
      return ferrule(koaAdapter());
    case 'express':
      return listen(bareExpress());
    default:
      return listen(await bareKoa());
  }
}

tellCpu(await start(process.argv[2]!));
