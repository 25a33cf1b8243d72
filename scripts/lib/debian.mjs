import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Where `into` is: `.cache/<into>` of the repository. */
export function cachedFolder(into) {
  return join(root, '.cache', into);
}

/**
 * Debian's packages of a suite (default: the machine's own), all unpacked into the one folder `.cache/<into>`, and that folder; undefined, with
 * a line on stderr, when they cannot be had. Nothing is installed, and the machine's apt state stays as it is. The folder appears at once and
 * complete, or not at all; processes that want the same one wait for the first.
 */
export async function fetchDebianPackages({ packages, suite, into }) {
  const target = cachedFolder(into);
  mkdirSync(dirname(target), { recursive: true });
  const unlock = await lock(`${target}.lock`);
  try {
    if (existsSync(target)) return target;
    return await fetchInto(target, packages, suite);
  } catch (error) {
    process.stderr.write(`${packages.join(', ')} could not be fetched: ${error?.message ?? error}\n`);
    return undefined;
  } finally {
    unlock();
  }
}

/** Downloads with lists of its own. */
async function fetchInto(target, packages, suite) {
  const mirror = debianMirror();
  if (mirror === undefined) throw new Error("this machine has no apt sources of Debian's archive, or not its keys");
  // Only here: it handles the signals of this process, which tests that import this file want to be asked for.
  const { run } = await import('./run.mjs');
  const folder = mkdtempSync(join(dirname(target), `${basename(target)}-fetch-`));
  try {
    for (const name of ['lists/partial', 'archives/partial', 'unpacked']) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'sources.list'), `deb [signed-by=${mirror.keyring}] ${mirror.uri} ${suite ?? mirror.suite} main\n`);
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
    const step = async (command, args) => {
      const code = await run(command, args, { cwd: folder, quiet: true, timeoutMs: 60_000 });
      if (code !== 0) throw new Error(`${command} ${args.at(-1)} ended with ${code}`);
    };
    const apt = (...args) => step('apt-get', [...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]), '-qq', ...args]);
    await apt('update');
    await apt('download', ...packages);
    for (const name of packages) {
      const archive = readdirSync(folder).find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'));
      if (archive === undefined) throw new Error(`apt-get download brought no ${name}`);
      await step('dpkg', ['-x', archive, 'unpacked']);
    }
    renameSync(join(folder, 'unpacked'), target);
    return target;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * One process at a time; the lock of one that is gone is taken over. Two that take it over at once would both fetch: the rename of the second
 * fails, and nothing is broken.
 */
async function lock(path) {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned(path)) rmSync(path, { force: true });
    else await wait(100);
  }
}

function isAbandoned(path) {
  try {
    const owner = Number(readFileSync(path, 'utf8'));
    // Its owner writes into it right after it made it.
    if (!Number.isInteger(owner) || owner < 1) return Date.now() - statSync(path).mtimeMs > 10_000;
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** Where this machine takes its own Debian packages from, of which suite, and the keys that it trusts for them. */
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
    if (archive !== undefined) return { uri: archive.uri, suite: archive.suites.split(/\s+/)[0], keyring };
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
