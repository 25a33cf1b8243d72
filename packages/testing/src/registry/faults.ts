import assert from 'node:assert/strict';
import { faultCase, ids, instance } from './bench.js';
import type { RegistryCase } from './bench.js';

/** What is left of the promises while the backend is damaged or away, and all of them again when it is back. */
export const faultCases: readonly RegistryCase[] = [
  faultCase('corrupt', 'passes over an entry that is no instance, and shows all others', async ({ first, second, watch, corrupt }) => {
    const lists = watch(second, 'orders');
    await first.register(instance('1'));
    await lists.until((list) => ids(list) === '1');
    await corrupt('orders');
    await first.register(instance('2'));
    await lists.until((list) => ids(list) === '1 2');
    for (const view of [first, second]) assert.equal(ids(await watch(view, 'orders').next()), '1 2');
  }),

  faultCase('outage', 'breaks a watch when the backend is lost; watched again it gives the whole list', async (bench) => {
    const { first, second, watch, outage, eventually } = bench;
    for (const id of ['1', '2', '3']) await first.register(instance(id));
    const lists = watch(second, 'orders');
    await lists.until((list) => list.length === 3);
    const lost = assert.rejects(lists.until((list) => list.length !== 3));
    const back = await outage('kept');
    await lost;
    await back();
    await eventually(second, 'orders', (list) => ids(list) === '1 2 3');
    assert.ok(
      lists.seen.every((list) => list.length !== 0 || list === lists.seen[0]),
      'an outage was shown as an empty list',
    );
  }),

  faultCase(
    'outage',
    'gives an error, not an empty list, to whoever asks while the backend is away',
    async ({ first, second, outage, eventually }) => {
      await first.register(instance('1'));
      const back = await outage('kept');
      await assert.rejects(second.watch('orders', new AbortController().signal)[Symbol.asyncIterator]().next());
      await assert.rejects(second.services());
      await back();
      await eventually(second, 'orders', (list) => ids(list) === '1');
      assert.deepEqual(await second.services(), ['orders']);
    },
  ),

  faultCase('outage', 'writes its entries again into a backend that came back empty', async ({ first, second, outage, eventually }) => {
    const one = await first.register(instance('1'));
    await first.register(instance('2', { service: 'users', weight: 0 }));
    await one.report('warn', 'slow');
    await (
      await outage('forgotten')
    )();
    await eventually(second, 'orders', ([now]) => now?.id === '1' && now.status === 'warn');
    await eventually(second, 'users', ([now]) => now?.id === '2' && now.weight === 0);
  }),

  faultCase('outage', 'never writes again what was deregistered while the backend was away', async ({ first, second, outage, eventually }) => {
    await first.register(instance('stays'));
    const goes = await first.register(instance('goes'));
    const back = await outage('forgotten');
    await goes.deregister().catch(() => {});
    await back();
    // Whoever would bring back the one brings back the other.
    await eventually(second, 'orders', (list) => list.some(({ id }) => id === 'stays'));
    await goes.report('pass');
    await goes.deregister();
    await second.register(instance('x'));
    assert.equal(ids(await eventually(second, 'orders', (list) => list.some(({ id }) => id === 'x'))), 'stays x');
  }),

  faultCase('outage', 'deregisters after an outage what it could not deregister during it', async ({ first, second, outage, eventually }) => {
    await first.register(instance('stays'));
    const goes = await first.register(instance('goes'));
    const back = await outage('kept');
    await goes.deregister().catch(() => {});
    await back();
    await goes.deregister();
    await eventually(second, 'orders', (list) => ids(list) === 'stays');
  }),

  faultCase('outage', 'registers as soon as the backend is back', async ({ first, second, outage, eventually }) => {
    const back = await outage('forgotten');
    const registering = first.register(instance('1'));
    registering.catch(() => {});
    await back();
    const one = await registering;
    await eventually(second, 'orders', (list) => ids(list) === '1');
    await one.deregister();
    await eventually(second, 'orders', (list) => list.length === 0);
  }),

  faultCase('outage', 'gives up registering while the backend is away when the signal aborts, and leaves nothing', async (bench) => {
    const { first, second, outage, eventually } = bench;
    const reason = new Error('not today');
    const giving = new AbortController();
    const back = await outage('forgotten');
    const registering = assert.rejects(
      first.register(instance('1'), { signal: giving.signal, onRetry: () => giving.abort(reason) }),
      (error) => error === reason,
    );
    await registering;
    await back();
    await eventually(first, 'orders', () => true);
    await first.register(instance('2'));
    await eventually(second, 'orders', (list) => ids(list) === '2');
  }),

  faultCase('outage', 'writes what was reported while the backend was away', async ({ first, second, outage, eventually }) => {
    const one = await first.register(instance('1'));
    const back = await outage('kept');
    await one.report('fail', 'the disk is full').catch(() => {});
    assert.equal(one.instance.status, 'fail');
    await back();
    await eventually(second, 'orders', ([now]) => now?.status === 'fail');
  }),
];
