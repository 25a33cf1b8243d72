import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs, { existsSync } from 'node:fs';
import { chmod, chown, lstat, mkdir, mkdtemp, readFile, readdir, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { fileRegistry, isServiceError } from '@ferrule/core';
import type { FileRegistryOptions, Instance, Logger, Registry } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const PROGRAM = fileURLToPath(new URL('./registry-process.js', import.meta.url));
const LINUX = process.platform === 'linux';

describe('fileRegistry', () => {
  const cleanUps: (() => unknown)[] = [];
  let directory = '';

  beforeEach(async () => {
    const parent = await mkdtemp(join(tmpdir(), 'ferrule-test-'));
    cleanUps.push(() => rm(parent, { recursive: true, force: true }));
    directory = join(parent, 'registry');
  });

  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  });

  const open = (options: FileRegistryOptions = {}): Registry => {
    const registry = fileRegistry({ directory, ...options });
    cleanUps.push(() => registry[Symbol.asyncDispose]());
    return registry;
  };

  /** Another process; `tell` resolves when it has done what it was told. */
  const startProcess = (options: FileRegistryOptions = {}) => {
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify({ directory, ...options })], { stdio: ['pipe', 'pipe', 'inherit'] });
    const waiting = new Map<string, () => void>();
    createInterface({ input: child.stdout }).on('line', (line) => waiting.get(line.slice(line.indexOf(' ') + 1))?.());
    child.stdin.on('error', () => {});
    cleanUps.push(() => kill(child));
    return {
      child,
      tell: (line: string): Promise<void> =>
        new Promise((resolve, reject) => {
          child.once('exit', () => reject(new Error(`It ended before it did: ${line}`)));
          waiting.set(line, resolve);
          child.stdin.write(`${line}\n`);
        }),
      kill: () => kill(child),
    };
  };

  const watch = (registry: Registry, service = 'orders') => {
    const ending = new AbortController();
    cleanUps.push(() => ending.abort());
    const seen: string[] = [];
    const lists = registry.watch(service, ending.signal)[Symbol.asyncIterator]();
    const next = async (): Promise<string> => {
      const step = await lists.next();
      if (step.done === true) throw new Error('The watch ended');
      seen.push(idsOf(step.value));
      return idsOf(step.value);
    };
    return {
      next,
      /** All lists so far, as ids. */
      seen,
      async until(ids: string): Promise<void> {
        while ((await next()) !== ids);
      },
    };
  };

  describe('between processes', function () {
    this.timeout(20_000);

    it('shows an instance of another process, its status and its leaving', async () => {
      const registry = open();
      const lists = watch(registry);
      expect(await lists.next()).to.equal('');
      const other = startProcess();
      await Promise.all([other.tell(register('1')), lists.until('1')]);
      await Promise.all([other.tell('report 1 fail'), lists.next()]);
      expect((await now(registry))[0]).to.include({ id: '1', status: 'fail' });
      other.child.stdin.end();
      await lists.until('');
    });

    it('sees all of twenty processes that register at once', async () => {
      const lists = watch(open());
      const all = Array.from({ length: 20 }, (_, index) => `p${String(index).padStart(2, '0')}`);
      await Promise.all([...all.map((id) => startProcess().tell(register(id))), lists.until(all.join(' '))]);
    });

    it('drops a killed process within three seconds, nobody else, and removes what it left', async () => {
      const clock = manualClock({ wallTime: Date.now() });
      const lists = watch(open({ clock }));
      const processes = new Map(['1', '2', '3'].map((id) => [id, startProcess()]));
      await Promise.all([...[...processes].map(([id, one]) => one.tell(register(id))), lists.until('1 2 3')]);
      const before = lists.seen.length;
      await processes.get('2')!.kill();
      await Promise.all([clock.advance(3_000), lists.until('1 3')]);
      expect(lists.seen.slice(before)).to.deep.equal(['1 3']);
      await processes.get('3')!.kill();
      await Promise.all([clock.advance(3_000), lists.until('1')]);
      await holds(directory, ['orders@1.json']);
    });

    it('drops a killed process that its parent has not collected yet', async function () {
      if (!LINUX) this.skip();
      const lists = watch(open({ poll: '50ms' }));
      const program = `const { pid } = require('node:child_process').spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' }); console.log(pid);`;
      const parent = spawn(process.execPath, ['-e', program, PROGRAM, JSON.stringify({ directory })], { stdio: ['pipe', 'pipe', 'inherit'] });
      cleanUps.push(() => kill(parent));
      const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
      const pid = Number(line);
      cleanUps.push(() => signalOf(pid, 'SIGKILL'));
      parent.stdin.write(`${register('1')}\n`);
      await lists.until('1');
      // A parent that is stopped collects nobody.
      parent.kill('SIGSTOP');
      await stopped(parent.pid!);
      process.kill(pid, 'SIGKILL');
      await lists.until('');
    });

    it('keeps a process that is stopped for two seconds, drops it after ten without a heartbeat, and takes it back when it goes on', async () => {
      const clock = manualClock({ wallTime: Date.now() });
      const registry = open({ clock });
      const lists = watch(registry);
      await lists.next();
      const other = startProcess({ heartbeat: '50ms' });
      await Promise.all([other.tell(register('1')), lists.until('1')]);
      other.child.kill('SIGSTOP');
      await stopped(other.child.pid!);
      await registry.services();
      await clock.advance(2_000);
      expect(await registry.services()).to.deep.equal(['orders']);
      await clock.advance(9_000);
      expect(await registry.services()).to.deep.equal([]);
      other.child.kill('SIGCONT');
      await other.tell('block 1');
      // Each look may come before the next heartbeat.
      while ((await registry.services()).length === 0);
      expect(lists.seen).to.deep.equal(['', '1']);
      await lists.until('1');
    });

    it('keeps a process whose event loop is blocked for longer than its heartbeat', async () => {
      const registry = open({ poll: '20ms' });
      const lists = watch(registry);
      const other = startProcess({ heartbeat: '50ms', expireAfter: '10s' });
      await Promise.all([other.tell(register('1')), lists.until('1')]);
      await other.tell('block 200');
      await other.tell(register('2'));
      await lists.until('1 2');
      expect(lists.seen.slice(lists.seen.indexOf('1'))).to.deep.equal(['1', '1 2']);
    });

    it('replaces the entry of a killed process by its successor with the same id', async () => {
      const registry = open();
      const old = startProcess();
      await old.tell(register('1', 1001));
      await old.kill();
      const successor = startProcess();
      await successor.tell(register('1', 1002));
      expect((await now(registry)).map(({ port }) => port)).to.deep.equal([1002]);
      // A look has begun after the death was found: the entry is the successor's, and stays.
      expect((await now(registry)).map(({ port }) => port)).to.deep.equal([1002]);
    });
  });

  describe('its directory', () => {
    it('is made with mode 0700, and entries with 0600', async () => {
      const registry = open();
      await registry.register(instance('1'));
      expect(modeOf(await lstat(directory))).to.equal('700');
      expect(modeOf(await lstat(join(directory, 'orders@1.json')))).to.equal('600');
    });

    for (const [what, prepare, message] of [
      ['a directory that everybody may write into', async () => mkdir(directory).then(() => chmod(directory, 0o777)), /777.*chmod 700/],
      ['a directory that its group may write into', async () => mkdir(directory).then(() => chmod(directory, 0o770)), /770.*chmod 700/],
      ['a file', async () => writeFile(directory, ''), /no directory/],
      ['a symbolic link', async () => symlink(tmpdir(), directory), /symbolic link/],
      [
        'a directory of another user',
        async () => mkdir(directory, { mode: 0o700 }).then(() => chown(directory, 12_345, 12_345)),
        /belongs to the user 12345/,
      ],
    ] as const) {
      it(`is refused when it is ${what}`, async function () {
        if (what.includes('another user') && process.getuid?.() !== 0) this.skip();
        await prepare();
        const registry = open();
        for (const attempt of [() => registry.register(instance('1')), () => registry.services(), () => now(registry)]) {
          const error = await rejection(attempt());
          expect(isServiceError(error) && error.code).to.equal('FAILED_PRECONDITION');
          expect((error as Error).message)
            .to.include(directory)
            .and.match(message);
        }
      });
    }

    it('comes back with its entries when it is deleted, and changes are heard of again', async () => {
      const registry = open({ poll: '20ms', heartbeat: '50ms' });
      const lists = watch(registry);
      await registry.register(instance('1'));
      await lists.until('1');
      await rm(directory, { recursive: true });
      while (!existsSync(join(directory, 'orders@1.json'))) await registry.services();
      await registry.register(instance('2'));
      await lists.until('1 2');
    });
  });

  describe('what it finds there', () => {
    it('is reported once and ignored when it is no entry, and never deleted', async () => {
      const { logger, lines } = recorded();
      const good = open();
      await good.register(instance('1'));
      const text = await readFile(join(directory, 'orders@1.json'), 'utf8');
      const bad: Record<string, string> = {
        'orders@2.json': '{"ferrule":1,',
        'orders@3.json': '',
        'orders@4.json': 'null',
        'orders@5.json': text,
        'orders@6.json': text.replace('"ferrule": 1', '"ferrule": 2'),
        'orders@7.json': text.replaceAll('"id": "1"', '"id": "7"').replace('"port": 8080', '"port": 0'),
        'orders@8.json': ' '.repeat(600_000),
        'notes.txt': 'hello',
        '.hidden': '',
      };
      for (const [name, content] of Object.entries(bad)) await writeFile(join(directory, name), content);
      await mkdir(join(directory, 'sub.json'));
      await symlink('/etc/hostname', join(directory, 'link.json'));
      if (LINUX) execFileSync('mkfifo', [join(directory, 'pipe.json')]);
      const expected = [...Object.keys(bad), 'sub.json', 'link.json', ...(LINUX ? ['pipe.json'] : [])].sort();

      const registry = open({ logger, poll: '10ms' });
      expect(idsOf(await now(registry))).to.equal('1');
      expect(await registry.services()).to.deep.equal(['orders']);
      expect(lines.map(({ fields }) => String(fields['file'])).sort()).to.deep.equal(expected);
      expect((await readdir(directory)).sort()).to.deep.equal([...expected, 'orders@1.json'].sort());
    });

    it('is taken up when a corrupt entry is put right', async () => {
      const registry = open();
      await mkdir(directory, { mode: 0o700 });
      await writeFile(join(directory, 'orders@1.json'), 'half');
      const lists = watch(registry);
      expect(await lists.next()).to.equal('');
      await registry.register(instance('1'));
      await lists.until('1');
    });

    it('is given a time: a file that was being written is deleted after a minute, not sooner', async () => {
      const registry = open();
      await registry.register(instance('1'));
      const old = join(directory, `.${'0'.repeat(24)}.tmp`);
      const fresh = join(directory, `.${'1'.repeat(24)}.tmp`);
      await writeFile(old, '');
      await writeFile(fresh, '');
      await utimes(old, Date.now() / 1_000 - 61, Date.now() / 1_000 - 61);
      await registry.services();
      expect((await readdir(directory)).sort()).to.deep.equal([`.${'1'.repeat(24)}.tmp`, 'orders@1.json']);
    });

    /** An entry as this process would write it, but for the owner. */
    const forge = async (owner: object): Promise<string> => {
      const writer = open();
      const registration = await writer.register(instance('1'));
      const file = join(directory, 'orders@1.json');
      const entry = JSON.parse(await readFile(file, 'utf8')) as { owner: object; token: string };
      await registration.deregister();
      await writeFile(file, JSON.stringify({ ...entry, token: 'forged', owner: { ...entry.owner, ...owner } }), { mode: 0o600 });
      return file;
    };

    it('is dead when its pid is in use by a later process', async function () {
      if (!LINUX) this.skip();
      await forge({ pid: process.ppid, startedAt: '1' });
      expect(await now(open())).to.deep.equal([]);
      await holds(directory, []);
    });

    it('is put back when it took the place of a dead one at the very moment of its removal', async function () {
      if (!LINUX) this.skip();
      const file = await forge({ pid: process.ppid, startedAt: '1' });
      const dead = await readFile(file, 'utf8');
      const successor = dead
        .replace('forged', 'successor')
        .replace(String(process.ppid), String(process.pid))
        .replace(/"startedAt":"1"/, `"startedAt":"${ownStart()}"`);
      const original = fs.promises.rename;
      const restore = (): void => {
        fs.promises.rename = original;
        syncBuiltinESMExports();
      };
      cleanUps.push(restore);
      const moved = new Promise<void>((resolve) => {
        fs.promises.rename = async (from, to) => {
          restore();
          await writeFile(`${file}.new`, successor);
          await original(`${file}.new`, file);
          await original(from, to);
          resolve();
        };
      });
      syncBuiltinESMExports();
      const registry = open();
      expect(await now(registry)).to.deep.equal([]);
      await moved;
      await holds(directory, ['orders@1.json']);
      expect(await readFile(file, 'utf8')).to.equal(successor);
      expect(idsOf(await now(registry))).to.equal('1');
    });

    it('of another container lives by its heartbeat: hidden after its promise, back with the next, removed long after', async () => {
      const file = await forge({ scope: 'another container' });
      const clock = manualClock({ wallTime: Date.now() });
      const registry = open({ clock });
      const lists = watch(registry);
      expect(await lists.next()).to.equal('1');
      await clock.advance(9_900);
      expect(await registry.services()).to.deep.equal(['orders']);
      await clock.advance(200);
      expect(await registry.services()).to.deep.equal([]);
      await lists.until('');
      await utimes(file, 1, 1);
      expect(await registry.services()).to.deep.equal(['orders']);
      await lists.until('1');
      await clock.advance(59_000);
      await registry.services();
      expect(existsSync(file)).to.equal(true);
      await clock.advance(2_000);
      await registry.services();
      await holds(directory, []);
    });

    it('of another container is not listed when it is found long silent', async () => {
      const file = await forge({ scope: 'another container' });
      const then = Date.now() / 1_000 - 30;
      await utimes(file, then, then);
      expect(await now(open())).to.deep.equal([]);
      expect(existsSync(file)).to.equal(true);
    });

    it('of a process that lives is listed at once by a reader that starts after the clock was set ahead', async () => {
      await open().register(instance('1'));
      const clock = manualClock({ wallTime: Date.now() + 3_600_000 });
      expect(idsOf(await now(open({ clock })))).to.equal('1');
    });

    it('is not held to have been silent while this process was stopped itself', async () => {
      await forge({ scope: 'another container' });
      const manual = manualClock({ wallTime: Date.now() });
      let stoppedMs = 0;
      const clock: Clock = { ...manual, now: () => manual.now() + stoppedMs };
      const registry = open({ clock });
      const lists = watch(registry);
      expect(await lists.next()).to.equal('1');
      stoppedMs = 60_000;
      await manual.advance(1_000);
      await manual.advance(0);
      expect(await registry.services()).to.deep.equal(['orders']);
      expect(lists.seen).to.deep.equal(['1']);
    });
  });

  it('looks more often, and says so once, where the operating system does not tell of changes', async () => {
    const original = fs.watch;
    cleanUps.push(() => {
      fs.watch = original;
      syncBuiltinESMExports();
    });
    fs.watch = () => {
      throw Object.assign(new Error('System limit for number of file watchers reached'), { code: 'ENOSPC' });
    };
    syncBuiltinESMExports();
    const { logger, lines } = recorded();
    const clock = manualClock({ wallTime: Date.now() });
    const registry = open({ clock, logger, poll: '1s' });
    const lists = watch(registry);
    expect(await lists.next()).to.equal('');
    await registry.register(instance('1'));
    await Promise.all([clock.advance(250), lists.until('1')]);
    expect(lines.map(({ fields }) => (fields['error'] as NodeJS.ErrnoException).code)).to.deep.equal(['ENOSPC']);
  });

  describe('keeps its entries', () => {
    it('and writes one again that was deleted, without waiting for a heartbeat', async () => {
      const registry = open({ heartbeat: '1h', expireAfter: '4h', poll: '1h' });
      const lists = watch(registry);
      await registry.register(instance('1'));
      await lists.until('1');
      await unlink(join(directory, 'orders@1.json'));
      if ((await lists.next()) === '') await lists.until('1');
    });

    it('and writes none again after deregister', async () => {
      const registry = open({ heartbeat: '1h', expireAfter: '4h', poll: '1h' });
      const lists = watch(registry);
      const one = await registry.register(instance('1'));
      const two = await registry.register(instance('2'));
      await lists.until('1 2');
      const gone = one.deregister();
      await two.report('warn');
      await gone;
      await rm(join(directory, 'orders@1.json'), { force: true });
      await registry.services();
      expect(await readdir(directory)).to.deep.equal(['orders@2.json']);
    });

    it('with a note for whoever reads the file', async () => {
      const registry = open();
      const one = await registry.register(instance('1'));
      await one.report('fail', 'the disk is full');
      expect(JSON.parse(await readFile(join(directory, 'orders@1.json'), 'utf8'))).to.deep.include({ note: 'the disk is full' });
    });
  });

  for (const [options, message] of [
    [{ heartbeat: '5s' }, /expireAfter.*three heartbeats/],
    [{ heartbeat: 0 }, /heartbeat/],
    [{ poll: 'soon' }, /poll.*soon/],
    [{ expireAfter: -1 }, /expireAfter/],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      expect(() => fileRegistry(options)).to.throw(TypeError, message);
    });
  }
});

function instance(id: string, port = 8080): Instance {
  return { id, service: 'orders', host: '127.0.0.1', port };
}

const register = (id: string, port?: number): string => `register ${JSON.stringify(instance(id, port))}`;

const idsOf = (list: readonly Instance[]): string => list.map(({ id }) => id).join(' ');

async function now(registry: Registry): Promise<readonly Instance[]> {
  for await (const list of registry.watch('orders', new AbortController().signal)) return list;
  throw new Error('no list');
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function signalOf(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended
  }
}

/** Resolves when the process is stopped, which a signal only asks for. */
async function stopped(pid: number): Promise<void> {
  if (!LINUX) return;
  while (!/\) T/.test(await readFile(`/proc/${pid}/stat`, 'latin1')));
}

/** Resolves when the directory holds these files and no others: leftovers are removed in the background. */
async function holds(directory: string, names: readonly string[]): Promise<void> {
  while ((await readdir(directory)).sort().join() !== names.join());
}

/** When this process started, as Linux tells it. */
function ownStart(): string {
  const text = fs.readFileSync('/proc/self/stat', 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]!;
}

function modeOf(stats: { readonly mode: number }): string {
  return (stats.mode & 0o777).toString(8);
}

function recorded() {
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const write = (level: string) => (fields: object, message: string) => void lines.push({ level, fields: { ...fields }, message });
  const logger: Logger = { debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') };
  return { logger, lines };
}
