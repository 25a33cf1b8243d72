import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { findBinary } from './binary.mjs';
import { cachedFolder } from './debian.mjs';
import { freePorts, scratchFolder, serverProcess } from './server-process.mjs';

const INTO = 'debian/redis';
/** `redis-server` is a link to a binary of redis-tools; the others are libraries of it. */
const PACKAGES = ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2'];

/**
 * A Redis binary: REDIS_BIN, `redis-server` on the PATH, or the one in .cache; with `fetch` it is brought there first if need be.
 * Undefined when there is none. Nothing is installed on the machine.
 */
export function redisBinary({ fetch = false } = {}) {
  return findBinary({ command: 'redis-server', variable: 'REDIS_BIN', packages: PACKAGES, into: INTO, fetch });
}

/**
 * A server of its own port on 127.0.0.1 that ends with this process. `dataDirectory`: keeps its data across restarts, killed or not; else each
 * start is an empty one. `password`: of every connection. `args`: further ones of the command line. `start` resolves when it answers.
 */
export async function redisServer(binary, { dataDirectory, port, password, args = [] } = {}) {
  const chosen = port ?? (await freePorts(1))[0];
  const scratch = scratchFolder('redis');
  const commandLine = () => [
    ...['--port', String(chosen), '--bind', '127.0.0.1', '--daemonize', 'no', '--save', ''],
    ...['--dir', dataDirectory ?? scratch.renew(), '--appendonly', dataDirectory === undefined ? 'no' : 'yes'],
    ...(password === undefined ? [] : ['--requirepass', password]),
    ...args,
  ];
  const library = libraryFolder(binary);
  const env = library === undefined ? {} : { LD_LIBRARY_PATH: library };
  return {
    port: chosen,
    url: `redis://127.0.0.1:${chosen}`,
    ...serverProcess({ name: 'redis', binary, args: commandLine, env, isReady: () => answersPing(chosen), onEnd: scratch.remove }),
  };
}

/** The libraries of the binary in .cache lie beside it; another one has its own. */
function libraryFolder(binary) {
  if (!binary.startsWith(cachedFolder(INTO))) return undefined;
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch];
  return join(dirname(dirname(binary)), 'lib', `${machine}-linux-gnu`);
}

/** Also when it asks for a password first; not while it reads its data. */
function answersPing(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 2_000 }, () => socket.write('PING\r\n'));
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => done(/^(?:\+PONG|-NOAUTH)/.test(data.toString())));
    socket.once('timeout', () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
  });
}
