// A server whose health is asked for: `node server.js <ferrule-express|ferrule-koa|express|koa>`. Tells its port, and its CPU time when asked.
import type { RequestListener } from 'node:http';
import { createService, silentLogger } from '@ferrule/core';
import type { HttpAdapter } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import express from 'express';
import Koa from 'koa';
import { listen, tellCpu } from '../http/tell-cpu.js';

const [kind] = process.argv.slice(2) as [string];

async function ferrule(adapter: HttpAdapter): Promise<number> {
  const service = createService({
    name: 'bench',
    adapter,
    signals: false,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
    // What a service has, cached as by default.
    health: { checks: ['database', 'cache', 'queue'].map((name) => ({ name, run: () => true })) },
  });
  return (await service.start()).port;
}

/** Hello world in each framework's shortest words. */
function bare(): RequestListener {
  if (kind === 'express') return express().get('/', (_req, res) => void res.json({ status: 'pass' }));
  const app = new Koa();
  app.use((ctx) => {
    ctx.body = { status: 'pass' };
  });
  return app.callback();
}

tellCpu(kind === 'ferrule-express' ? await ferrule(expressAdapter()) : kind === 'ferrule-koa' ? await ferrule(koaAdapter()) : await listen(bare()));
