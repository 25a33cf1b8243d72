import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { createDirectory, isServiceError, memoryRegistry } from '@ferrule/core';
import type { DirectoryEvent, Discovery, Instance, Snapshot } from '@ferrule/core';
import { isForbiddenHost } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';
import { eventsOf, idsOf, instance, rejection, scene } from './directory-fixtures.js';

describe('a directory', () => {
  it('tells pending, empty, bound and failed apart', async () => {
    const { directory, settle, last, failing, clock } = scene();
    expect(directory.lookup('orders')).to.include({ service: 'orders', state: 'pending', revision: 0, stale: false });
    await settle();
    last().sink.push([]);
    await settle();
    expect(directory.lookup('orders')).to.include({ state: 'empty', revision: 1 });
    last().sink.push([instance('1')]);
    await settle();
    expect(directory.lookup('orders')).to.include({ state: 'bound', revision: 2 });
    failing.error = new Error('no route to the registry');
    expect(directory.lookup('users').state).to.equal('pending');
    await settle();
    expect(directory.lookup('users')).to.include({ state: 'failed', error: failing.error, stale: false });
    failing.error = undefined;
    await clock.advance(20_000);
    last().sink.push([]);
    await settle();
    expect(directory.lookup('users')).to.include({ state: 'empty' }).and.not.have.property('error');
  });

  it('watches a service once, however many ask', async () => {
    const { directory, settle, last, watches } = scene();
    const many = Array.from({ length: 1_000 }, () => directory.ready('orders'));
    for (let index = 0; index < 1_000; index++) directory.lookup('orders');
    directory.subscribe('orders', () => {});
    await settle();
    expect(watches).to.have.length(1);
    last().sink.push([instance('1')]);
    const snapshots = new Set(await Promise.all(many));
    expect([...snapshots]).to.deep.equal([directory.lookup('orders')]);
  });

  it('gives the same snapshot until something changes', async () => {
    const { directory, bound, last, settle } = scene();
    await bound(instance('1'), instance('2'));
    const before = directory.lookup('orders');
    last().sink.push([instance('2'), instance('1')]);
    await settle();
    expect(directory.lookup('orders')).to.equal(before);
  });

  it('keeps the object of an instance that did not change, and tells what did', async () => {
    const { directory, bound, last, settle, events, clock } = scene();
    await bound(instance('1', { metadata: { a: '1', b: '2' } }), instance('2'), instance('3'));
    const before = directory.lookup('orders').instances;
    events.length = 0;
    await clock.advance(500);
    last().sink.push([instance('4'), instance('3', { weight: 2 }), instance('1', { metadata: { b: '2', a: '1' }, status: 'pass' })]);
    await settle();
    const { instances } = directory.lookup('orders');
    expect(instances.find(({ id }) => id === '1')).to.equal(before[0]);
    expect(eventsOf(events)).to.deep.equal(['deregister 2 @2', 'register 4 @2', 'update 3 @2']);
    expect(events.map(({ at }) => at)).to.deep.equal(Array(3).fill(clock.wallTime()));
    expect(events[2]?.instance)
      .to.equal(instances.find(({ id }) => id === '3'))
      .and.include({ weight: 2 });
  });

  it('keeps instances with status fail, for whoever picks to skip', async () => {
    const { directory, bound, last, settle, events } = scene();
    await bound(instance('1'), instance('2'));
    events.length = 0;
    last().sink.push([instance('1', { status: 'fail' }), instance('2')]);
    await settle();
    expect(directory.lookup('orders').instances.map(({ status }) => status)).to.deep.equal(['fail', undefined]);
    expect(eventsOf(events)).to.deep.equal(['update 1 @2']);
  });

  it('is never behind its own events, nor they behind it: replaying them gives the list (any lists)', async () => {
    const lists = fc.array(
      fc.uniqueArray(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e'), weight: fc.integer({ min: 1, max: 3 }) }), {
        selector: ({ id }) => id,
      }),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(lists, async (sequence) => {
        const { directory, bound, last, settle, events } = scene();
        await bound();
        for (const list of sequence) {
          last().sink.push(list.map(({ id, weight }) => instance(id, { weight })));
          await settle();
          const replayed = new Map<string, Instance>();
          for (const event of events) {
            expect(replayed.has(event.instance.id), event.type).to.equal(event.type !== 'register');
            if (event.type === 'deregister') replayed.delete(event.instance.id);
            else replayed.set(event.instance.id, event.instance);
          }
          expect([...replayed.values()]).to.have.members([...directory.lookup('orders').instances]);
          expect([...replayed.values()].map(({ id, weight }) => `${id}${weight}`)).to.have.members(list.map(({ id, weight }) => `${id}${weight}`));
        }
        await directory[Symbol.asyncDispose]();
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('skips what may not be called, reports it once and keeps the others', async () => {
    const { directory, bound, last, settle, log } = scene();
    const list = [
      instance('1'),
      instance('meta', { host: '169.254.169.254' }),
      instance('link', { host: 'fe80::1' }),
      instance('any', { host: '0.0.0.0' }),
      { ...instance('port'), port: 0 },
      null as never,
      instance('1', { port: 9 }),
    ];
    await bound(...list);
    expect(directory.lookup('orders').instances).to.deep.equal([instance('1')]);
    expect(log.filter(({ level }) => level === 'warn')).to.have.length(5);
    last().sink.push([...list, instance('2')]);
    await settle();
    expect(idsOf(directory.lookup('orders'))).to.equal('1 2');
    expect(log.filter(({ level }) => level === 'warn')).to.have.length(5);
  });

  it('lets the application say what may be called', async () => {
    const { directory, bound } = scene({ accept: ({ zone }) => zone === 'eu' });
    await bound(instance('1', { zone: 'eu', host: '169.254.1.1' }), instance('2', { zone: 'us' }));
    expect(idsOf(directory.lookup('orders'))).to.equal('1');
  });
});

describe('a directory whose registry fails', () => {
  it('serves the last good list and says that it is stale, until the registry is back', async () => {
    const { directory, bound, last, settle, events, clock } = scene();
    await bound(instance('1'));
    const heard: Snapshot[] = [];
    directory.subscribe('orders', (snapshot) => heard.push(snapshot));
    const lost = new Error('connection lost');
    last().sink.fail(lost);
    await settle();
    expect(directory.lookup('orders')).to.include({ state: 'bound', stale: true, error: lost, revision: 1 });
    await clock.advance(1_000);
    last().sink.push([instance('1')]);
    await settle();
    expect(directory.lookup('orders')).to.include({ state: 'bound', stale: false, revision: 1 }).and.not.have.property('error');
    expect(heard.map(({ stale }) => stale)).to.deep.equal([true, false]);
    expect(eventsOf(events)).to.deep.equal(['register 1 @1']);
  });

  it('gives the list up after staleFor', async () => {
    const { directory, bound, last, settle, failing, events, clock } = scene({ staleFor: '1m' });
    await bound(instance('1'));
    failing.error = new Error('down');
    last().sink.fail(failing.error);
    await settle();
    await clock.advance(59_999);
    expect(directory.lookup('orders')).to.include({ state: 'bound', stale: true });
    await clock.advance(1);
    expect(directory.lookup('orders')).to.include({ state: 'failed', stale: false, error: failing.error, revision: 2 });
    expect(eventsOf(events)).to.deep.equal(['register 1 @1', 'deregister 1 @2']);
    failing.error = undefined;
    await clock.advance(20_000);
    last().sink.push([instance('1')]);
    await settle();
    expect(directory.lookup('orders')).to.include({ state: 'bound', revision: 3 });
  });

  it('does not count an outage that ended toward the next one', async () => {
    const { directory, bound, last, settle, clock } = scene({ staleFor: '1m' });
    await bound(instance('1'));
    last().sink.fail(new Error('down'));
    await clock.advance(40_000);
    last().sink.push([instance('1')]);
    await settle();
    last().sink.fail(new Error('down again'));
    await clock.advance(40_000);
    expect(directory.lookup('orders')).to.include({ state: 'bound', stale: true });
  });

  it('watches again after full jitter that doubles up to its cap, never below its floor', async () => {
    // What random returns, and the waits that follow: max(floor, random × min(cap, base × 2^(n-1))).
    for (const [random, waits] of [
      [0, [100, 100, 100, 100]],
      [0.5, [250, 500, 1_000, 2_000, 4_000, 7_500, 7_500]],
      [1, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]],
    ] as const) {
      const { directory, watches, failing, clock } = scene({ random: () => random });
      failing.error = new Error('down');
      directory.lookup('orders');
      await clock.advance(waits.reduce((sum, wait) => sum + wait, 0));
      expect(watches.slice(1).map(({ at }, index) => at - watches[index]!.at)).to.deep.equal(waits);
    }
  });

  it('takes a promise of lists, as an async function gives, and a rejection of it as a failure', async () => {
    const clock = manualClock();
    const lists = (async function* () {
      yield [instance('1')];
      await new Promise(() => {});
    })();
    const answers = [Promise.reject(new Error('not yet')), Promise.resolve(lists)];
    const discovery = { watch: () => answers.shift(), services: async () => [] } as unknown as Discovery;
    const directory = createDirectory({ discovery, clock, random: () => 0.5 });
    expect(await directory.ready('orders')).to.include({ state: 'failed' });
    await clock.advance(500);
    expect(idsOf(directory.lookup('orders'))).to.equal('1');
    await directory[Symbol.asyncDispose]();
  });

  it('begins with the first wait again after a watch that lasted, not after one that broke right behind its list', async () => {
    const { directory, watches, failing, clock, last, settle } = scene({ random: () => 1 });
    failing.error = new Error('down');
    directory.lookup('orders');
    await clock.advance(500 + 1_000);
    failing.error = undefined;
    await clock.advance(2_000);
    const third = last();
    third.sink.push([instance('1')]);
    await settle();
    third.sink.fail(new Error('flapping'));
    await clock.advance(4_000);
    const fourth = last();
    expect(fourth.at - third.at).to.equal(4_000);
    fourth.sink.push([instance('1')]);
    await clock.advance(5_000);
    fourth.sink.fail(new Error('lost'));
    await clock.advance(500);
    expect(last().at - fourth.at).to.equal(5_500);
    expect(watches.filter(({ ended }) => !ended)).to.include(last());
  });

  it('watches again when a watch throws at once, ends by itself, or gives what is no list', async () => {
    for (const watch of [
      () => {
        throw new Error('at once');
      },
      async function* () {},
      async function* () {
        yield undefined as never;
      },
      () => undefined as never,
    ] satisfies Discovery['watch'][]) {
      let watched = 0;
      const clock = manualClock();
      const directory = createDirectory({ discovery: { services: async () => [], watch: () => (watched++, watch()) }, clock, random: () => 0 });
      expect(directory.lookup('orders').state).to.equal('pending');
      await clock.advance(1_000);
      expect(watched).to.equal(11);
      expect(directory.lookup('orders')).to.include({ state: 'failed' }).and.have.property('error').that.is.an('error');
      await directory[Symbol.asyncDispose]();
    }
  });
});

describe('directory.ready and subscribe', () => {
  it('resolves at once when the service is known, and with the first failure when it is not', async () => {
    const { directory, bound, failing } = scene();
    await bound(instance('1'));
    expect(await directory.ready('orders')).to.equal(directory.lookup('orders'));
    failing.error = new Error('down');
    expect(await directory.ready('users')).to.include({ state: 'failed', error: failing.error });
  });

  it('rejects with the reason of its signal, and leaves no listener behind', async () => {
    const { directory, settle, clock, watches } = scene({ idleAfter: '1m' });
    const giving = new AbortController();
    const ready = rejection(directory.ready('orders', giving.signal));
    await settle();
    const reason = new Error('the call has ended');
    giving.abort(reason);
    expect(await ready).to.equal(reason);
    expect(await rejection(directory.ready('orders', AbortSignal.abort(reason)))).to.equal(reason);
    await clock.advance(60_000);
    expect(watches.map(({ ended }) => ended)).to.deep.equal([true]);
  });

  it('calls listeners synchronously, each subscription by itself, and no longer after it ended', async () => {
    const { directory, bound, last, settle, log } = scene();
    const heard: string[] = [];
    const listener = (snapshot: Snapshot) => void heard.push(idsOf(snapshot));
    const end = directory.subscribe('orders', listener);
    directory.subscribe('orders', listener);
    directory.subscribe('orders', () => {
      throw new Error('a bad listener');
    });
    await bound(instance('1'));
    expect(heard).to.deep.equal(['1', '1']);
    end();
    end();
    last().sink.push([instance('1'), instance('2')]);
    await settle();
    expect(heard).to.deep.equal(['1', '1', '1 2']);
    expect(log.filter(({ level }) => level === 'error')).to.have.length(2);
  });

  it('lets a listener of changes see the new list, and end itself while it is called', async () => {
    const { directory, bound, last, settle } = scene();
    const heard: string[] = [];
    const end = directory.onChange(({ type, instance: { id } }) => {
      heard.push(`${type} ${id}: ${idsOf(directory.lookup('orders'))}`);
      end();
    });
    await bound(instance('1'));
    last().sink.push([]);
    await settle();
    expect(heard).to.deep.equal(['register 1: 1']);
  });
});

describe('a directory and idle services', () => {
  it('ends the watch of a service that nobody asked about for idleAfter, and begins anew when somebody does', async () => {
    const { directory, bound, clock, watches } = scene({ idleAfter: '10m' });
    await bound(instance('1'));
    await clock.advance(300_000);
    directory.lookup('orders');
    await clock.advance(599_999);
    expect(watches.map(({ ended }) => ended)).to.deep.equal([false]);
    // Lookups leave a mark that is read eight times within idleAfter.
    await clock.advance(75_001);
    expect(watches.map(({ ended }) => ended)).to.deep.equal([true]);
    expect(clock.pending).to.equal(0);
    expect(directory.lookup('orders').state).to.equal('pending');
    await clock.advance(0);
    expect(watches).to.have.length(2);
  });

  it('goes on watching for a subscriber, until idleAfter after it left', async () => {
    const { directory, bound, clock, watches } = scene({ idleAfter: '10m' });
    const end = directory.subscribe('orders', () => {});
    await bound(instance('1'));
    await clock.advance(3_600_000);
    expect(watches.map(({ ended }) => ended)).to.deep.equal([false]);
    end();
    await clock.advance(599_000);
    expect(watches.map(({ ended }) => ended)).to.deep.equal([false]);
    await clock.advance(1_000);
    expect(watches.map(({ ended }) => ended)).to.deep.equal([true]);
  });

  it('watches at most maxServices: a new one ends that which was idle longest, never one in use', async () => {
    const { directory, clock, watches } = scene({ maxServices: 3 });
    directory.subscribe('used', () => {});
    for (let index = 0; index < 1_000; index++) {
      directory.lookup(`made-up-${index}`);
      await clock.advance(1);
    }
    expect(watches.filter(({ ended }) => !ended).map(({ service }) => service)).to.deep.equal(['used', 'made-up-998', 'made-up-999']);
    directory.subscribe('made-up-998', () => {});
    directory.subscribe('made-up-999', () => {});
    expect(() => directory.lookup('one more'.replace(' ', '-')))
      .to.throw()
      .with.property('code', 'RESOURCE_EXHAUSTED');
  });
});

describe('disposing of a directory', () => {
  it('ends every watch, timer and waiter, and leaves the discovery open', async () => {
    const { directory, bound, clock, watches, failing, settle } = scene();
    await bound(instance('1'));
    const heard: Snapshot[] = [];
    directory.subscribe('orders', (snapshot) => heard.push(snapshot));
    const ready = rejection(directory.ready('users'));
    failing.error = new Error('down');
    directory.lookup('failing');
    failing.error = undefined;
    await settle();
    await directory[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
    expect(isServiceError(await ready)).to.equal(true);
    expect(watches.every(({ ended }) => ended)).to.equal(true);
    expect(clock.pending).to.equal(0);
    // One who waits for a first list would wait for ever.
    expect(heard.map(({ state, instances }) => [state, instances.length])).to.deep.equal([['failed', 0]]);
    expect(isServiceError(heard[0]!.error)).to.equal(true);
    expect(() => directory.lookup('orders')).to.throw(/closed/);
  });

  it('does not wait for a discovery that ignores the signal, and drops what it says later', async () => {
    let give: ((list: readonly Instance[]) => void) | undefined;
    const clock = manualClock();
    const directory = createDirectory({
      clock,
      discovery: {
        services: async () => [],
        async *watch() {
          yield [instance('1')];
          yield await new Promise<readonly Instance[]>((resolve) => (give = resolve));
        },
      },
    });
    const events: DirectoryEvent[] = [];
    directory.onChange((event) => events.push(event));
    await directory.ready('orders');
    await clock.advance(0);
    await directory[Symbol.asyncDispose]();
    give!([]);
    await clock.advance(0);
    expect(eventsOf(events)).to.deep.equal(['register 1 @1']);
  });

  it('works together with a registry', async () => {
    const registry = memoryRegistry();
    const directory = createDirectory({ discovery: registry });
    expect(await directory.ready('orders')).to.include({ state: 'empty' });
    const changed = new Promise<Snapshot>((resolve) => directory.subscribe('orders', resolve));
    await registry.register(instance('1'));
    expect(idsOf(await changed)).to.equal('1');
    await directory[Symbol.asyncDispose]();
    expect(await registry.services()).to.deep.equal(['orders']);
  });
});

describe('createDirectory', () => {
  const discovery = memoryRegistry();
  for (const [options, message] of [
    [{ discovery: undefined as never }, /discovery/],
    [{ discovery, idleAfter: 0 }, /idleAfter/],
    [{ discovery, staleFor: 'long' }, /staleFor.*long/],
    [{ discovery, maxServices: 0 }, /maxServices/],
    [{ discovery, reconnect: { floor: 0 } }, /floor.*hot loop/],
    [{ discovery, reconnect: { cap: -1 } }, /cap/],
  ] as const) {
    it(`refuses an option that does not fit: ${message.source}`, () => {
      expect(() => createDirectory(options)).to.throw(TypeError, message);
    });
  }
});

describe('isForbiddenHost', () => {
  for (const host of [
    '169.254.169.254',
    '169.254.0.1',
    '[::ffff:169.254.169.254]',
    '::ffff:a9fe:a9fe',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
    '169.254.43518',
    '１６９.254.169.254',
    'fe80::1',
    '[fe80::abcd]',
    'fd00:ec2::254',
    '0.0.0.0',
    '0',
    '::',
    '224.0.0.1',
    '239.255.255.250',
    'ff02::1',
    '255.255.255.255',
    '100.100.100.200',
    '168.63.129.16',
    'metadata.google.internal',
    'METADATA.google.internal.',
    'a b',
    '',
  ]) {
    it(`forbids ${JSON.stringify(host)}`, () => expect(isForbiddenHost(host)).to.equal(true));
  }
  for (const host of [
    '127.0.0.1',
    '::1',
    'localhost',
    '10.0.0.1',
    '192.168.1.1',
    '172.17.0.2',
    'fd00::1',
    'orders',
    'orders.internal',
    '8.8.8.8',
    '169.253.1.1',
  ]) {
    it(`allows ${JSON.stringify(host)}`, () => expect(isForbiddenHost(host)).to.equal(false));
  }
});
