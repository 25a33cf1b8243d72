// undici's package index costs 46 ms and 16 MiB to load and takes over the dispatcher of the built-in fetch
// (globalThis[Symbol.for('undici.globalDispatcher.1')]) for the whole process. The two modules that Ferrule needs cost 15 ms
// and 8 MiB and touch nothing global (Node 20, undici 7.30; test/core/http-transport.test.ts guards it, and with it the paths).
// undici 7 has no `exports` map, so they are reachable; only their types are missing.

declare module 'undici/lib/dispatcher/pool.js' {
  import type { Pool } from 'undici';
  const pool: typeof Pool;
  export default pool;
}

declare module 'undici/lib/core/connect.js' {
  import type { buildConnector } from 'undici';
  import type { Socket } from 'node:net';
  /** As the public one, which does not tell that the connector gives its socket back. */
  type Connector = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket;
  const build: (options?: buildConnector.BuildOptions) => Connector;
  export default build;
}
