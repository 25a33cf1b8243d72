import { createService, get, silentLogger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';

// A service as the child of a supervisor that forks it: it tells its phases as they come, stops in order when the supervisor has gone or sends
// `shutdown` (PM2 on systems without signals), and after that nothing of the channel keeps it running. `hang`: a hook that takes for ever.

const service = createService({
  name: 'child',
  adapter: expressAdapter(),
  drainDelay: '50ms',
  logger: silentLogger,
  listen: { host: '127.0.0.1' },
  routes: [
    get('/slow', async () => {
      process.send?.('entered');
      await new Promise((resolve) => setTimeout(resolve, 200));
      return 'slow';
    }),
  ],
});
service.onPhase(({ phase }) => {
  if (process.connected) process.send!(phase);
  process.stdout.write(`${phase}\n`);
});
if (process.argv.includes('hang')) service.onStop(() => new Promise(() => {}), { timeout: '20s' });
const leave = (why: string): void => void service.stop(why).then(() => process.exit());
process.once('disconnect', () => leave('the supervisor has gone'));
process.on('message', (message) => message === 'shutdown' && leave('the supervisor says so'));
await service.start();
process.stdout.write(`port ${service.address!.port}\n`);
