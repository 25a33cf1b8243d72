// A process with one service, found through a file registry: `orders <framework> <directory>` or `gateway <framework> <directory>`.
// Says `up <port>` when it is registered. Ends on SIGTERM as every service does, and with its stdin: nothing stays when the tests are killed.
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createService, fileRegistry, get, post } from '@ferrule/core';
import type { Route } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';

const [name, framework, directory] = process.argv.slice(2) as ['orders' | 'gateway', 'express' | 'koa', string];

const registry = fileRegistry({ directory });

/** Every answer takes its time, so that a kill meets many requests half way. */
const work = (): Promise<void> => pause(20);

const orders: readonly Route[] = [
  get('/orders/:id', async (call) => {
    await work();
    return { id: call.params['id'], pid: process.pid };
  }),
  post('/orders', { status: 201 }, async (call) => {
    await work();
    return { ...(call.body as object), pid: process.pid };
  }),
];

const gateway: readonly Route[] = [
  get('/orders/:id', (call) => service.client('orders').get('/orders/:id', { params: { id: call.params['id']! } })),
  post('/orders', { status: 201 }, (call) => service.client('orders').post('/orders', { body: call.body, idempotencyKey: true })),
];

const service = createService({
  name,
  adapter: framework === 'express' ? expressAdapter() : koaAdapter(),
  registry,
  routes: name === 'orders' ? orders : gateway,
  listen: { host: '127.0.0.1' },
  drainDelay: '500ms', // watchers hear of a change at once; the default of 2 s is for those that ask now and then
});
service.onStop(() => registry[Symbol.asyncDispose]());

process.stdin.once('end', () => process.exit()).resume();
(process.stdin as Socket).unref();
const { port } = await service.start();
process.stdout.write(`up ${port}\n`);
