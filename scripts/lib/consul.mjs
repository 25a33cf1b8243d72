import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const CACHED = join(root, '.cache/consul/consul');
/** Debian 12 and later have no Consul; the one of Debian 11 (1.8.7) runs on them. */
const SUITE = 'bullseye';

/**
 * A Consul binary: CONSUL_BIN, `consul` on the PATH, or the one in .cache; with `fetch` it is brought there first if need be.
 * Undefined when there is none. Nothing is installed on the machine.
 */
export async function consulBinary({ fetch = false } = {}) {
  const own = process.env['CONSUL_BIN'];
  if (own !== undefined && own !== '') {
    if (!isExecutable(own)) throw new Error(`CONSUL_BIN: ${own} cannot be run. Give the path of a consul binary, or leave it out.`);
    return own;
  }
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && isExecutable(join(folder, 'consul'))) return join(folder, 'consul');
  }
  if (isExecutable(CACHED)) return CACHED;
  if (!fetch) return undefined;
  return (await fetchFromDebian()) ? CACHED : undefined;
}

/** Downloads Debian's package with lists of its own, so that the machine's apt state stays as it is, and unpacks it into .cache. */
async function fetchFromDebian() {
  const mirror = debianMirror();
  if (mirror === undefined) return false;
  // Only here: it handles the signals of this process, which tests that import this file want to be asked for.
  const { run } = await import('./run.mjs');
  mkdirSync(join(root, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(root, '.cache/consul-fetch-'));
  try {
    for (const name of ['lists/partial', 'archives/partial', 'unpacked']) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'sources.list'), `deb [signed-by=${mirror.keyring}] ${mirror.uri} ${SUITE} main\n`);
    const options = {
      'Dir::Etc::sourcelist': join(folder, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::State::Lists': join(folder, 'lists'),
      'Dir::Cache': folder,
      'Dir::Cache::archives': join(folder, 'archives'),
      'APT::Get::List-Cleanup': '0',
      'APT::Sandbox::User': 'root', // the folder is ours, not readable for apt's own user
      'Acquire::Retries': '2',
    };
    const apt = (...args) =>
      run('apt-get', [...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]), '-qq', ...args], {
        cwd: folder,
        quiet: true,
        timeoutMs: 60_000,
      });
    if ((await apt('update')) !== 0 || (await apt('download', 'consul')) !== 0) return false;
    const archive = readdirSync(folder).find((name) => /^consul_.*\.deb$/.test(name));
    if (archive === undefined || (await run('dpkg', ['-x', archive, 'unpacked'], { cwd: folder, quiet: true })) !== 0) return false;
    mkdirSync(join(root, '.cache/consul'), { recursive: true });
    renameSync(join(folder, 'unpacked/usr/bin/consul'), CACHED);
    return isExecutable(CACHED);
  } catch (error) {
    process.stderr.write(`Consul could not be fetched: ${error?.message ?? error}\n`);
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Where this machine takes its own Debian packages from, and the keys that it trusts for them. */
function debianMirror() {
  const keyring = ['/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/debian-archive-keyring.pgp'].find(existsSync);
  if (keyring === undefined) return undefined;
  for (const file of sourceFiles()) {
    const text = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .join('\n');
    const sources = file.endsWith('.sources')
      ? text.split(/\n\s*\n/).map((stanza) => ({
          uri: field(stanza, 'URIs')?.split(/\s+/)[0],
          suites: field(stanza, 'Suites') ?? '',
          rest: field(stanza, 'Components') ?? '',
        }))
      : [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/gm)].map(([, uri, suites, rest]) => ({ uri, suites, rest }));
    // Debian's archive itself, not its security updates and not another vendor's packages.
    const archive = sources.find(
      ({ uri, suites, rest }) => uri !== undefined && /\/debian\/?$/.test(uri) && !/security/.test(suites) && /\bmain\b/.test(rest),
    );
    if (archive !== undefined) return { uri: archive.uri, keyring };
  }
  return undefined;
}

function sourceFiles() {
  const folder = '/etc/apt/sources.list.d';
  const parts = existsSync(folder) ? readdirSync(folder).filter((name) => /\.(?:sources|list)$/.test(name)) : [];
  return [...parts.sort().map((name) => join(folder, name)), '/etc/apt/sources.list'].filter(existsSync);
}

function field(stanza, name) {
  return new RegExp(`^${name}:\\s*(.+)$`, 'm').exec(stanza)?.[1]?.trim();
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const agents = new Set();
process.on('exit', () => {
  for (const child of agents) child.kill('SIGKILL');
});

/**
 * An agent of its own ports on 127.0.0.1 that ends with this process. `dataDirectory`: a server that keeps its data across restarts
 * (its election takes some seconds); else a dev agent, which forgets everything. `start` resolves when it has a leader.
 */
export async function consulAgent(binary, { dataDirectory, httpPort, hcl } = {}) {
  const [http, server, lan, wan] = await freePorts(4);
  const ports = { http: httpPort ?? http, server, lan, wan };
  const address = `http://127.0.0.1:${ports.http}`;
  let child;
  let ended = Promise.resolve();

  const start = async () => {
    const args = ['agent', '-bind=127.0.0.1', '-client=127.0.0.1', '-log-level=err', '-dns-port=-1', '-grpc-port=-1'];
    args.push(`-http-port=${ports.http}`, `-server-port=${ports.server}`, `-serf-lan-port=${ports.lan}`, `-serf-wan-port=${ports.wan}`);
    args.push('-hcl=performance { raft_multiplier = 1 }', '-node=ferrule', ...(hcl === undefined ? [] : [`-hcl=${hcl}`]));
    args.push(...(dataDirectory === undefined ? ['-dev'] : ['-server', '-bootstrap-expect=1', `-data-dir=${dataDirectory}`]));
    const started = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    agents.add(started);
    let output = '';
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk) => (output = (output + chunk).slice(-2_000)));
    ended = new Promise((resolve) => started.once('close', resolve));
    void ended.then(() => agents.delete(started));
    for (const end = Date.now() + 30_000; ; await wait(25)) {
      if (started.exitCode !== null || started.signalCode !== null) throw new Error(`consul ended at once:\n${output}`);
      if (await hasLeader(address)) return;
      if (Date.now() > end) throw new Error(`consul has no leader after 30 s:\n${output}`);
    }
  };
  const kill = async (signal = 'SIGKILL') => {
    child?.kill(signal);
    await ended;
  };
  return { address, start, kill };
}

/** Whether the agent takes registrations: it answers, knows a leader, and has put its own node into the catalogue. */
async function hasLeader(address) {
  return /^"[^"]+"$/.test((await textOf(`${address}/v1/status/leader`)) ?? '') && /ferrule/.test((await textOf(`${address}/v1/catalog/nodes`)) ?? '');
}

function textOf(url) {
  return new Promise((resolve) => {
    const req = request(url, { agent: false, timeout: 2_000 }, (res) => {
      let text = '';
      res.on('data', (chunk) => (text += chunk));
      res.on('end', () => resolve(res.statusCode === 200 ? text.trim() : undefined));
      res.on('error', () => resolve(undefined));
    });
    req.on('timeout', () => req.destroy());
    req.on('error', () => resolve(undefined));
    req.end();
  });
}

/** Ports that nobody uses now; all are held before the first is given up, so that no two are the same. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
