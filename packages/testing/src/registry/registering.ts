import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Instance, Registration } from '@ferrule/core';
import { ids, instance, registryCase } from './bench.js';
import type { RegistryCase } from './bench.js';
import { described } from '../described.js';

const RACES = 20;

/** An entry is written, changed, replaced and removed by whom it belongs to. */
export const registeringCases: readonly RegistryCase[] = [
  registryCase('tells an open watch of register, report and deregister, each time with the whole list', async ({ first, second, watch }) => {
    const lists = watch(second, 'orders');
    assert.deepEqual(await lists.next(), []);
    const one = await first.register(instance('1'));
    await lists.until((list) => ids(list) === '1');
    await first.register(instance('2'));
    await lists.until((list) => ids(list) === '1 2');
    await one.report('fail', 'the disk is full');
    await lists.until((list) => list.find(({ id }) => id === '1')?.status === 'fail' && list.length === 2);
    assert.equal(one.instance.status, 'fail');
    await one.deregister();
    await lists.until((list) => ids(list) === '2');
  }),

  registryCase('shows pass, warn, fail and pass again, with notes of any kind', async ({ first, second, watch }) => {
    const lists = watch(second, 'orders');
    const one = await first.register(instance('1'));
    const reports = [
      ['warn', undefined],
      ['fail', 'two\nlines\u0000 and a bell\u0007'],
      ['warn', ''],
      ['pass', 'é'.repeat(5_000)],
    ] as const;
    for (const [status, note] of reports) {
      await one.report(status, note);
      assert.equal(one.instance.status, status);
      assert.equal(ids(await lists.until(([now]) => now?.status === status)), '1');
    }
  }),

  registryCase('changes the status alone when it reports', async ({ first, second, watch }) => {
    const given = instance('1', { version: '1.2.3', weight: 0, priority: 2, tags: ['blue'], metadata: { commit: 'abc' } });
    const one = await first.register(given);
    await one.report('warn', 'slow');
    const [seen] = await watch(second, 'orders').until(([now]) => now?.status === 'warn');
    assert.deepEqual(described(seen), described({ ...given, status: 'warn' }));
  }),

  registryCase('ends with the last of several reports that were made at once', async ({ first, second, watch }) => {
    const one = await first.register(instance('1'));
    await Promise.all([one.report('warn'), one.report('pass'), one.report('fail'), one.report('warn'), one.report('fail')]);
    await first.register(instance('2'));
    await watch(second, 'orders').until((list) => ids(list) === '1 2' && list[0]?.status === 'fail');
    assert.equal(one.instance.status, 'fail');
  }),

  registryCase('replaces an instance of the same id', async ({ first, second, watch }) => {
    await first.register(instance('1', { port: 1001 }));
    await second.register(instance('1', { port: 1002 }));
    const list = await watch(first, 'orders').until((now) => now[0]?.port === 1002);
    assert.equal(list.length, 1);
  }),

  registryCase('shows a replaced instance as one change, without the old one and without a gap', async ({ first, second, watch }) => {
    const lists = watch(second, 'orders');
    await first.register(instance('1', { port: 1001, tags: ['blue'], metadata: { old: 'yes' } }));
    await lists.until((list) => list.length === 1);
    const before = lists.seen.length;
    const changed = instance('1', { host: '127.0.0.2', port: 1002, tags: ['green'] });
    const shown = lists.until((list) => list[0]?.port === 1002);
    await first.register(changed);
    const [seen] = await shown;
    assert.deepEqual(described(seen), described(changed));
    for (const list of lists.seen.slice(before)) assert.equal(ids(list), '1');
  }),

  registryCase('lets a registration that was replaced neither change nor remove what replaced it', async ({ first, second, watch }) => {
    const old = await first.register(instance('1', { port: 1001 }));
    await second.register(instance('1', { port: 1002 }));
    await old.report('fail');
    await old.deregister();
    const [seen] = await watch(first, 'orders').next();
    assert.deepEqual({ port: seen?.port, status: seen?.status ?? 'pass' }, { port: 1002, status: 'pass' });
  }),

  registryCase('takes reports of what replaced another, from the same view too', async ({ first, second, watch }) => {
    const old = await first.register(instance('1', { port: 1001 }));
    const one = await first.register(instance('1', { port: 1002 }));
    await Promise.all([old.report('fail'), one.report('warn')]);
    const [seen] = await watch(second, 'orders').until(([now]) => now?.status === 'warn');
    assert.equal(seen?.port, 1002);
    await one.deregister();
    assert.deepEqual(await second.services(), []);
  }),

  registryCase(
    'ends with one entry after two views raced for an id, and the two agree on it',
    async ({ first, second, watch }) => {
      const made: Registration[] = [];
      const [one, other] = [watch(first, 'orders'), watch(second, 'orders')];
      for (let round = 0; round < RACES; round++) {
        const port = 1_000 + 2 * round;
        made.push(...(await Promise.all([first.register(instance('1', { port })), second.register(instance('1', { port: port + 1 }))])));
      }
      // What is written last, and seen by both, comes after all of it.
      await first.register(instance('2'));
      const lists = await Promise.all([one, other].map((lists) => lists.until((list) => list.some(({ id }) => id === '2'))));
      for (const list of lists) assert.equal(ids(list), '1 2');
      assert.equal(lists[0]![0]!.port, lists[1]![0]!.port);
      assert.ok(lists[0]![0]!.port >= 1_000 + 2 * (RACES - 1), 'an entry of an earlier round has won');
      await Promise.all(made.map((registration) => registration.deregister()));
      await other.until((list) => ids(list) === '2');
    },
    30_000,
  ),

  registryCase('ends with the last of several registrations of one id that one view made at once', async ({ first, second, watch }) => {
    const ports = Array.from({ length: 10 }, (_, index) => 1_001 + index);
    const made = await Promise.all(ports.map((port) => first.register(instance('1', { port }))));
    const list = await watch(second, 'orders').until(([now]) => now?.port === 1_010);
    assert.equal(list.length, 1);
    for (const old of made.slice(0, -1)) await old.deregister();
    assert.equal((await watch(second, 'orders').next())[0]?.port, 1_010);
    await made.at(-1)!.deregister();
    assert.deepEqual(await second.services(), []);
  }),

  registryCase('deregisters for good, however often and by whom it is asked', async ({ first, second, watch }) => {
    const one = await first.register(instance('1'));
    await Promise.all([one.deregister(), one.deregister(), one[Symbol.asyncDispose]()]);
    await one.report('pass');
    await one.deregister();
    await second.register(instance('2'));
    assert.equal(ids(await watch(second, 'orders').next()), '2');
  }),

  registryCase('deregisters for good while a report is under way', async ({ first, second, watch }) => {
    const one = await first.register(instance('1'));
    const reports = [one.report('warn'), one.report('fail')];
    await one.deregister();
    await Promise.allSettled([...reports, one.report('pass')]);
    await first.register(instance('2'));
    assert.equal(ids(await watch(second, 'orders').next()), '2');
  }),

  registryCase('lets an instance come back under the same id', async ({ first, second, watch }) => {
    const one = await first.register(instance('1', { port: 1001 }));
    await one.deregister();
    await first.register(instance('1', { port: 1002 }));
    assert.equal((await watch(second, 'orders').next())[0]?.port, 1002);
  }),

  registryCase('keeps the new entry when the old one is deregistered at the same moment', async ({ first, second, watch }) => {
    for (const [port, owner] of [first, second].entries()) {
      const old = await first.register(instance('1', { port: 1_000 }));
      const [one] = await Promise.all([owner.register(instance('1', { port: 2_000 + port })), old.deregister()]);
      await watch(second, 'orders').until((list) => list.length === 1 && list[0]?.port === 2_000 + port);
      await one.deregister();
    }
  }),

  registryCase('registers nothing when the signal has aborted', async ({ first }) => {
    const reason = new Error('not today');
    await assert.rejects(first.register(instance('1'), { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    assert.deepEqual(await first.services(), []);
  }),

  registryCase(
    'either registers or leaves nothing when the signal aborts on the way',
    async ({ first, second, watch }) => {
      const reason = new Error('not today');
      const registered: string[] = [];
      for (let turns = 0; turns < 12; turns++) {
        const giving = new AbortController();
        const id = `i${String(turns).padStart(2, '0')}`;
        const outcome = first.register(instance(id), { signal: giving.signal }).then(
          () => void registered.push(id),
          (error: unknown) => assert.equal(error, reason),
        );
        for (let turn = 0; turn < turns; turn++) await nextTurn();
        giving.abort(reason);
        await outcome;
      }
      await first.register(instance('last'));
      await watch(second, 'orders').until((list) => ids(list) === [...registered, 'last'].join(' '));
    },
    15_000,
  ),

  registryCase('sees fifty instances that register at the same time, in the order of their ids', async ({ first, second, watch }) => {
    const names = Array.from({ length: 50 }, (_, index) => `i${String(index).padStart(2, '0')}`);
    const lists = watch(second, 'orders');
    await Promise.all(names.toReversed().map((id, index) => (index % 2 === 0 ? first : second).register(instance(id))));
    assert.equal(ids(await lists.until((list) => list.length === 50)), names.join(' '));
  }),

  registryCase('keeps ids apart by their service: removing one leaves the other', async ({ first, second, watch }) => {
    const order = await first.register(instance('1', { port: 1001 }));
    await first.register(instance('1', { service: 'users', port: 1002 }));
    await order.report('fail');
    assert.deepEqual(described((await watch(second, 'users').next())[0]), described(instance('1', { service: 'users', port: 1002 })));
    await order.deregister();
    assert.deepEqual(await watch(second, 'orders').next(), []);
    assert.equal((await watch(second, 'users').next())[0]?.port, 1002);
  }),

  registryCase('removes with the end of its block what was registered in it', async ({ first, second, watch }) => {
    const lists = watch(second, 'orders');
    {
      await using one = await first.register(instance('1'));
      assert.equal(one.instance.id, '1');
      await lists.until((list: readonly Instance[]) => ids(list) === '1');
    }
    await lists.until((list) => list.length === 0);
  }),
];
