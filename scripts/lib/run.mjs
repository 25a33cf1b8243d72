import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const group of running) killGroup(group, signal);
    // The step that was cut reports itself; a second signal ends this script too.
    process.removeAllListeners(signal);
    process.exitCode = 1;
  });
}
process.on('exit', () => {
  for (const group of running) killGroup(group, 'SIGKILL');
});

/**
 * Runs a command and resolves to its exit code, 124 when it took longer than `timeoutMs`. The command and all that it starts
 * are one process group, which is gone when this resolves: a step leaves nothing behind.
 */
export function run(command, args, { env = {}, cwd = root, timeoutMs, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'],
      detached: true,
    });
    child.stdout?.resume();
    running.add(child.pid);
    let late = false;
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            late = true;
            process.stderr.write(`\n${command} ${args.join(' ')} took longer than ${Math.round(timeoutMs / 1000)} s and is ended.\n`);
            killGroup(child.pid, 'SIGTERM');
            setTimeout(() => killGroup(child.pid, 'SIGKILL'), 3000).unref();
          }, timeoutMs);
    const done = (settle) => {
      clearTimeout(timer);
      killGroup(child.pid, 'SIGKILL');
      running.delete(child.pid);
      settle();
    };
    child.once('error', (error) => done(() => reject(error)));
    child.once('exit', (code, signal) => done(() => resolve(late ? 124 : (code ?? (signal === null ? 1 : 128)))));
  });
}

/** Runs one of the repository's own tools with this Node, or with another. */
export function tool(script, args, { node = process.execPath, ...options } = {}) {
  return run(node, [script, ...args], options);
}

/** Runs npm itself, the one that started this script if there is one. */
export function npm(args, options) {
  const cli = process.env['npm_execpath'];
  return cli === undefined || !/\.c?js$/.test(cli) ? run('npm', args, options) : run(process.execPath, [cli, ...args], options);
}

function killGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // All of the group are gone.
  }
}
