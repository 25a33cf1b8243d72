import { createService, fileRegistry, fileStore, get } from '@ferrule/core';
import type { Logger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';

// A process of a service that calls another one: `gateway-process <directory of the registry> <directory of the store>`. Says on stdout, a line
// each, where it listens and what it logs.

const [registry, store] = process.argv.slice(2) as [string, string];
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const write = (_fields: object, message: string): void => say(message);
const logger: Logger = { debug: write, info: write, warn: write, error: write };

const service = createService({
  name: 'gateway',
  adapter: expressAdapter(),
  registry: fileRegistry({ directory: registry }),
  discovery: { store: fileStore({ directory: store, logger }), warmUp: ['orders'] },
  health: { showDetails: 'always' },
  drainDelay: 0,
  listen: { host: '127.0.0.1' },
  logger,
  routes: [get('/order', () => service.client('orders').get('/order'))],
});
const { port } = await service.start();
say(`gateway ${port}`);
