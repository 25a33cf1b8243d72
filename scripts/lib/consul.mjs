import { findBinary } from './binary.mjs';
import { freePorts, serverProcess, textOf } from './server-process.mjs';

/**
 * A Consul binary: CONSUL_BIN, `consul` on the PATH, or the one in .cache; with `fetch` it is brought there first if need be.
 * Undefined when there is none. Nothing is installed on the machine.
 */
export function consulBinary({ fetch = false } = {}) {
  // Debian 12 and later have no Consul; the one of Debian 11 (1.8.7) runs on them.
  return findBinary({ command: 'consul', variable: 'CONSUL_BIN', packages: ['consul'], suite: 'bullseye', into: 'debian/consul', fetch });
}

/**
 * An agent of its own ports on 127.0.0.1 that ends with this process. `dataDirectory`: a server that keeps its data across restarts
 * (its election takes some seconds); else a dev agent, which forgets everything. `start` resolves when it has a leader.
 */
export async function consulAgent(binary, { dataDirectory, httpPort, hcl } = {}) {
  const [http, server, lan, wan] = await freePorts(4);
  const ports = { http: httpPort ?? http, server, lan, wan };
  const address = `http://127.0.0.1:${ports.http}`;
  const args = ['agent', '-bind=127.0.0.1', '-client=127.0.0.1', '-log-level=err', '-dns-port=-1', '-grpc-port=-1'];
  args.push(`-http-port=${ports.http}`, `-server-port=${ports.server}`, `-serf-lan-port=${ports.lan}`, `-serf-wan-port=${ports.wan}`);
  args.push('-hcl=performance { raft_multiplier = 1 }', '-node=ferrule', ...(hcl === undefined ? [] : [`-hcl=${hcl}`]));
  args.push(...(dataDirectory === undefined ? ['-dev'] : ['-server', '-bootstrap-expect=1', `-data-dir=${dataDirectory}`]));
  return { address, ...serverProcess({ name: 'consul', binary, args: () => args, isReady: () => hasLeader(address) }) };
}

/** Whether the agent takes registrations: it answers, knows a leader, and has put its own node into the catalogue. */
async function hasLeader(address) {
  return /^"[^"]+"$/.test((await textOf(`${address}/v1/status/leader`)) ?? '') && /ferrule/.test((await textOf(`${address}/v1/catalog/nodes`)) ?? '');
}
