import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const running = new Set();
const folders = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/**
 * A server that ends with this process. `args` is asked at each start. `start` resolves when `isReady` does to true, and rejects with the end of
 * the output when it ends before or takes longer than 30 s. `kill` (SIGKILL) and `stop` (SIGTERM) resolve when it is gone; both do nothing when
 * it is not there. `pause` (SIGSTOP) leaves its connections open and answers nothing until `resume`.
 */
export function serverProcess({ name, binary, args, env = {}, isReady, onEnd = () => {} }) {
  let child;
  let ended = Promise.resolve();

  const start = async () => {
    if (child !== undefined && running.has(child)) throw new Error(`${name} is running already`);
    const started = spawn(binary, args(), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    child = started;
    running.add(started);
    let output = '';
    let failure;
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk) => (output = (output + chunk).slice(-2_000)));
    started.once('error', (error) => (failure = error));
    ended = new Promise((resolve) => started.once('close', resolve)).then(() => {
      running.delete(started);
      onEnd();
    });
    for (const end = Date.now() + 30_000; ; await wait(25)) {
      if (failure !== undefined) throw failure;
      if (started.exitCode !== null || started.signalCode !== null) throw new Error(`${name} ended at once:\n${output}`);
      if (await isReady()) return;
      if (Date.now() > end) throw new Error(`${name} is not ready after 30 s:\n${output}`);
    }
  };
  const kill = async (signal = 'SIGKILL') => {
    child?.kill(signal);
    await ended;
  };
  const stop = async () => {
    child?.kill('SIGCONT'); // a paused one would not hear of it
    await kill('SIGTERM');
  };
  const pause = async () => {
    child?.kill('SIGSTOP');
    const state = `/proc/${child?.pid}/stat`;
    while (existsSync(state) && !/\) [TZX] /.test(readFileSync(state, 'utf8'))) await wait(1);
  };
  const resume = () => {
    child?.kill('SIGCONT');
  };
  return { start, kill, stop, pause, resume };
}

/** A folder of its own for each start of a server that shall forget everything; `remove` it when the server is gone. */
export function scratchFolder(name) {
  let folder;
  const remove = () => {
    if (folder === undefined) return;
    rmSync(folder, { recursive: true, force: true });
    folders.delete(folder);
    folder = undefined;
  };
  const renew = () => {
    remove();
    folder = mkdtempSync(join(tmpdir(), `ferrule-${name}-`));
    folders.add(folder);
    return folder;
  };
  return { renew, remove };
}

/** The text of an answer with status 200; undefined for every other and for none within 2 s. */
export function textOf(url) {
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
export async function freePorts(count) {
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
