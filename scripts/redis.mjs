// npm run redis: a Redis on redis://127.0.0.1:6379 to try things with; it forgets everything when it ends.
// npm run redis -- --port 6380: on another port; npm run redis -- --fetch: only makes sure that there is a binary, and prints where.
// The binary is REDIS_BIN, `redis-server` on the PATH, or Debian's packages, unpacked into .cache (needs apt-get; nothing is installed).
import { redisBinary, redisServer } from './lib/redis.mjs';
import { tryServer } from './lib/try-server.mjs';

await tryServer({
  name: 'Redis',
  variable: 'REDIS_BIN',
  port: 6379,
  binary: redisBinary,
  server: (path, port) => redisServer(path, { port }),
  says: ({ url }) => url,
});
