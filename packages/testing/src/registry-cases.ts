import assert from 'node:assert/strict';
import type { Instance, Registry } from '@ferrule/core';
import { conformanceCase } from './conformance.js';
import type { ConformanceCase, ConformanceSubject, Defer } from './conformance.js';

/** A registry as its cases need it. */
export interface RegistrySubject extends ConformanceSubject {
  /** Two views of one new and empty backend, as two processes have them. A registry inside one process gives the same object twice. */
  open(): Promise<OpenRegistry>;
}

export interface OpenRegistry {
  readonly first: Registry;
  readonly second: Registry;
  /** Takes the backend away, after both registries were disposed of. */
  close?(): Promise<void>;
}

/** What every registry promises, whatever it keeps its entries in. */
export const registryCases: readonly ConformanceCase<RegistrySubject>[] = [
  registryCase('gives an empty list at once for a service that nobody registered', async ({ first, watch }) => {
    assert.deepEqual(await watch(first, 'orders').next(), []);
  }),

  registryCase('shows a registered instance in the first list of another view, with every field', async ({ first, second, watch }) => {
    const given: Instance = {
      id: 'orders-1',
      service: 'orders',
      version: '1.2.3',
      scheme: 'https',
      host: '127.0.0.1',
      port: 8080,
      weight: 2.5,
      zone: 'eu-1',
      tags: ['blue', 'canary'],
      metadata: { commit: 'abc', 'built by': '作者' },
      status: 'warn',
    };
    await first.register(given);
    const [seen, ...others] = await watch(second, 'orders').next();
    assert.deepEqual(others, []);
    assert.deepEqual(plain(seen), given);
  }),

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

  registryCase('keeps services apart', async ({ first, second, watch }) => {
    await first.register(instance('1', { service: 'orders' }));
    await first.register(instance('2', { service: 'orders-archive' }));
    assert.equal(ids(await watch(second, 'orders').next()), '1');
    assert.equal(ids(await watch(second, 'orders-archive').next()), '2');
    assert.deepEqual(await watch(second, 'order').next(), []);
  }),

  registryCase('sees fifty instances that register at the same time, in the order of their ids', async ({ first, second, watch }) => {
    const names = Array.from({ length: 50 }, (_, index) => `i${String(index).padStart(2, '0')}`);
    const lists = watch(second, 'orders');
    await Promise.all(names.toReversed().map((id, index) => (index % 2 === 0 ? first : second).register(instance(id))));
    assert.equal(ids(await lists.until((list) => list.length === 50)), names.join(' '));
  }),

  registryCase('replaces an instance of the same id', async ({ first, second, watch }) => {
    await first.register(instance('1', { port: 1001 }));
    await second.register(instance('1', { port: 1002 }));
    const list = await watch(first, 'orders').until((now) => now[0]?.port === 1002);
    assert.equal(list.length, 1);
  }),

  registryCase('lets a registration that was replaced neither change nor remove what replaced it', async ({ first, second, watch }) => {
    const old = await first.register(instance('1', { port: 1001 }));
    await second.register(instance('1', { port: 1002 }));
    await old.report('fail');
    await old.deregister();
    const [seen] = await watch(first, 'orders').next();
    assert.deepEqual({ port: seen?.port, status: seen?.status ?? 'pass' }, { port: 1002, status: 'pass' });
  }),

  registryCase('deregisters for good, however often and by whom it is asked', async ({ first, second, watch }) => {
    const one = await first.register(instance('1'));
    await Promise.all([one.deregister(), one.deregister(), one[Symbol.asyncDispose]()]);
    await one.report('pass');
    await one.deregister();
    await second.register(instance('2'));
    assert.equal(ids(await watch(second, 'orders').next()), '2');
  }),

  registryCase('lets an instance come back under the same id', async ({ first, second, watch }) => {
    const one = await first.register(instance('1', { port: 1001 }));
    await one.deregister();
    await first.register(instance('1', { port: 1002 }));
    assert.equal((await watch(second, 'orders').next())[0]?.port, 1002);
  }),

  registryCase('leaves what does not report at status pass', async ({ first, second, watch }) => {
    await first.register(instance('1'));
    assert.equal((await watch(second, 'orders').next())[0]?.status ?? 'pass', 'pass');
  }),

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

  registryCase('gives a slow reader the newest list in place of all that it missed', async ({ first, watch }) => {
    const lists = watch(first, 'orders');
    await lists.next();
    const names = Array.from({ length: 30 }, (_, index) => `i${String(index).padStart(2, '0')}`);
    for (const id of names) await first.register(instance(id));
    let reads = 1;
    while ((await lists.next()).length < 30) reads++;
    assert.ok(reads <= 10, `it took ${reads} reads to catch up with 30 changes`);
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

  registryCase('names the services that have an instance, sorted', async ({ first, second }) => {
    assert.deepEqual(await second.services(), []);
    const users = await first.register(instance('1', { service: 'users' }));
    await first.register(instance('1', { service: 'orders' }));
    await second.register(instance('2', { service: 'orders' }));
    assert.deepEqual(await second.services(), ['orders', 'users']);
    await users.deregister();
    assert.deepEqual(await second.services(), ['orders']);
  }),

  registryCase('refuses what is no instance, naming the field, and registers nothing', async ({ first }) => {
    const wrong: readonly (readonly [string, object])[] = [
      ['id', { id: '' }],
      ['id', { id: 'a\nb' }],
      ['id', { id: 'a'.repeat(201) }],
      ['service', { service: 'or ders' }],
      ['service', { service: '' }],
      ['host', { host: '' }],
      ['host', { host: 'http://a' }],
      ['host', { host: 'a:80' }],
      ['host', { host: 'user@a' }],
      ['host', { host: 'fe80::1%eth0' }],
      ['port', { port: 0 }],
      ['port', { port: 65_536 }],
      ['port', { port: 80.5 }],
      ['port', { port: '80' }],
      ['weight', { weight: -1 }],
      ['weight', { weight: Number.NaN }],
      ['scheme', { scheme: 'ftp' }],
      ['status', { status: 'up' }],
      ['tags', { tags: ['a\u2028b'] }],
      ['tags', { tags: 'blue' }],
      ['metadata', { metadata: { a: 1 } }],
      ['metadata', { metadata: { 'a\u0000': '1' } }],
      ['metadata', { metadata: ['a'] }],
      ['version', { version: '1\r\n2' }],
      ['zone', { zone: 7 }],
    ];
    for (const [field, change] of wrong) {
      await assert.rejects(
        first.register({ ...instance('1'), ...change }),
        (error: unknown) => error instanceof TypeError && error.message.includes(field),
        `${JSON.stringify(change)} was to be refused with a TypeError that names ${field}`,
      );
    }
    assert.deepEqual(await first.services(), []);
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

  registryCase('carries metadata with any key, and pollutes no prototype', async ({ first, second, watch }) => {
    const metadata = JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}') as Record<string, string>;
    await first.register(instance('1', { metadata }));
    const [seen] = await watch(second, 'orders').next();
    assert.deepEqual(new Map(Object.entries(seen?.metadata ?? {})), new Map(Object.entries(metadata)));
    assert.equal(({} as { x?: unknown }).x, undefined);
  }),

  registryCase('registers nothing when the signal has aborted', async ({ first }) => {
    const reason = new Error('not today');
    await assert.rejects(first.register(instance('1'), { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    assert.deepEqual(await first.services(), []);
  }),

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
      await assert.rejects(first.watch('orders', new AbortController().signal)[Symbol.asyncIterator]().next());
      await first[Symbol.asyncDispose]();
      if (second !== first) assert.deepEqual(await second.services(), []);
    },
  ),
];

interface Bench extends OpenRegistry {
  watch(registry: Registry, service: string): WatchedLists;
}

interface WatchedLists {
  next(): Promise<readonly Instance[]>;
  /** The first list from now on that fits. */
  until(fits: (list: readonly Instance[]) => boolean): Promise<readonly Instance[]>;
}

function registryCase(name: string, body: (bench: Bench) => Promise<void>): ConformanceCase<RegistrySubject> {
  return conformanceCase(name, async (subject: RegistrySubject, defer: Defer) => {
    const open = await subject.open();
    const ending = new AbortController();
    defer(async () => {
      ending.abort();
      await open.first[Symbol.asyncDispose]();
      await open.second[Symbol.asyncDispose]();
      await open.close?.();
    });
    const watch = (registry: Registry, service: string): WatchedLists => {
      const lists = registry.watch(service, ending.signal)[Symbol.asyncIterator]();
      const next = async (): Promise<readonly Instance[]> => {
        const step = await lists.next();
        if (step.done === true) throw new Error(`The watch of ${service} ended`);
        return step.value;
      };
      return {
        next,
        async until(fits) {
          for (;;) {
            const list = await next();
            if (fits(list)) return list;
          }
        },
      };
    };
    await body({ ...open, watch });
  });
}

function instance(id: string, change: Partial<Instance> = {}): Instance {
  return { id, service: 'orders', host: '127.0.0.1', port: 8080, ...change };
}

function ids(list: readonly Instance[]): string {
  return list.map(({ id }) => id).join(' ');
}

/** Without the marks of how it was made: null prototypes and frozen arrays. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
