import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ids, instance, registryCase, twoViewsCase } from './bench.js';
import type { RegistryCase } from './bench.js';

/** A registry that is closed leaves nothing of its own and nothing of others' behind it changed. */
export const disposingCases: readonly RegistryCase[] = [
  registryCase(
    'takes its own entries away when it is disposed of, ends its watches with an error and takes no more',
    async ({ first, second, watch }) => {
      await first.register(instance('1'));
      const lists = watch(first, 'orders');
      await lists.until((list) => list.length === 1);
      const next = assert.rejects(lists.next());
      await first[Symbol.asyncDispose]();
      await next;
      await assert.rejects(first.register(instance('2')));
      await assert.rejects(first.services());
      await assert.rejects(first.watch('orders', new AbortController().signal)[Symbol.asyncIterator]().next());
      await first[Symbol.asyncDispose]();
      if (second !== first) assert.deepEqual(await second.services(), []);
    },
  ),

  registryCase('may be disposed of twice at once', async ({ first, second }) => {
    await first.register(instance('1'));
    await Promise.all([first[Symbol.asyncDispose](), first[Symbol.asyncDispose]()]);
    await first[Symbol.asyncDispose]();
    if (second !== first) assert.deepEqual(await second.services(), []);
  }),

  twoViewsCase('leaves nothing of what was being registered when it was disposed of', async ({ first, second, watch }) => {
    const pending: Promise<unknown>[] = [];
    for (let index = 0; index < 5; index++) {
      pending.push(first.register(instance(String(index))));
      await nextTurn();
    }
    const settled = Promise.allSettled(pending);
    await first[Symbol.asyncDispose]();
    await settled;
    await second.register(instance('last'));
    await watch(second, 'orders').until((list) => ids(list) === 'last');
  }),

  twoViewsCase('leaves the entries of another view, and its watches, as they are', async ({ first, second, watch }) => {
    await first.register(instance('1'));
    await second.register(instance('2'));
    const lists = watch(second, 'orders');
    await lists.until((list) => list.length === 2);
    await first[Symbol.asyncDispose]();
    await lists.until((list) => ids(list) === '2');
    await second.register(instance('3'));
    await lists.until((list) => ids(list) === '2 3');
  }),

  twoViewsCase('lets what it had registered neither come back nor remove anything after it was disposed of', async ({ first, second, watch }) => {
    const one = await first.register(instance('1', { port: 1001 }));
    await first[Symbol.asyncDispose]();
    await one.report('pass');
    await one.deregister();
    assert.deepEqual(await second.services(), []);
    await second.register(instance('1', { port: 1002 }));
    await one.deregister();
    assert.equal((await watch(second, 'orders').next())[0]?.port, 1002);
  }),
];
