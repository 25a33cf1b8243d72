import { expect } from 'chai';
import { eventsOf, idsOf, instance, rejection, scene } from './directory-fixtures.js';

// What go-micro's registry cache is tested for, in our terms: a question to the registry is a watch that was begun.
describe('a directory asks the registry', () => {
  for (const callers of [10, 1_000]) {
    it(`once for ${callers} callers who come while nothing is known`, async () => {
      const { directory, watches, last, settle } = scene();
      const many = Array.from({ length: callers }, () => directory.ready('orders'));
      await settle();
      last().sink.push([instance('1')]);
      expect(new Set(await Promise.all(many))).to.have.property('size', 1);
      expect(watches).to.have.length(1);
    });

    it(`once for ${callers} callers who all get its error`, async () => {
      const { directory, watches, failing } = scene();
      failing.error = new Error('down');
      const snapshots = await Promise.all(Array.from({ length: callers }, () => directory.ready('orders')));
      expect(new Set(snapshots.map(({ state, error }) => `${state} ${String(error)}`))).to.deep.equal(new Set(['failed Error: down']));
      expect(watches).to.have.length(1);
    });
  }

  it('no more than its backoff says, however many callers come while it fails: they get the stale list', async () => {
    const { directory, bound, failing, last, clock, watches } = scene({ random: () => 1 });
    await bound(instance('1'));
    await clock.advance(60_000);
    failing.error = new Error('down');
    last().sink.fail(failing.error);
    await clock.advance(0);
    const snapshots = await Promise.all([
      ...Array.from({ length: 50 }, () => directory.ready('orders')),
      ...Array.from({ length: 50 }, () => Promise.resolve(directory.lookup('orders'))),
    ]);
    expect(snapshots.every(({ stale, state }) => stale && state === 'bound')).to.equal(true);
    expect(watches).to.have.length(1);
    await clock.advance(500);
    expect(watches).to.have.length(2);
  });

  it('keeps no negative answer: a service nobody knew is there with its first registration', async () => {
    const { directory, bound, last, settle, clock, watches, events } = scene();
    await bound();
    expect(directory.lookup('orders').state).to.equal('empty');
    await clock.advance(1);
    last().sink.push([instance('1')]);
    await settle();
    expect(idsOf(directory.lookup('orders'))).to.equal('1');
    expect(eventsOf(events)).to.deep.equal(['register 1 @2']);
    expect(watches).to.have.length(1);
  });

  it('applies the end of the last instance: a removed service is empty, not stale', async () => {
    const { directory, bound, last, settle } = scene();
    await bound(instance('1'));
    last().sink.push([]);
    await settle();
    expect(directory.lookup('orders')).to.include({ state: 'empty', stale: false });
  });

  it('keeps the failure of one service from the others', async () => {
    const { directory, bound, watches, settle } = scene();
    await bound(instance('1'));
    directory.lookup('users');
    await settle();
    watches[1]!.sink.fail(new Error('down'));
    await settle();
    expect(directory.lookup('users').state).to.equal('failed');
    watches[0]!.sink.push([]);
    await settle();
    expect(directory.lookup('orders').state).to.equal('empty');
  });
});

describe('directory.refresh', () => {
  it('asks for the whole list anew, serves the old one meanwhile, and diffs', async () => {
    const { directory, bound, clock, watches, last, settle, events } = scene();
    await bound(instance('1'), instance('2'));
    const [first] = directory.lookup('orders').instances;
    events.length = 0;
    await clock.advance(5_000);
    const refreshed = directory.refresh('orders');
    await settle();
    expect(watches.map(({ ended }) => ended)).to.deep.equal([true, false]);
    expect(directory.lookup('orders')).to.include({ state: 'bound', stale: false });
    last().sink.push([instance('1'), instance('3')]);
    expect(idsOf(await refreshed)).to.equal('1 3');
    expect((await refreshed).instances[0]).to.equal(first);
    expect(eventsOf(events)).to.deep.equal(['deregister 2 @2', 'register 3 @2']);
  });

  it('is one question for all who ask meanwhile, and no new one within minRefreshInterval', async () => {
    const { directory, bound, clock, watches, last, settle } = scene();
    await bound(instance('1'));
    await clock.advance(5_000);
    const first = Array.from({ length: 20 }, () => directory.refresh('orders'));
    await settle();
    last().sink.push([instance('2')]);
    expect((await Promise.all(first)).map(idsOf)).to.deep.equal(Array(20).fill('2'));
    expect(watches).to.have.length(2);
    await clock.advance(4_999);
    const second = await Promise.all(Array.from({ length: 20 }, () => directory.refresh('orders')));
    expect(second.map(idsOf)).to.deep.equal(Array(20).fill('2'));
    expect(watches).to.have.length(2);
    await clock.advance(1);
    const third = Array.from({ length: 20 }, () => directory.refresh('orders'));
    await settle();
    last().sink.push([instance('2')]);
    await Promise.all(third);
    expect(watches).to.have.length(3);
    expect(directory.stats()).to.include({ refreshes: 2, reconnects: 0 });
  });

  it('joins the first list of a service, and does not ask again right after it', async () => {
    const { directory, watches, last, settle } = scene();
    const asked = [directory.refresh('orders'), directory.ready('orders'), directory.refresh('orders')];
    await settle();
    last().sink.push([instance('1')]);
    expect((await Promise.all(asked)).map(idsOf)).to.deep.equal(['1', '1', '1']);
    await directory.refresh('orders');
    expect(watches).to.have.length(1);
  });

  it('resolves with the failure, is refused within the interval, and asks again after it, sooner than the backoff would', async () => {
    const { directory, failing, watches, clock } = scene({ random: () => 1, reconnect: { base: '1h', cap: '1h' } });
    failing.error = new Error('down');
    expect(await directory.refresh('orders')).to.include({ state: 'failed', error: failing.error });
    expect(await directory.refresh('orders')).to.include({ state: 'failed' });
    expect(watches).to.have.length(1);
    await clock.advance(5_000);
    await Promise.all(Array.from({ length: 50 }, () => directory.refresh('orders')));
    expect(watches).to.have.length(2);
    failing.error = undefined;
    await clock.advance(5_000);
    const refreshed = directory.refresh('orders');
    await clock.advance(0);
    watches[2]!.sink.push([instance('1')]);
    expect(await refreshed).to.include({ state: 'bound' });
    expect(clock.pending, 'the backoff has ended').to.equal(1);
  });

  it('leaves a list stale when the question fails', async () => {
    const { directory, bound, failing, clock } = scene();
    await bound(instance('1'));
    await clock.advance(10_000);
    failing.error = new Error('down');
    expect(await directory.refresh('orders')).to.include({ state: 'bound', stale: true, error: failing.error });
  });

  it('asks anew when the last question got no answer at all', async () => {
    const { directory, bound, clock, watches, last, settle } = scene();
    await bound(instance('1'));
    await clock.advance(5_000);
    const first = directory.refresh('orders');
    await clock.advance(5_000);
    const second = directory.refresh('orders');
    await settle();
    expect(watches.map(({ ended }) => ended)).to.deep.equal([true, true, false]);
    last().sink.push([instance('2')]);
    expect([await first, await second].map(idsOf)).to.deep.equal(['2', '2']);
  });

  it('rejects with the reason of its signal, or when the directory closes, and leaves nothing behind', async () => {
    const { directory, clock, watches, settle } = scene({ idleAfter: '1m' });
    const giving = new AbortController();
    const given = rejection(directory.refresh('orders', giving.signal));
    await settle();
    const reason = new Error('no longer');
    giving.abort(reason);
    expect(await given).to.equal(reason);
    await clock.advance(60_000);
    expect(watches.map(({ ended }) => ended)).to.deep.equal([true]);
    const closed = rejection(directory.refresh('orders'));
    await directory[Symbol.asyncDispose]();
    expect(await closed).to.have.property('code', 'UNAVAILABLE');
    expect(clock.pending).to.equal(0);
  });

  it('follows no list of a watch that it ended, even when that ignores its signal', async () => {
    const lists: ((ids: string) => void)[] = [];
    const { directory, clock } = scene({
      discovery: {
        services: async () => [],
        async *watch() {
          for (;;) {
            const ids = await new Promise<string>((resolve) => lists.push(resolve));
            yield ids.split(' ').map((id) => instance(id));
          }
        },
      },
    });
    directory.lookup('orders');
    await clock.advance(0);
    lists[0]!('1');
    await clock.advance(5_000);
    const refreshed = directory.refresh('orders');
    await clock.advance(0);
    lists[1]!('old');
    lists[2]!('2');
    expect(idsOf(await refreshed)).to.equal('2');
    await clock.advance(0);
    expect(idsOf(directory.lookup('orders'))).to.equal('2');
  });
});
