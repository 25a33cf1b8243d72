// npm run consul: a Consul dev agent on http://127.0.0.1:8500 to try things with; it forgets everything when it ends.
// npm run consul -- --port 8501: on another port; npm run consul -- --fetch: only makes sure that there is a binary, and prints where.
// The binary is CONSUL_BIN, `consul` on the PATH, or Debian's package, unpacked into .cache (needs apt-get; nothing is installed).
import { consulAgent, consulBinary } from './lib/consul.mjs';
import { tryServer } from './lib/try-server.mjs';

await tryServer({
  name: 'Consul',
  variable: 'CONSUL_BIN',
  port: 8500,
  binary: consulBinary,
  server: (path, httpPort) => consulAgent(path, { httpPort }),
  says: ({ address }) => `${address} (its page: ${address}/ui)`,
});
