import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import type { DirectoryEvent, Instance } from '@ferrule/core';
import { idsOf, instance, rejection, scene } from './directory-fixtures.js';

async function read(changes: AsyncIterator<DirectoryEvent, undefined>, count: number): Promise<string[]> {
  const read: string[] = [];
  for (let index = 0; index < count; index++) {
    const { value } = await changes.next();
    if (value === undefined) break;
    read.push(`${value.type} ${value.instance.id}`);
  }
  return read;
}

describe('directory.changes', () => {
  it('begins with what is known and goes on with what changes, each with service, instance, revision and time', async () => {
    const { directory, bound, last, settle, clock } = scene();
    await bound(instance('1'));
    const changes = directory.changes();
    expect((await changes.next()).value).to.deep.equal({
      type: 'register',
      service: 'orders',
      instance: instance('1'),
      revision: 1,
      at: clock.wallTime(),
    });
    const next = changes.next();
    await clock.advance(500);
    last().sink.push([instance('1', { weight: 2 })]);
    await settle();
    expect((await next).value).to.deep.equal({
      type: 'update',
      service: 'orders',
      instance: instance('1', { weight: 2 }),
      revision: 2,
      at: clock.wallTime(),
    });
    expect((await next).value!.instance).to.equal(directory.lookup('orders').instances[0]);
  });

  it('follows several services, begins to watch them and no others are heard', async () => {
    const { directory, watches, settle } = scene({ idleAfter: '1m' });
    const changes = directory.changes({ services: ['orders', 'users', 'orders'] });
    directory.lookup('payments');
    await settle();
    expect(watches.map(({ service }) => service)).to.deep.equal(['orders', 'users', 'payments']);
    watches[2]!.sink.push([instance('p', { service: 'payments' })]);
    watches[1]!.sink.push([instance('u', { service: 'users' })]);
    watches[0]!.sink.push([instance('o')]);
    await settle();
    expect(await read(changes, 2)).to.have.members(['register u', 'register o']);
    expect(
      ['orders', 'users', 'payments', 'nobody'].map((service) =>
        directory
          .instances(service)
          .map(({ id }) => id)
          .join(),
      ),
    ).to.deep.equal(['o', 'u', 'p', '']);
    expect(watches, 'asking for instances begins no watch').to.have.length(3);
  });

  it('keeps what it follows watched until return(), the signal, or the directory end it', async () => {
    for (const how of ['return', 'signal', 'break', 'directory'] as const) {
      const { directory, clock, watches, settle } = scene({ idleAfter: '1m' });
      const giving = new AbortController();
      const changes = directory.changes({ services: ['orders'], signal: giving.signal });
      await settle();
      await clock.advance(600_000);
      expect(watches[0]!.ended).to.equal(false);
      if (how === 'break') {
        watches[0]!.sink.push([instance('1')]);
        for await (const change of changes) {
          expect(change.type).to.equal('register');
          break;
        }
      } else {
        const waiting = changes.next();
        if (how === 'return') await changes.return!();
        else if (how === 'signal') giving.abort();
        else await directory[Symbol.asyncDispose]();
        expect(await waiting).to.deep.equal({ done: true, value: undefined });
      }
      expect(await changes.next()).to.deep.equal({ done: true, value: undefined });
      await clock.advance(60_000);
      expect(watches[0]!.ended, how).to.equal(true);
      expect(clock.pending, how).to.equal(0);
    }
  });

  it('merges what a slow reader has not read, by instance, and keeps no more than there are', async () => {
    const { directory, bound, last, settle } = scene();
    await bound(instance('kept'), instance('gone'), instance('back'));
    const changes = directory.changes();
    expect(await read(changes, 3)).to.deep.equal(['register kept', 'register gone', 'register back']);
    for (let round = 2; round < 1_000; round++) {
      last().sink.push([instance('kept', { weight: round }), instance(`brief-${round}`), ...(round === 999 ? [instance('back')] : [])]);
      await settle();
    }
    const updates: [string, number | undefined][] = [];
    for (let index = 0; index < 4; index++) {
      const { value } = await changes.next();
      updates.push([`${value!.type} ${value!.instance.id}`, value!.instance.weight]);
    }
    expect(updates).to.have.deep.members([
      ['deregister gone', undefined],
      ['update back', undefined],
      ['update kept', 999],
      ['register brief-999', undefined],
    ]);
    const nothing = await Promise.race([changes.next(), settle().then(() => 'nothing more')]);
    expect(nothing).to.equal('nothing more');
  });

  it('replayed by a reader of any pace leads to the list (any lists, any pace)', async () => {
    const step = fc.record({
      list: fc.uniqueArray(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e'), weight: fc.integer({ min: 1, max: 3 }) }), {
        selector: ({ id }) => id,
      }),
      reads: fc.integer({ min: 0, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { directory, bound, last, settle } = scene();
        await bound();
        const changes = directory.changes();
        const seen = new Map<string, Instance>();
        let unread = 0;
        const readOne = async (): Promise<boolean> => {
          const next = await Promise.race([changes.next(), settle().then(() => undefined)]);
          if (next?.value === undefined) return false;
          const { type, instance: one } = next.value;
          expect(seen.has(one.id), type).to.equal(type !== 'register');
          if (type === 'deregister') seen.delete(one.id);
          else seen.set(one.id, one);
          return true;
        };
        for (const { list, reads } of steps) {
          last().sink.push(list.map(({ id, weight }) => instance(id, { weight })));
          await settle();
          // A read that finds nothing would wait and take the next change.
          unread = reads;
          while (unread-- > 0 && pending(directory.instances('orders'), seen)) await readOne();
        }
        while (pending(directory.instances('orders'), seen)) if (!(await readOne())) break;
        expect([...seen.values()]).to.have.members([...directory.lookup('orders').instances]);
        await directory[Symbol.asyncDispose]();
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('refuses names and options that do not fit, leaving nothing followed', async () => {
    const { directory, watches, settle } = scene();
    expect(() => directory.changes({ services: ['orders', 'not a name'] })).to.throw(TypeError, 'not a name');
    expect(() => directory.changes({ service: 'orders' } as never)).to.throw(TypeError, 'services');
    expect(() => directory.changes({ services: 'orders' as never })).to.throw(TypeError, 'list');
    await settle();
    expect(watches.length).to.be.at.most(1);
    await directory[Symbol.asyncDispose]();
    expect(() => directory.changes()).to.throw('closed');
  });
});

/** Whether a reader who has seen this has something to read. */
function pending(instances: readonly Instance[], seen: ReadonlyMap<string, Instance>): boolean {
  return instances.length !== seen.size || instances.some((one) => seen.get(one.id) !== one);
}

describe('directory.onState', () => {
  it('tells stale with its bound, fresh, expired and failed', async () => {
    const { directory, bound, last, failing, clock, states, settle } = scene({ staleFor: '1m' });
    await bound(instance('1'), instance('2'));
    expect(states).to.deep.equal([]);
    failing.error = new Error('down');
    last().sink.fail(failing.error);
    await settle();
    const began = clock.wallTime();
    expect(states).to.deep.equal([
      { type: 'stale', service: 'orders', source: 'registry', instances: 2, servedUntil: began + 60_000, error: failing.error, at: began },
    ]);
    await clock.advance(59_999);
    expect(states, 'another failure of the same kind is no news').to.have.length(1);
    await clock.advance(1);
    expect(states[1]).to.include({ type: 'expired', instances: 0, error: failing.error });
    failing.error = undefined;
    await clock.advance(20_000);
    last().sink.push([instance('1')]);
    await settle();
    expect(states[2]).to.include({ type: 'fresh', source: 'registry', instances: 1 }).and.not.have.property('error');
    failing.error = new Error('no');
    await directory.ready('users');
    expect(states[3]).to.include({ type: 'failed', service: 'users', instances: 0, error: failing.error });
    expect(states).to.have.length(4);
  });

  it('goes on when a listener throws, and no longer calls one that left', async () => {
    const { directory, bound, last, states, settle, clock, log } = scene();
    directory.onState(() => {
      throw new Error('a bad listener');
    });
    const heard: string[] = [];
    const leave = directory.onState(({ type }) => void heard.push(type));
    directory.onChange(() => {
      throw new Error('a bad listener');
    });
    await bound(instance('1'));
    last().sink.fail(new Error('down'));
    await settle();
    leave();
    await clock.advance(1_000);
    last().sink.push([instance('1')]);
    await settle();
    expect(heard).to.deep.equal(['stale']);
    expect(states.map(({ type }) => type)).to.deep.equal(['stale', 'fresh']);
    expect(log.filter(({ level }) => level === 'error')).to.have.length(3);
  });
});

describe('directory.warmUp', () => {
  it('asks about ten services at a time, and tells which are known', async () => {
    const { directory, watches, settle } = scene();
    const names = Array.from({ length: 25 }, (_, index) => `s${index}`);
    const done = directory.warmUp([...names, 's0']);
    for (const expected of [10, 20, 25]) {
      await settle();
      expect(watches).to.have.length(expected);
      for (const watch of watches.slice(expected === 25 ? 20 : expected - 10)) watch.sink.push([]);
      await settle();
    }
    expect(await done).to.deep.equal({ known: names, failed: [] });
  });

  it('tells which failed, the first failure first, and what was not answered in time', async () => {
    const { directory, watches, settle, clock } = scene();
    const done = directory.warmUp(['a', 'b', 'c', 'd'], { concurrency: 4, timeout: '3s' });
    await settle();
    const [first, second] = [new Error('first'), new Error('second')];
    watches[2]!.sink.fail(first);
    await settle();
    watches[0]!.sink.fail(second);
    watches[1]!.sink.push([instance('1', { service: 'b' })]);
    await clock.advance(3_000);
    const { known, failed } = await done;
    expect(known).to.deep.equal(['b']);
    expect(failed.slice(0, 2)).to.deep.equal([
      { service: 'c', error: first },
      { service: 'a', error: second },
    ]);
    expect(failed[2]).to.have.property('service', 'd');
    expect(failed[2]!.error).to.have.property('code', 'DEADLINE_EXCEEDED');
  });

  it('rejects with the reason of its signal, for names and options that do not fit, and begins nothing then', async () => {
    const { directory, watches, clock, settle } = scene();
    const giving = new AbortController();
    const given = rejection(directory.warmUp(['a', 'b'], { signal: giving.signal, concurrency: 1 }));
    await settle();
    const reason = new Error('no longer');
    giving.abort(reason);
    expect(await given).to.equal(reason);
    expect(watches.map(({ service }) => service)).to.deep.equal(['a']);
    for (const [services, options, message] of [
      [['a b'], {}, /services\[0\]/],
      [undefined as never, {}, /services/],
      [['c'], { concurrency: 0 }, /concurrency.*from 1/],
      [['c'], { concurency: 1 } as never, /concurrency/],
      [['c'], { timeout: 'soon' }, /timeout.*soon/],
    ] as const)
      expect(String(await rejection(directory.warmUp(services, options)))).to.match(message);
    expect(watches).to.have.length(1);
    await directory[Symbol.asyncDispose]();
    expect(clock.pending).to.equal(0);
  });
});

describe('directory.stats', () => {
  it('counts hits and misses by level, and tells of each service how it stands, without secrets', async () => {
    const { directory, bound, last, failing, clock, settle } = scene({ idleAfter: '10m' });
    await bound(instance('1'), instance('2'));
    for (let index = 0; index < 7; index++) directory.lookup('orders');
    directory.lookup('nobody');
    await settle();
    last().sink.push([]);
    await settle();
    directory.lookup('nobody');
    failing.error = Object.assign(new Error('http://user:secret@consul:8500 said no to token abc'), { code: 'ECONNREFUSED' });
    await directory.ready('users');
    directory.lookup('users');
    const stats = directory.stats();
    expect(stats.levels).to.deep.equal({ memory: { hits: 8, misses: 3, failures: 1 }, registry: { hits: 1, misses: 1, failures: 1 } });
    expect(stats).to.include({ watches: 2, refreshes: 0, reconnects: 0 });
    expect(stats.services).to.deep.equal([
      {
        service: 'orders',
        state: 'bound',
        instances: 2,
        revision: 1,
        source: 'registry',
        stale: false,
        watching: true,
        lists: 1,
        refreshes: 0,
        failures: 0,
        reconnects: 0,
      },
      {
        service: 'nobody',
        state: 'empty',
        instances: 0,
        revision: 1,
        source: 'registry',
        stale: false,
        watching: true,
        lists: 1,
        refreshes: 0,
        failures: 0,
        reconnects: 0,
      },
      {
        service: 'users',
        state: 'failed',
        instances: 0,
        revision: 1,
        stale: false,
        awaySince: clock.wallTime(),
        error: 'ECONNREFUSED',
        watching: false,
        lists: 0,
        refreshes: 0,
        failures: 1,
        reconnects: 0,
      },
    ]);
    expect(JSON.stringify(stats)).to.not.match(/secret|abc|http/);
  });

  it('tells since when a list is stale and until when it is served, and keeps its sums when a watch ends', async () => {
    const { directory, bound, last, failing, clock } = scene({ idleAfter: '10m', staleFor: '1h' });
    await bound(instance('1'));
    await clock.advance(1_000);
    failing.error = new Error('down');
    last().sink.fail(failing.error);
    await clock.advance(0);
    const began = clock.wallTime();
    await clock.advance(30_000);
    const [orders] = directory.stats().services;
    expect(orders).to.include({ stale: true, staleSince: began, servedUntil: began + 3_600_000, awaySince: began, error: 'Error' });
    expect(orders!.reconnects).to.equal(directory.stats().reconnects).and.be.within(2, 30);
    directory.lookup('orders');
    await clock.advance(700_000);
    const { services, levels, reconnects } = directory.stats();
    expect(services).to.deep.equal([]);
    expect(levels.memory).to.deep.equal({ hits: 1, misses: 1, failures: 0 });
    expect(levels.registry.hits).to.equal(1);
    expect(reconnects).to.be.above(10);
    expect(idsOf(directory.lookup('orders'))).to.equal('');
  });
});
