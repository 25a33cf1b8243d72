// The gateway: what shoppers talk to. It finds `orders` and `users` by name and has no fallback.
import { parseArgs } from 'node:util';
import { createService, get, jsonLogger, post, roundRobin, silentLogger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import type { Order, Placed, User } from './catalogue.js';
import { attempts } from './attempts.js';
import type { FromProcess, ToProcess } from './messages.js';
import { registryAt } from './registry.js';

const { values: options } = parseArgs({ options: { registry: { type: 'string' }, naive: { type: 'boolean', default: false } } });
const seen = attempts();
const policies = options.naive ? ({ balancer: roundRobin(), ejector: false, retry: false } as const) : {};

const service = createService({
  name: 'gateway',
  adapter: expressAdapter(),
  registry: registryAt(options.registry!),
  listen: { host: '127.0.0.1' },
  logger: options.naive ? silentLogger : jsonLogger({ level: 'error' }), // the demo tells what happens
  routes: [
    get('/checkout/:id', async (call) => {
      const order = await orders.get<Order>('/orders/:id', { params: { id: call.params['id']! } });
      const user = await users.get<User>('/users/:id', { params: { id: order.userId } });
      return { order, user };
    }),
    post('/orders', async (call) => orders.post<Placed>('/orders', { body: call.body, idempotencyKey: call.header('idempotency-key')! })),
  ],
});
const orders = service.client('orders', { ...policies, attemptWrappers: [seen.wrapper] });
const users = service.client('users', { ...policies, attemptWrappers: [seen.wrapper] });

process.on('message', (message: ToProcess) => {
  if (message.type === 'report') process.send!({ type: 'endpoints', endpoints: seen.take([orders, users]) } satisfies FromProcess);
});
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM')); // the demo has gone

const { port } = await service.start();
process.send!({ type: 'ready', instance: 'gateway', port } satisfies FromProcess);
service.onStop(() => process.disconnect());
