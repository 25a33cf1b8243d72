import { findBinary } from './binary.mjs';
import { freePorts, scratchFolder, serverProcess, textOf } from './server-process.mjs';

/**
 * An etcd binary: ETCD_BIN, `etcd` on the PATH, or the one in .cache; with `fetch` it is brought there first if need be.
 * Undefined when there is none. Nothing is installed on the machine.
 */
export function etcdBinary({ fetch = false } = {}) {
  return findBinary({ command: 'etcd', variable: 'ETCD_BIN', packages: ['etcd-server'], into: 'debian/etcd', fetch });
}

/**
 * A cluster of one, of its own ports on 127.0.0.1, that ends with this process. `dataDirectory`: keeps its data across restarts; else each start
 * is an empty one. `args`: further ones of the command line. `start` resolves when it has a leader.
 */
export async function etcdServer(binary, { dataDirectory, clientPort, args = [] } = {}) {
  const [client, peer] = await freePorts(2);
  const address = `http://127.0.0.1:${clientPort ?? client}`;
  const peers = `http://127.0.0.1:${peer}`;
  const scratch = scratchFolder('etcd');
  const commandLine = () => [
    '--name=ferrule',
    `--data-dir=${dataDirectory ?? scratch.renew()}`,
    `--listen-client-urls=${address}`,
    `--advertise-client-urls=${address}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=ferrule=${peers}`,
    '--logger=zap',
    '--log-level=error',
    ...args,
  ];
  const isReady = async () => /"health":\s*"?true/.test((await textOf(`${address}/health`)) ?? '');
  // It refuses to start elsewhere than on amd64 without this.
  const env = process.arch === 'x64' ? {} : { ETCD_UNSUPPORTED_ARCH: process.arch };
  return { address, ...serverProcess({ name: 'etcd', binary, args: commandLine, env, isReady, onEnd: scratch.remove }) };
}
