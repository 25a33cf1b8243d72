import { createService, fileRegistry, get } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express'; // or koaAdapter from '@ferrule/koa', with the same routes

const service = createService({
  name: 'greeter',
  adapter: expressAdapter(),
  registry: fileRegistry(),
  routes: [get('/hello/:name', (call) => ({ hello: call.params['name'] }))],
});

const { port } = await service.start();
console.log(`greeter listens on ${port}; see also /health, /health/live and /health/ready`);
