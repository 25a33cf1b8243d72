// The three packages of examples/custom-adapter together, as an application uses them.
import { client, createService, get, silentLogger } from '@ferrule/core';
import { sticky } from '@ferrule-examples/balancer';
import { fastifyAdapter } from '@ferrule-examples/fastify';
import { hubRegistry, startHub } from '@ferrule-examples/registry';

const hub = await startHub();
const registry = hubRegistry({ url: hub.url });
const service = createService({
  name: 'docs',
  adapter: fastifyAdapter(),
  registry,
  routes: [get('/docs/:id', (call) => ({ doc: call.params.id }))],
  listen: { host: '127.0.0.1' },
  drainDelay: 0,
  logger: silentLogger,
});
await service.start();
const docs = client('docs', { registry: hubRegistry({ url: hub.url }), balancer: sticky({ key: (call) => call.params.id }) });
process.stdout.write(`${JSON.stringify(await docs.get('/docs/:id', { params: { id: '7' } }))} ${JSON.stringify(service.describe().versions)}\n`);
await docs[Symbol.asyncDispose]();
await service.stop();
await registry[Symbol.asyncDispose]();
await hub.close();
process.exit();
