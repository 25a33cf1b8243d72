// One process of `orders` or `users`, on Express or Koa: the same routes on either.
import { parseArgs } from 'node:util';
import { Reply, createService, get, jsonLogger, post } from '@ferrule/core';
import type { Call, Route, Wrapper } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import { orderOf, placedOf, userOf } from './catalogue.js';
import { faults } from './faults.js';
import type { FromProcess, ToProcess } from './messages.js';
import { registryAt } from './registry.js';

const { values: options } = parseArgs({
  options: { registry: { type: 'string' }, service: { type: 'string' }, host: { type: 'string' }, name: { type: 'string' } },
});
const name = options.name!;
/** How long an answer takes, milliseconds. */
const WORK_MS: Record<string, number> = { orders: 25, users: 5 };
const behaviour = faults(WORK_MS[options.service!]!);

/** The work that an answer takes; the demo makes it slow, wrong or impossible. */
const work: Wrapper = (next) => async (call) => {
  if (await behaviour.before()) return new Reply(503, { sorry: 'this instance is out of order' });
  return next(call);
};

/** The draft has the key as a quoted string; some clients leave the quotes out. */
const keyOf = (call: Call): string => (call.header('idempotency-key') ?? '').replaceAll('"', '');

const routes: Record<string, readonly Route[]> = {
  orders: [
    get('/orders/:id', (call) => orderOf(Number(call.params['id']))),
    post('/orders', (call) => placedOf((call.body as { id: number }).id, keyOf(call))),
  ],
  users: [get('/users/:id', (call) => userOf(Number(call.params['id'])))],
};

const service = createService({
  name: options.service!,
  adapter: options.host === 'koa' ? koaAdapter() : expressAdapter(),
  registry: registryAt(options.registry!),
  metadata: { name },
  wrappers: [work],
  routes: routes[options.service!]!,
  listen: { host: '127.0.0.1' },
  logger: jsonLogger({ level: 'error' }), // the demo tells what happens
});

process.on('message', (message: ToProcess) => {
  if (message.type === 'fault') behaviour.set(message.fault);
});
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM')); // the demo has gone

const { port } = await service.start();
process.send!({ type: 'ready', instance: name, port } satisfies FromProcess);
service.onStop(() => process.disconnect());
