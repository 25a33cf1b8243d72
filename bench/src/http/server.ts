// One server process of the http bench: `node server.js <kind> <routes>`. Tells its port, and its CPU time when asked.
import { createRequire } from 'node:module';
import type { RequestListener } from 'node:http';
import { pathToFileURL } from 'node:url';
import { createService, get, silentLogger } from '@ferrule/core';
import type { HttpAdapter } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import express from 'express';
import Koa from 'koa';
import { listen, tellCpu } from './tell-cpu.js';

const [kind, count, peersFile] = process.argv.slice(2) as [string, string, string];
const paths = Array.from({ length: Number(count) }, (_, index) => `/hello${index}/:name`);

async function ferrule(adapter: HttpAdapter): Promise<number> {
  const service = createService({
    name: 'bench',
    adapter,
    signals: false,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
    routes: paths.map((path) => get(path, (call) => ({ hello: call.params['name'] }))),
  });
  return (await service.start()).port;
}

function bareExpress(): RequestListener {
  const app = express();
  for (const path of paths) app.get(path, (req, res) => void res.json({ hello: (req.params as { name: string }).name }));
  return app;
}

async function bareKoa(): Promise<RequestListener> {
  interface KoaRouter {
    get(path: string, handler: (ctx: Koa.Context & { params: { name: string } }) => void): void;
    routes(): Koa.Middleware;
  }
  const path = createRequire(peersFile).resolve('@koa/router');
  const { default: Router } = (await import(pathToFileURL(path).href)) as { default: new () => KoaRouter };
  const app = new Koa();
  const router = new Router();
  for (const path of paths) {
    router.get(path, (ctx) => {
      ctx.body = { hello: ctx.params.name };
    });
  }
  app.use(router.routes());
  return app.callback();
}

tellCpu(
  kind === 'ferrule-express'
    ? await ferrule(expressAdapter())
    : kind === 'ferrule-koa'
      ? await ferrule(koaAdapter())
      : kind === 'express'
        ? await listen(bareExpress())
        : await listen(await bareKoa()),
);
