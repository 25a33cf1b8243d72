import { expect } from 'chai';
import type { DirectoryOptions, Instance } from '@ferrule/core';
import type { SnapshotStore, StoredSnapshot } from '@ferrule/core/adapter';
import { eventsOf, idsOf, instance, scene } from './directory-fixtures.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);

/** A store that answers when it is told to, over the directory's scene. */
function stored(options: Partial<DirectoryOptions> = {}) {
  const lists = new Map<string, StoredSnapshot>();
  const loads: { service: string; signal: AbortSignal; answer(list?: StoredSnapshot): void; fail(error: unknown): void }[] = [];
  const saves: { snapshot: StoredSnapshot; signal: AbortSignal; done(): void; fail(error: unknown): void }[] = [];
  const news = new Set<(service: string) => void>();
  const manner = { load: 'answer' as 'answer' | 'wait' | Error, save: 'answer' as 'answer' | 'wait' | Error };
  const store: SnapshotStore = {
    name: 'test',
    load: (service, signal) =>
      new Promise((resolve, reject) => {
        loads.push({ service, signal, answer: resolve, fail: reject });
        if (manner.load instanceof Error) reject(manner.load);
        else if (manner.load === 'answer') resolve(lists.get(service));
      }),
    save: (snapshot, signal) =>
      new Promise((resolve, reject) => {
        saves.push({ snapshot, signal, done: resolve, fail: reject });
        if (manner.save instanceof Error) reject(manner.save);
        else if (manner.save === 'answer') {
          lists.set(snapshot.service, snapshot);
          resolve();
        }
      }),
    subscribe(listener) {
      news.add(listener);
      return () => void news.delete(listener);
    },
    async [Symbol.asyncDispose]() {},
  };
  const rest = scene({ store, idleAfter: '10h', ...options });
  return {
    ...rest,
    lists,
    loads,
    saves,
    news,
    manner,
    store,
    put(ageMs: number, ...instances: readonly Instance[]) {
      lists.set('orders', { service: 'orders', instances, at: rest.clock.wallTime() - ageMs });
    },
    savedIds: () => saves.map(({ snapshot }) => snapshot.instances.map(({ id }) => id).join(' ')),
  };
}

const DOWN = new Error('down');

describe('a directory with a store, while the registry is away', () => {
  it('serves the stored list as stale when the registry fails, and says where it comes from', async () => {
    const { directory, failing, put, states, events, clock } = stored();
    failing.error = DOWN;
    put(60_000, instance('1'), instance('2'));
    const snapshot = await directory.ready('orders');
    expect(snapshot).to.include({ state: 'bound', stale: true, source: 'store', revision: 1, error: DOWN });
    expect(idsOf(snapshot)).to.equal('1 2');
    expect(eventsOf(events)).to.deep.equal(['register 1 @1', 'register 2 @1']);
    expect(states).to.deep.equal([
      { type: 'stale', service: 'orders', source: 'store', instances: 2, servedUntil: START + HOUR - 60_000, error: DOWN, at: START },
    ]);
    const [stats] = directory.stats().services;
    expect(stats).to.include({ source: 'store', stale: true, staleSince: START - 60_000, servedUntil: START + HOUR - 60_000, awaySince: START });
    expect(directory.stats().levels).to.deep.equal({
      memory: { hits: 0, misses: 1, failures: 0 },
      store: { name: 'test', hits: 1, misses: 0, failures: 0, saves: 0, failedSaves: 0 },
      registry: { hits: 0, misses: 0, failures: 1 },
    });
    await clock.advance(30_000);
    expect(directory.lookup('orders')).to.include({ source: 'store', stale: true });
  });

  it('serves it after a short wait when the registry does not answer, not before', async () => {
    const { directory, put, settle, clock, loads, watches } = stored();
    put(0, instance('1'));
    expect(directory.lookup('orders').state).to.equal('pending');
    await settle();
    expect([loads.length, watches.length], 'both are asked at once').to.deep.equal([1, 1]);
    await clock.advance(249);
    expect(directory.lookup('orders').state).to.equal('pending');
    await clock.advance(1);
    expect(directory.lookup('orders')).to.include({ state: 'bound', stale: true, source: 'store' }).and.not.have.property('error');
  });

  it('puts the registry in its place when that answers, and keeps the objects of what did not change', async () => {
    const { directory, put, settle, clock, last, states, events, saves } = stored();
    put(0, instance('1'), instance('2'));
    directory.lookup('orders');
    await clock.advance(250);
    const [first] = directory.lookup('orders').instances;
    events.length = 0;
    last().sink.push([instance('1'), instance('3')]);
    await settle();
    const now = directory.lookup('orders');
    expect(now).to.include({ state: 'bound', stale: false, source: 'registry', revision: 2 });
    expect(now.instances[0]).to.equal(first);
    expect(eventsOf(events)).to.deep.equal(['deregister 2 @2', 'register 3 @2']);
    expect(states.map(({ type }) => type)).to.deep.equal(['stale', 'fresh']);
    expect(saves).to.have.length(1);
    expect(clock.pending, 'renewal and sweep alone').to.equal(2);
  });

  it('tells subscribers that the same list is fresh now', async () => {
    const { directory, put, settle, clock, last } = stored();
    put(0, instance('1'));
    const heard: string[] = [];
    directory.subscribe('orders', ({ source, stale, revision }) => heard.push(`${source} ${stale} ${revision}`));
    await clock.advance(250);
    last().sink.push([instance('1')]);
    await settle();
    expect(heard).to.deep.equal(['store true 1', 'registry false 1']);
  });

  it('never uses the store once the registry has answered', async () => {
    const { directory, manner, loads, settle, last, clock, states } = stored();
    manner.load = 'wait';
    directory.lookup('orders');
    await settle();
    last().sink.push([instance('1')]);
    await settle();
    loads[0]!.answer({ service: 'orders', instances: [instance('old')], at: START });
    await clock.advance(1_000);
    expect(idsOf(directory.lookup('orders'))).to.equal('1');
    expect(states).to.deep.equal([]);
  });

  it('holds a failure back only as long as the store may still answer, and takes a later answer up', async () => {
    const { directory, failing, manner, loads, clock } = stored();
    failing.error = DOWN;
    manner.load = 'wait';
    const ready = directory.ready('orders');
    await clock.advance(249);
    expect(directory.lookup('orders').state).to.equal('pending');
    await clock.advance(1);
    expect(await ready).to.include({ state: 'failed', error: DOWN });
    loads[0]!.answer({ service: 'orders', instances: [instance('1')], at: START });
    await clock.advance(0);
    expect(directory.lookup('orders')).to.include({ state: 'bound', stale: true, source: 'store', error: DOWN });
  });

  for (const [what, prepare] of [
    ['has none', () => {}],
    ['fails', ({ manner }) => void (manner.load = new Error('no store'))],
    ['has one that is too old', ({ put }) => put(HOUR, instance('1'))],
    ['has one of another service', ({ lists }) => void lists.set('orders', { service: 'users', instances: [instance('1')], at: START })],
    ['has one from a time to come', ({ put }) => put(-300_001, instance('1'))],
    ['has one of no time', ({ lists }) => void lists.set('orders', { service: 'orders', instances: [instance('1')], at: Number.NaN })],
    ['has what is no list', ({ lists }) => void lists.set('orders', { service: 'orders', instances: 'x' as never, at: START })],
    ['has null', ({ lists }) => void lists.set('orders', null as never)],
  ] as readonly [string, (scene: ReturnType<typeof stored>) => void][]) {
    it(`is failed, with the registry's error and at once, when the store ${what}`, async () => {
      const it = stored();
      it.failing.error = DOWN;
      prepare(it);
      expect(await it.directory.ready('orders')).to.include({ state: 'failed', error: DOWN });
      expect(it.clock.now()).to.equal(0);
      expect(it.directory.stats().levels.store).to.include(what === 'fails' ? { failures: 1, misses: 0 } : { failures: 0, misses: 1 });
    });
  }

  it('leaves out of a stored list what may not be called, or is of another service', async () => {
    const { directory, failing, put, log } = stored();
    failing.error = DOWN;
    put(0, instance('1'), instance('meta', { host: '169.254.169.254' }), instance('2', { service: 'users' }), { ...instance('3'), port: 0 });
    expect(idsOf(await directory.ready('orders'))).to.equal('1');
    expect(log.filter(({ message }) => message.includes('skipped'))).to.have.length(3);
  });

  it('counts the age of a list from when it was told, and gives it up at staleFor', async () => {
    const { directory, failing, put, clock, states } = stored();
    failing.error = DOWN;
    put(HOUR - 10_000, instance('1'));
    await directory.ready('orders');
    await clock.advance(9_999);
    expect(directory.lookup('orders')).to.include({ state: 'bound', stale: true });
    await clock.advance(1);
    expect(directory.lookup('orders')).to.include({ state: 'failed', stale: false, error: DOWN }).and.not.have.property('source');
    expect(states.map(({ type }) => type)).to.deep.equal(['stale', 'expired']);
  });

  it('is not made immortal by a clock that was set back: it is served for staleFor from then at most', async () => {
    const { directory, failing, put, clock } = stored();
    failing.error = DOWN;
    put(-200_000, instance('1'));
    await directory.ready('orders');
    await clock.advance(HOUR - 1);
    expect(directory.lookup('orders').state).to.equal('bound');
    await clock.advance(1);
    expect(directory.lookup('orders').state).to.equal('failed');
  });

  it('gives a list of the store up when the registry never says anything', async () => {
    const { directory, put, clock } = stored({ staleFor: '1m' });
    put(0, instance('1'));
    directory.lookup('orders');
    await clock.advance(60_000);
    expect(directory.lookup('orders')).to.include({ state: 'failed' }).and.have.property('error').that.is.an('error');
  });

  it('loads again what another process has saved, while it is stale, and only then', async () => {
    const { directory, failing, put, last, news, clock, loads, settle, states, lists } = stored();
    failing.error = DOWN;
    put(60_000, instance('1'), instance('2'));
    await directory.ready('orders');
    const [, second] = directory.lookup('orders').instances;
    const tell = (service: string) => news.forEach((listener) => listener(service));
    tell('others');
    await clock.advance(1_000);
    expect(loads).to.have.length(1);
    put(0, instance('2'), instance('3'));
    tell('orders');
    tell('orders');
    await settle();
    expect(idsOf(directory.lookup('orders'))).to.equal('2 3');
    expect(directory.lookup('orders').instances[0]).to.equal(second);
    expect(directory.stats().services[0]).to.include({ servedUntil: START + 1_000 + HOUR, staleSince: START + 1_000 });
    expect(states.map(({ type }) => type)).to.deep.equal(['stale', 'stale']);
    // One that is older than what is held says nothing.
    put(30_000, instance('old'));
    tell('orders');
    await settle();
    expect(idsOf(directory.lookup('orders'))).to.equal('2 3');
    failing.error = undefined;
    await clock.advance(20_000);
    last().sink.push([instance('4')]);
    await settle();
    const asked = loads.length;
    lists.set('orders', { service: 'orders', instances: [], at: clock.wallTime() + 1 });
    tell('orders');
    await settle();
    expect(loads).to.have.length(asked);
    expect(idsOf(directory.lookup('orders'))).to.equal('4');
  });

  it('takes from another process what is newer than its own last list of the registry', async () => {
    const { directory, bound, last, failing, put, news, settle, clock, states } = stored();
    await bound(instance('1'));
    await clock.advance(60_000);
    failing.error = DOWN;
    last().sink.fail(DOWN);
    await settle();
    expect(directory.lookup('orders')).to.include({ stale: true, source: 'registry' });
    put(10_000, instance('1'), instance('2'));
    news.forEach((listener) => listener('orders'));
    await settle();
    expect(directory.lookup('orders')).to.include({ stale: true, source: 'store' });
    expect(idsOf(directory.lookup('orders'))).to.equal('1 2');
    expect(states.map(({ type, source }) => `${type} ${source}`)).to.deep.equal(['stale registry', 'stale store']);
  });
});

describe('a directory with a store writes', () => {
  it('every list of the registry, once for each service at a time and then the newest', async () => {
    const { bound, last, settle, manner, saves, savedIds } = stored();
    manner.save = 'wait';
    await bound(instance('1'));
    for (const id of ['2', '3', '4']) {
      last().sink.push([instance(id)]);
      await settle();
    }
    expect(savedIds()).to.deep.equal(['1']);
    saves[0]!.done();
    await settle();
    expect(savedIds()).to.deep.equal(['1', '4']);
    saves[1]!.done();
    await settle();
    expect(savedIds()).to.deep.equal(['1', '4']);
    expect(saves[1]!.snapshot).to.include({ service: 'orders', at: START });
  });

  it('an unchanged list again every so often, so that its age shows how long ago it was true', async () => {
    const { bound, saves, clock, last, failing, settle } = stored({ random: () => 1 });
    await bound(instance('1'));
    await clock.advance(HOUR);
    expect(saves.map(({ snapshot }) => snapshot.at - START)).to.deep.equal([0, 600_000, 1_200_000, 1_800_000, 2_400_000, 3_000_000, HOUR]);
    failing.error = DOWN;
    last().sink.fail(DOWN);
    await settle();
    await clock.advance(HOUR / 2);
    expect(saves, 'nothing that is not known to be true').to.have.length(7);
  });

  it('nothing for a service that nobody ever had, and the end of one that the store knows', async () => {
    const { directory, bound, clock, settle, watches, saves, savedIds, lists } = stored();
    for (let index = 0; index < 50; index++) directory.lookup(`made-up-${index}`);
    await settle();
    for (const { sink } of watches) sink.push([]);
    await settle();
    expect(saves).to.deep.equal([]);
    lists.set('orders', { service: 'orders', instances: [instance('1')], at: START - 1_000 });
    await bound();
    expect(savedIds()).to.deep.equal(['']);
    await clock.advance(HOUR);
    expect(savedIds()).to.deep.equal(['']);
  });

  it('the first list only when it knows what that replaces, and does not wait for it to serve it', async () => {
    const { directory, bound, manner, loads, saves, savedIds, settle } = stored();
    manner.load = 'wait';
    await bound();
    expect(directory.lookup('orders')).to.include({ state: 'empty', source: 'registry' });
    expect(saves).to.have.length(0);
    loads[0]!.answer({ service: 'orders', instances: [instance('1')], at: START });
    await settle();
    expect(savedIds()).to.deep.equal(['']);
  });

  it('and is neither failed nor delayed by a store that fails or hangs; both are reported once', async () => {
    const { directory, bound, last, settle, manner, saves, loads, clock, log } = stored();
    manner.save = new Error('disk full');
    await bound(instance('1'));
    last().sink.push([instance('2')]);
    await settle();
    expect(idsOf(directory.lookup('orders'))).to.equal('2');
    manner.save = 'wait';
    last().sink.push([instance('3')]);
    await clock.advance(2_000);
    expect(saves[2]!.signal.aborted, 'its deadline').to.equal(true);
    expect(saves[2]!.signal.reason).to.have.property('code', 'DEADLINE_EXCEEDED');
    const warnings = log.filter(({ level }) => level === 'warn');
    expect(warnings.map(({ message }) => message)).to.deep.equal(['The store of the directory fails; going on without it']);
    expect(directory.stats().levels.store).to.include({ saves: 0, failedSaves: 3 });
    manner.save = 'answer';
    last().sink.push([instance('4')]);
    await settle();
    expect(log.at(-1)!.message).to.equal('The store of the directory works again');
    manner.load = 'wait';
    directory.lookup('users');
    await clock.advance(2_000);
    expect(loads.at(-1)!.signal.aborted).to.equal(true);
    expect(directory.stats().levels.store).to.include({ failures: 1 });
  });

  it('what is unwritten when it closes, but does not wait longer than 2 s for a store that hangs; the store stays open', async () => {
    const { directory, bound, last, settle, manner, saves, savedIds, clock, news } = stored();
    manner.save = 'wait';
    await bound(instance('1'));
    last().sink.push([instance('2')]);
    await settle();
    let closed = false;
    const closing = directory[Symbol.asyncDispose]().then(() => (closed = true));
    await settle();
    expect([closed, news.size]).to.deep.equal([false, 0]);
    saves[0]!.done();
    await settle();
    expect(savedIds()).to.deep.equal(['1', '2']);
    await clock.advance(2_000);
    await closing;
    expect(saves[1]!.signal.aborted).to.equal(true);
    expect(clock.pending).to.equal(0);
  });

  it('eight services at a time', async () => {
    const { directory, watches, manner, saves, settle } = stored();
    manner.save = 'wait';
    for (let index = 0; index < 20; index++) directory.lookup(`s${index}`);
    await settle();
    for (const { sink, service } of watches) sink.push([instance('1', { service })]);
    await settle();
    expect(saves).to.have.length(8);
    for (let done = 0; done < 20; done++) {
      saves[done]!.done();
      await settle();
      expect(saves.length).to.equal(Math.min(20, 9 + done));
    }
  });
});

describe('createDirectory', () => {
  for (const [options, message] of [
    [{ store: {} as never }, /store.*load/],
    [{ storeWait: 'soon' }, /storeWait.*soon/],
    [{ minRefreshInterval: 99 }, /minRefreshInterval.*hot loop.*100/],
  ] as const) {
    it(`refuses an option that does not fit: ${message.source}`, () => {
      expect(() => scene(options)).to.throw(TypeError, message);
    });
  }
});
