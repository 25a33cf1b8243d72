import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createDirectory, fileStore } from '@ferrule/core';
import type { FileStoreOptions, Instance } from '@ferrule/core';
import { encodeSnapshot } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';
import { idsOf, instance, rejection } from './directory-fixtures.js';

const NOW = Date.UTC(2026, 0, 1);

describe('the file store', () => {
  let parent: string;
  beforeEach(() => void (parent = mkdtempSync(join(tmpdir(), 'ferrule-store-'))));
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  function scene(options: FileStoreOptions = {}) {
    const directory = options.directory ?? join(parent, 'lists');
    const clock = manualClock({ wallTime: NOW });
    const log: string[] = [];
    const write = (fields: object, message: string) => void log.push(`${message}: ${(fields as { why?: string }).why}`);
    const logger = { debug: write, info: write, warn: write, error: write };
    const store = fileStore({ directory, clock, logger, ...options });
    const { signal } = new AbortController();
    return {
      directory,
      clock,
      log,
      store,
      signal,
      path: (service: string) => join(directory, `${service}.list`),
      load: (service = 'orders') => store.load(service, signal),
      save: (instances: readonly Instance[], at = NOW, service = 'orders') => store.save({ service, instances, at }, signal),
    };
  }

  it('gives back what was saved, to another process too', async () => {
    const { save, load, directory } = scene();
    const list = [instance('1', { tags: ['a'], metadata: { k: 'ü' }, weight: 2, zone: 'z' }), instance('2', { host: '::1', status: 'fail' })];
    expect(await load()).to.equal(undefined);
    await save(list);
    const found = await scene({ directory }).load();
    expect(found).to.include({ service: 'orders', at: NOW });
    expect(JSON.parse(JSON.stringify(found!.instances))).to.deep.equal(list);
  });

  it('writes into a directory of its own user, mode 0700, files of mode 0600, whole or not at all', async () => {
    const { save, directory, path } = scene();
    await save([instance('1')]);
    expect(lstatSync(directory).mode & 0o777).to.equal(0o700);
    expect(lstatSync(path('orders')).mode & 0o777).to.equal(0o600);
    expect(readFileSync(path('orders'), 'utf8')).to.match(/^ferrule-list 1 \d+ [0-9a-f]{64}\n\{"service":"orders"/);
    expect(readdirSync(directory)).to.deep.equal(['orders.list']);
  });

  it('breaks a lock that a process left behind when it died, after half a second, and leaves none', async () => {
    const { save, load, clock, directory } = scene();
    await save([instance('1')]);
    writeFileSync(join(directory, 'orders.list.lock'), '');
    const saving = save([instance('2')], NOW + 1);
    let saved = false;
    void saving.then(() => (saved = true));
    while (!saved) await clock.advance(5);
    expect(clock.now()).to.be.at.least(500);
    expect((await load())!.instances.map(({ id }) => id)).to.deep.equal(['2']);
    expect(readdirSync(directory)).to.deep.equal(['orders.list']);
  });

  it('keeps each service in one file, whose name leaves the directory never', async () => {
    const { save, load, directory } = scene();
    const names = ['Orders', 'orders', '../orders', '..', 'a/b', 'x'.repeat(200), 'nul\\', '%2e'];
    for (const [index, name] of names.entries()) await save([instance(`${index}`, { service: name })], NOW, name);
    expect(readdirSync(directory)).to.have.length(names.length);
    expect(readdirSync(parent)).to.deep.equal(['lists']);
    for (const [index, name] of names.entries()) expect((await load(name))?.instances[0]?.id).to.equal(`${index}`);
  });

  it('does not let an older list replace a newer one, but one that claims to come from the future', async () => {
    const { save, load } = scene();
    await save([instance('new')]);
    await save([instance('old')], NOW - 1);
    expect((await load())?.instances[0]?.id).to.equal('new');
    await save([instance('future')], NOW + 86_400_000);
    await save([instance('now')], NOW + 1);
    expect((await load())?.instances[0]?.id).to.equal('now');
  });

  const good = encodeSnapshot({ service: 'orders', instances: [instance('1')], at: NOW });
  for (const [what, text, replaced] of [
    ['cut short', good.slice(0, -10), true],
    ['cut short in its first line', good.slice(0, 9), true],
    ['empty', '', true],
    ['changed by one digit', good.replace('8080', '8081'), true],
    ['given another time', good.replace(String(NOW), String(NOW + 1)), true],
    ['of another service', encodeSnapshot({ service: 'users', instances: [], at: NOW }), true],
    ['with an instance of another service', encodeSnapshot({ service: 'orders', instances: [instance('1', { service: 'users' })], at: NOW }), true],
    ['with an instance that does not fit', encodeSnapshot({ service: 'orders', instances: [{ ...instance('1'), port: 0 }], at: NOW }), true],
    ['with a host that is none', encodeSnapshot({ service: 'orders', instances: [instance('1', { host: 'a b' })], at: NOW }), true],
    ['of a newer version', good.replace('ferrule-list 1', 'ferrule-list 2'), false],
    ['of somebody else', '{"my":"file"}', false],
  ] as const) {
    it(`reports a file that is ${what} once, ignores it, and ${replaced ? 'replaces it with the next list' : 'leaves it alone'}`, async () => {
      const { save, load, path, directory, log } = scene();
      mkdirSync(directory, { mode: 0o700 });
      writeFileSync(path('orders'), text, { mode: 0o600 });
      expect(await load()).to.equal(undefined);
      expect(await load()).to.equal(undefined);
      expect(log).to.have.length(1);
      expect(log[0]).to.match(/^A file in the store is ignored: .+/);
      expect(readFileSync(path('orders'), 'utf8')).to.equal(text);
      const saved = await rejection(save([instance('2')]));
      if (replaced) {
        expect(saved).to.equal(undefined);
        expect((await load())?.instances[0]?.id).to.equal('2');
      } else {
        expect(saved).to.have.property('code', 'FAILED_PRECONDITION');
        expect(String(saved)).to.match(/orders\.list alone.*Move the file away/);
        expect(readFileSync(path('orders'), 'utf8')).to.equal(text);
      }
    });
  }

  it('follows no link, and reads no file longer than 8 MiB', async () => {
    const { load, path, directory, log } = scene();
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(join(parent, 'elsewhere'), good);
    symlinkSync(join(parent, 'elsewhere'), path('orders'));
    expect(await load()).to.equal(undefined);
    writeFileSync(path('users'), '');
    truncateSync(path('users'), 8 * 1024 * 1024 + 1);
    expect(await load('users')).to.equal(undefined);
    expect(log.join()).to.match(/no ordinary file.*longer than/);
  });

  it('refuses a directory that others may write into, and says so in its own words', async () => {
    const { load, directory } = scene();
    mkdirSync(directory);
    chmodSync(directory, 0o777);
    const error = await rejection(load());
    expect(error).to.have.property('code', 'FAILED_PRECONDITION');
    expect(String(error)).to.match(/The file store's directory .*writ.*chmod 700/);
  });

  it('keeps at most maxServices, those written last, touches nothing of others, and clears away what died being written', async () => {
    const { save, directory, path } = scene({ maxServices: 3 });
    mkdirSync(directory, { mode: 0o700 });
    for (const [name, text] of [
      ['foreign.list', 'not ours'],
      ['.0123456789abcdef01234567.tmp', 'died'],
      ['.0123456789abcdef01234568.tmp', 'being written'],
      ['note.txt', 'keep'],
    ] as const) {
      writeFileSync(join(directory, name), text);
      utimesSync(
        join(directory, name),
        (NOW - (text === 'being written' ? 1_000 : 3_600_000)) / 1_000,
        (NOW - (text === 'being written' ? 1_000 : 3_600_000)) / 1_000,
      );
    }
    for (let index = 0; index < 6; index++) await save([instance('1', { service: `s${index}` })], NOW + index * 1_000, `s${index}`);
    await save([instance('2', { service: 's5' })], NOW + 9_000, 's5');
    const left = readdirSync(directory).sort();
    expect(left).to.include.members(['.0123456789abcdef01234568.tmp', 'foreign.list', 'note.txt', 's4.list', 's5.list']);
    expect(left).to.not.include('.0123456789abcdef01234567.tmp');
    expect(left.filter((name) => name.startsWith('s'))).to.have.length.at.most(3);
    expect(readFileSync(path('foreign'), 'utf8')).to.equal('not ours');
  });

  it('gives up when its signal aborts, and when it is closed', async () => {
    const { store, save, load } = scene();
    const reason = new Error('no longer');
    expect(await rejection(store.load('orders', AbortSignal.abort(reason)))).to.equal(reason);
    expect(await rejection(store.save({ service: 'orders', instances: [], at: NOW }, AbortSignal.abort(reason)))).to.equal(reason);
    await store[Symbol.asyncDispose]();
    for (const work of [save([]), load()]) expect(await rejection(work)).to.have.property('code', 'UNAVAILABLE');
  });

  for (const [options, message] of [
    [{ directory: '' }, /directory.*path/],
    [{ maxServices: 0 }, /maxServices.*from 1/],
    [{ dir: 'x' } as never, /dir.*directory/],
  ] as const) {
    it(`refuses an option that does not fit: ${message.source}`, () => {
      expect(() => fileStore(options)).to.throw(TypeError, message);
    });
  }

  it('lets a directory start while its registry is dead, with the list that another one was told, but for forbidden hosts', async () => {
    const { directory } = scene();
    const alive = createDirectory({
      store: fileStore({ directory }),
      accept: () => true,
      discovery: {
        services: async () => [],
        async *watch(_service, signal) {
          yield [instance('1'), instance('meta', { host: '169.254.169.254' })];
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        },
      },
    });
    await alive.ready('orders');
    await alive[Symbol.asyncDispose]();
    const store = fileStore({ directory });
    const restarted = createDirectory({
      store,
      discovery: {
        services: async () => [],
        watch: () => {
          throw new Error('connect ECONNREFUSED');
        },
      },
    });
    const snapshot = await restarted.ready('orders');
    expect(snapshot).to.include({ state: 'bound', stale: true, source: 'store' });
    expect(idsOf(snapshot)).to.equal('1');
    await restarted[Symbol.asyncDispose]();
  });
});
