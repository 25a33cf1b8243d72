// One hello of the benches startup and http: `node app.js <kind> <peers manifest>`. Tells its port when it listens, then its memory or CPU when asked.
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

const [kind, peers] = process.argv.slice(2) as [string, string];
const PATHS = ['/hello0/:name'];

/** Loads only what the kind needs: loading is most of what is measured. */
async function start(): Promise<number> {
  switch (kind) {
    case 'ferrule':
      return (await import('./decorated.js')).start();
    case 'ferrule, container':
      return (await import('./contained.js')).start();
    case 'express':
      return listen(await bareExpress());
    case 'nest':
      return listen(await (await import('./peers.js')).nest(peers, PATHS));
    case 'inversify':
      return listen(await (await import('./peers.js')).inversifyHttp(peers, PATHS));
    case 'routing-controllers':
      return listen(await (await import('./peers.js')).routingControllers(peers, PATHS));
    default:
      throw new Error(`${kind} is no kind of hello`);
  }
}

async function bareExpress(): Promise<RequestListener> {
  const { default: express } = await import('express');
  const app = express();
  app.get(PATHS[0]!, (req, res) => void res.json({ hello: (req.params as { name: string }).name }));
  return app;
}

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send!({ cpuMicros: user + system, rss: process.memoryUsage.rss() });
});
process.on('disconnect', () => process.exit());
process.send!({ port: await start() });
