// One service with a request that never ends: `node stuck-instance.js <express|koa> <heeds|ignores>`. Tells its port, and `entered`.
import { createService, get, silentLogger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';

const [framework, kind] = process.argv.slice(2) as ['express' | 'koa', 'heeds' | 'ignores'];
const service = createService({
  name: 'stuck',
  adapter: framework === 'express' ? expressAdapter() : koaAdapter(),
  logger: silentLogger,
  listen: { host: '127.0.0.1' },
  timeout: false,
  drainDelay: '500ms',
  drainTimeout: '1s',
  routes: [
    get('/stuck', async (call) => {
      process.send!('entered');
      if (kind === 'ignores') await new Promise(() => {});
      await new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason as Error)));
      return 'never';
    }),
  ],
});
process.on('disconnect', () => process.exit());
process.send!({ port: (await service.start()).port });
