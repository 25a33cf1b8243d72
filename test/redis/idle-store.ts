/**
 * A process with nothing but a store: `open`: it was used and is left open; `closed`: it was disposed of; `away`: it was disposed of between two
 * attempts to connect; `connecting`: while it connects to a peer that never answers. It ends by itself in each case.
 */
import { redisStore } from '@ferrule/redis';

const [what, url] = process.argv.slice(2);
const { signal } = new AbortController();
const store = redisStore({ url: url! });
store.subscribe?.(() => {});
if (what === 'away') await store.load('orders', signal).catch(() => {});
else if (what !== 'connecting') {
  await store.save({ service: 'orders', instances: [], at: Date.now() }, signal);
  await store.load('orders', signal);
}
if (what !== 'open') await store[Symbol.asyncDispose]();
process.stdout.write(`done ${what}\n`);
