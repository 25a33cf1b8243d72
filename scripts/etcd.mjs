// npm run etcd: an etcd on http://127.0.0.1:2379 to try things with; it forgets everything when it ends.
// npm run etcd -- --port 2381: on another port; npm run etcd -- --fetch: only makes sure that there is a binary, and prints where.
// The binary is ETCD_BIN, `etcd` on the PATH, or Debian's package, unpacked into .cache (needs apt-get; nothing is installed).
import { etcdBinary, etcdServer } from './lib/etcd.mjs';
import { tryServer } from './lib/try-server.mjs';

await tryServer({
  name: 'etcd',
  variable: 'ETCD_BIN',
  port: 2379,
  binary: etcdBinary,
  server: (path, clientPort) => etcdServer(path, { clientPort }),
  says: ({ address }) => address,
});
