import { createService, get, silentLogger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import type { HttpAdapter, Service } from '@ferrule/core';

// A process of one or two services, for tests of signals. Says on stdout, a line each, what it does; told by its arguments how:
//   two      a second service in the process, on Koa
//   hang     a stop hook that takes for ever
//   brief    the hang has a timeout of 100 ms, instead of 20 s
//   linger   a timer that alone would keep the process running
//   listener the app has a listener for SIGTERM itself, and ends the process with 42

const args = new Set(process.argv.slice(2));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function serve(name: string, adapter: HttpAdapter): Promise<Service> {
  const service = createService({
    name,
    adapter,
    drainDelay: 0,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
    routes: [
      get('/slow', async () => {
        say('entered');
        await new Promise((resolve) => setTimeout(resolve, 300));
        return 'slow';
      }),
    ],
  });
  service.onStop(() => say(`${name} stopped`));
  if (args.has('hang')) {
    service.onStop(
      () => {
        say(`${name} hangs`);
        return new Promise(() => {});
      },
      { timeout: args.has('brief') ? '100ms' : '20s' },
    );
  }
  const { port } = await service.start();
  say(`${name} ${port}`);
  return service;
}

if (args.has('linger')) setInterval(() => {}, 1_000);
if (args.has('listener')) {
  process.on('SIGTERM', () => {
    setTimeout(() => {
      say('the app ends');
      process.exit(42);
    }, 500);
  });
}
await serve('first', expressAdapter());
if (args.has('two')) await serve('second', koaAdapter());
say('up');
