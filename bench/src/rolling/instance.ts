// One instance under a rolling restart: `node instance.js <express|koa> <registry> <port>`. All options of the stop are the defaults, so that
// what is measured is what an application gets. Tells its port when it is registered.
import { setTimeout as pause } from 'node:timers/promises';
import { createService, get, silentLogger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import { registryAt } from './registry-at.js';

const [framework, where, port] = process.argv.slice(2) as ['express' | 'koa', string, string];
const registry = registryAt(where);
const service = createService({
  name: 'orders',
  adapter: framework === 'express' ? expressAdapter() : koaAdapter(),
  registry,
  logger: silentLogger,
  listen: { host: '127.0.0.1', port: Number(port) },
  routes: [
    // Long enough for a stop to meet requests half way.
    get('/orders/:id', async (call) => {
      await pause(10);
      return { id: call.params['id'], pid: process.pid };
    }),
  ],
});
service.onStop(() => registry[Symbol.asyncDispose]());
process.on('disconnect', () => process.exit());
process.send!({ port: (await service.start()).port });
