import assert from 'node:assert/strict';
import { ids, instance, registryCase } from './bench.js';
import type { RegistryCase } from './bench.js';

/** Whatever a name looks like, it is that name and no other. */
export const nameCases: readonly RegistryCase[] = [
  registryCase('keeps services apart, also those whose names begin alike', async ({ first, second, watch }) => {
    const names = ['order', 'orders', 'orders-archive', 'orders.', 'orders/', 'orders/x', 'orders0'];
    const open = names.map((service) => watch(second, service));
    for (const lists of open) assert.deepEqual(await lists.next(), []);
    for (const service of names) await first.register(instance(`of ${service}`.replaceAll(' ', '-'), { service }));
    for (const [index, lists] of open.entries()) assert.equal(ids(await lists.until((list) => list.length > 0)), `of-${names[index]}`);
    assert.deepEqual(await watch(second, 'orde').next(), []);
    assert.deepEqual(await watch(second, 'orders/x/y').next(), []);
    assert.deepEqual(await second.services(), [...names].sort());
  }),

  registryCase('keeps services apart that differ in case alone', async ({ first, second, watch }) => {
    const lower = await first.register(instance('1', { service: 'orders', port: 1001 }));
    await first.register(instance('1', { service: 'Orders', port: 1002 }));
    assert.deepEqual(await second.services(), ['Orders', 'orders']);
    for (const [service, port] of [
      ['orders', 1001],
      ['Orders', 1002],
    ] as const)
      assert.deepEqual(
        (await watch(second, service).next()).map((one) => one.port),
        [port],
      );
    await lower.deregister();
    await watch(second, 'orders').until((list) => list.length === 0);
    assert.deepEqual(await second.services(), ['Orders']);
  }),

  registryCase('keeps names apart that differ in case, look like paths or are long', async ({ first, second, watch }) => {
    const names = ['a', 'A', 'a.json', '../a', '../../a', '..', 'a/b', 'a\\b', 'a%2fb', 'con', '~', 'a'.repeat(200), `${'a'.repeat(199)}b`];
    for (const id of names) await first.register(instance(id));
    const list = await watch(second, 'orders').until((now) => now.length >= names.length);
    assert.deepEqual(
      list.map(({ id }) => id),
      [...names].sort(),
    );
    await first.register(instance('1', { service: '../orders' }));
    assert.deepEqual(await second.services(), ['../orders', 'orders']);
  }),

  registryCase('takes services by the names of things inside it', async ({ first, second, watch }) => {
    const names = [
      'services',
      'service',
      'instances',
      '.',
      '..',
      '*',
      '%',
      '@',
      '~',
      '#',
      '?',
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'null',
      '0',
    ];
    for (const service of names) assert.deepEqual(await watch(second, service).next(), []);
    for (const service of names) await first.register(instance('1', { service }));
    for (const service of names)
      assert.deepEqual(
        (await watch(second, service).until((list) => list.length > 0)).map((one) => one.service),
        [service],
      );
    assert.deepEqual(await second.services(), [...names].sort());
  }),

  registryCase('refuses to watch what is no name', async ({ first }) => {
    for (const name of ['', 'or ders', 'a\nb', 'é', 'a'.repeat(201)])
      await assert.rejects(async () => first.watch(name, new AbortController().signal)[Symbol.asyncIterator]().next(), TypeError);
  }),

  registryCase('names the services that have an instance, sorted', async ({ first, second }) => {
    assert.deepEqual(await second.services(), []);
    const users = await first.register(instance('1', { service: 'users' }));
    await first.register(instance('1', { service: 'orders' }));
    await second.register(instance('2', { service: 'orders' }));
    assert.deepEqual(await second.services(), ['orders', 'users']);
    await users.deregister();
    assert.deepEqual(await second.services(), ['orders']);
  }),

  registryCase('names a service once, as long as any of its instances is there', async ({ first, second }) => {
    const made = await Promise.all(Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? first : second).register(instance(String(index)))));
    assert.deepEqual(await second.services(), ['orders']);
    for (const one of made.slice(1)) await one.deregister();
    assert.deepEqual(await second.services(), ['orders']);
    await made[0]!.deregister();
    assert.deepEqual(await second.services(), []);
  }),

  registryCase('names services while others register: sorted, each once, none that there is not', async ({ first, second }) => {
    const names = Array.from({ length: 20 }, (_, index) => `s${String(index).padStart(2, '0')}`);
    let registering = true;
    const asking = (async () => {
      while (registering) {
        const found = await second.services();
        assert.deepEqual(found, [...new Set(found)].sort());
        for (const name of found) assert.ok(names.includes(name), `there is no service ${name}`);
      }
    })();
    await Promise.all(names.map((service) => first.register(instance('1', { service }))));
    registering = false;
    await asking;
    assert.deepEqual(await second.services(), names);
  }),

  registryCase('names no services for a signal that has aborted', async ({ first }) => {
    await assert.rejects(first.services(AbortSignal.abort(new Error('not today'))));
  }),
];
