import assert from 'node:assert/strict';
import { getEventListeners, setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Instance } from '@ferrule/core';
import { ids, instance, registryCase } from './bench.js';
import type { RegistryCase } from './bench.js';
import { described } from '../described.js';

const MANY = 10;

/** Whole lists, all of them, none twice, to all who watch. */
export const watchingCases: readonly RegistryCase[] = [
  registryCase('gives an empty list at once for a service that nobody registered', async ({ first, watch }) => {
    assert.deepEqual(await watch(first, 'orders').next(), []);
  }),

  registryCase('hears of the first instance of a service that nobody knew', async ({ first, second, watch }) => {
    await first.register(instance('1', { service: 'users' }));
    const lists = watch(second, 'orders');
    assert.deepEqual(await lists.next(), []);
    await first.register(instance('1'));
    assert.equal(ids(await lists.next()), '1');
  }),

  registryCase('tells with an empty list that the last instance is gone', async ({ first, second, watch }) => {
    const lists = watch(second, 'orders');
    const one = await first.register(instance('1'));
    await lists.until((list) => list.length === 1);
    await one.deregister();
    assert.deepEqual(await lists.until((list) => list.length !== 1), []);
    await first.register(instance('2'));
    assert.equal(ids(await lists.next()), '2');
  }),

  registryCase('gives whoever comes later the whole list at once', async ({ first, second, watch }) => {
    const early = watch(second, 'orders');
    for (const id of ['1', '2', '3']) await first.register(instance(id));
    await early.until((list) => list.length === 3);
    for (const view of [second, first]) assert.equal(ids(await watch(view, 'orders').next()), '1 2 3');
  }),

  registryCase('tells all who watch a service of every change', async ({ first, second, watch }) => {
    const readers = Array.from({ length: MANY }, (_, index) => watch(index % 2 === 0 ? first : second, 'orders'));
    for (const reader of readers) assert.deepEqual(await reader.next(), []);
    const one = await first.register(instance('1'));
    for (const reader of readers) await reader.until((list) => ids(list) === '1');
    await one.report('warn');
    for (const reader of readers) await reader.until(([now]) => now?.status === 'warn');
    await one.deregister();
    for (const reader of readers) await reader.until((list) => list.length === 0);
  }),

  registryCase('watches anew after all have left, and shows what happened meanwhile', async ({ first, second, watch }) => {
    const one = await first.register(instance('1'));
    const readers = Array.from({ length: MANY }, () => watch(second, 'orders'));
    for (const reader of readers) assert.equal(ids(await reader.next()), '1');
    for (const reader of readers) await reader.end();
    await one.deregister();
    await first.register(instance('2'));
    const lists = watch(second, 'orders');
    assert.equal(ids(await lists.next()), '2');
    await first.register(instance('3'));
    await lists.until((list) => ids(list) === '2 3');
  }),

  registryCase('watches anew at the very moment when the last one leaves', async ({ first, second, watch }) => {
    await first.register(instance('1'));
    for (let round = 0; round < MANY; round++) {
      const old = watch(second, 'orders');
      assert.equal(ids(await old.next()), '1');
      const next = watch(second, 'orders').next();
      await old.end();
      assert.equal(ids(await next), '1');
    }
  }),

  registryCase('goes on for the others when one of those who watch leaves', async ({ first, second, watch }) => {
    const readers = Array.from({ length: MANY }, () => watch(second, 'orders'));
    for (const reader of readers) await reader.next();
    for (const reader of readers.slice(0, MANY / 2)) await reader.end();
    await first.register(instance('1'));
    for (const reader of readers.slice(MANY / 2)) assert.equal(ids(await reader.next()), '1');
  }),

  registryCase(
    'misses nothing that happens while a watch begins',
    async ({ first, second, watch }) => {
      for (let turns = 0; turns < 20; turns++) {
        const service = `orders-${turns}`;
        const seen = watch(second, service).until((list) => list.length === 1);
        for (let turn = 0; turn < turns; turn++) await nextTurn();
        await first.register(instance('1', { service }));
        assert.equal(ids(await seen), '1');
      }
    },
    15_000,
  ),

  registryCase('ends a watch without an error when its signal aborts, also one that waits', async ({ first }) => {
    const ending = new AbortController();
    const lists = first.watch('orders', ending.signal)[Symbol.asyncIterator]();
    await lists.next();
    const next = lists.next();
    ending.abort();
    assert.equal((await next).done, true);
    assert.equal((await lists.next()).done, true);
    for await (const _list of first.watch('orders', AbortSignal.abort())) assert.fail('a list after the abort');
  }),

  registryCase('ends a watch that aborts before its first list has come', async ({ first, second, watch }) => {
    await first.register(instance('1'));
    for (let turns = 0; turns < MANY; turns++) {
      const ending = new AbortController();
      const next = second.watch('orders', ending.signal)[Symbol.asyncIterator]().next();
      for (let turn = 0; turn < turns; turn++) await nextTurn();
      ending.abort();
      const step = await next;
      if (step.done !== true) assert.equal(ids(step.value), '1');
    }
    assert.equal(ids(await watch(second, 'orders').next()), '1');
  }),

  registryCase('ends a watch that is left with break, and only that one', async ({ first, watch }) => {
    const other = watch(first, 'orders');
    await other.next();
    for await (const list of first.watch('orders', new AbortController().signal)) {
      assert.deepEqual(list, []);
      break;
    }
    await first.register(instance('1'));
    await other.until((list) => ids(list) === '1');
  }),

  registryCase(
    'leaves no listener at a signal that a thousand watches shared',
    async ({ first }) => {
      const ending = new AbortController();
      const { signal } = ending;
      setMaxListeners(0, signal);
      for (let unread = 0; unread < 10; unread++) first.watch('orders', signal)[Symbol.asyncIterator]();
      const readers = Array.from({ length: 1_000 }, () => first.watch('orders', signal)[Symbol.asyncIterator]());
      await Promise.all(readers.map((reader) => reader.next()));
      for (const reader of readers.slice(0, 500)) await reader.return?.();
      const left = getEventListeners(signal, 'abort').length;
      assert.ok(left <= 500 + MANY, `${left} listeners for 500 watches`);
      const ends = readers.slice(500).map((reader) => reader.next());
      ending.abort();
      for (const end of ends) assert.equal((await end).done, true);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    },
    15_000,
  ),

  registryCase('gives a slow reader the newest list in place of all that it missed', async ({ first, watch }) => {
    const lists = watch(first, 'orders');
    await lists.next();
    const names = Array.from({ length: 30 }, (_, index) => `i${String(index).padStart(2, '0')}`);
    for (const id of names) await first.register(instance(id));
    let reads = 1;
    while ((await lists.next()).length < 30) reads++;
    assert.ok(reads <= 10, `it took ${reads} reads to catch up with 30 changes`);
  }),

  registryCase(
    'ends a burst of two hundred changes with the right list, in no more lists than changes',
    async ({ first, second, watch }) => {
      const names = Array.from({ length: 100 }, (_, index) => `i${String(index).padStart(3, '0')}`);
      const lists = watch(second, 'orders');
      const wanted = names.filter((_, index) => index % 2 === 1).join(' ');
      const done = lists.until((list) => ids(list) === wanted && list.every(({ status }) => status === 'warn'));
      const made = await Promise.all(names.map((id, index) => (index % 2 === 0 ? first : second).register(instance(id))));
      await Promise.all(made.map((one, index) => (index % 2 === 0 ? one.deregister() : one.report('warn'))));
      await done;
      assert.ok(lists.seen.length <= 201, `${lists.seen.length} lists of 200 changes`);
    },
    30_000,
  ),

  registryCase('gives no list that says the same as the one before it', async ({ first, second, watch }) => {
    const lists = watch(second, 'orders');
    const others = watch(second, 'users');
    const done = lists.until((list) => list.length === 2);
    const one = await first.register(instance('1', { tags: ['blue'], metadata: { commit: 'abc' } }));
    await one.report('pass', 'still');
    await one.report('pass', 'and still');
    const user = await first.register(instance('1', { service: 'users' }));
    await user.report('warn');
    await others.until(([now]) => now?.status === 'warn');
    await first.register(instance('2'));
    await done;
    for (const [index, list] of lists.seen.entries()) if (index > 0) assert.notDeepEqual(list.map(described), lists.seen[index - 1]!.map(described));
  }),

  registryCase('keeps the object of an instance that did not change', async ({ first, second, watch }) => {
    const lists = watch(second, 'orders');
    await first.register(instance('1', { tags: ['blue'], metadata: { commit: 'abc' } }));
    const [kept] = await lists.until((list) => list.length === 1);
    const other = await first.register(instance('2'));
    assert.equal((await lists.until((list) => list.length === 2))[0], kept);
    await other.report('fail');
    assert.equal((await lists.until((list) => list[1]?.status === 'fail'))[0], kept);
    await other.deregister();
    assert.equal((await lists.until((list) => list.length === 1))[0], kept);
  }),

  registryCase('never changes a list that it has given', async ({ first, watch }) => {
    const lists = watch(first, 'orders');
    const empty = await lists.next();
    await first.register(instance('1'));
    const one = await lists.until((list) => list.length === 1);
    await first.register(instance('2'));
    await lists.until((list) => list.length === 2);
    assert.deepEqual([empty.length, ids(one)], [0, '1']);
  }),

  registryCase('shows nobody what a reader does to its list', async ({ first, second, watch }) => {
    const lists = watch(second, 'orders');
    const given = instance('1', { tags: ['blue'], metadata: { commit: 'abc' } });
    await first.register(given);
    const list = await lists.until((now) => now.length === 1);
    // Each throws where what it spoils is frozen, as it should be.
    const spoils = [
      () => (list as Instance[]).push(instance('9')),
      () => Object.assign(list[0]!, { port: 9 }),
      () => (list[0]!.tags as string[]).push('red'),
      () => Object.assign(list[0]!.metadata!, { commit: 'def' }),
      () => ((list as Instance[]).length = 0),
    ];
    for (const spoil of spoils) assert.doesNotThrow(() => attempt(spoil));
    assert.deepEqual((await watch(second, 'orders').next()).map(described), [described(given)]);
    await first.register(instance('2'));
    assert.deepEqual(described((await lists.until((now) => now.length === 2))[0]), described(given));
  }),
];

function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
