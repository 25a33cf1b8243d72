import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type { Instance } from '@ferrule/core';
import type { StoredSnapshot } from '@ferrule/core/adapter';
import { conformanceCase } from '../conformance.js';
import type { ConformanceCase } from '../conformance.js';
import { described } from '../described.js';
import type { OpenSnapshotStore, SnapshotStoreSubject } from './subject.js';

type SnapshotStoreCase = ConformanceCase<SnapshotStoreSubject>;

interface Bench extends OpenSnapshotStore {
  corrupt(service: string): Promise<void>;
  outage(): Promise<() => Promise<void>>;
}

const FAULT_DEADLINE_MS = 15_000;
const AGAIN_MS = 50;
const { signal } = new AbortController();

function storeCase(name: string, body: (bench: Bench) => Promise<void>, needs?: 'tells' | 'corrupt' | 'outage'): SnapshotStoreCase {
  const lacks = (subject: SnapshotStoreSubject): string | undefined =>
    needs !== undefined && subject[needs] === undefined
      ? needs === 'tells'
        ? 'this store tells nobody'
        : `no test can ${needs === 'corrupt' ? 'damage' : 'take away'} what it keeps its lists in`
      : undefined;
  const one = conformanceCase<SnapshotStoreSubject>(
    name,
    async (subject, defer) => {
      const reason = lacks(subject);
      if (reason !== undefined) throw new TypeError(`${subject.name}: ${reason}. Ask skipReason() whether to run "${name}".`);
      const open = await subject.open();
      defer(async () => {
        await open.first[Symbol.asyncDispose]();
        await open.second[Symbol.asyncDispose]();
        await open.close?.();
      });
      await body({
        ...open,
        corrupt: async (service) => subject.corrupt?.(open, service),
        async outage() {
          const back = await subject.outage?.(open);
          defer(() => back?.());
          return async () => back?.();
        },
      });
    },
    needs === 'outage' ? FAULT_DEADLINE_MS : undefined,
  );
  return Object.freeze({ ...one, lacks });
}

/** What every level 2 of a Directory promises. */
export const snapshotStoreCases: readonly SnapshotStoreCase[] = Object.freeze([
  storeCase('has nothing of a service that nobody saved', async ({ first }) => {
    assert.equal(await first.load('orders', signal), undefined);
  }),

  storeCase('gives another view what was saved, with every field and its time', async ({ first, second }) => {
    const full: Instance = {
      id: '1',
      service: 'orders',
      version: '1.2.3',
      scheme: 'https',
      host: '::1',
      port: 8443,
      serverName: 'orders.example',
      weight: 0,
      priority: 3,
      zone: 'eu-1',
      tags: ['blue', '작업'],
      metadata: JSON.parse('{"__proto__":"x","commit":"abc"}') as Record<string, string>,
      status: 'warn',
    };
    await first.save(listOf(1_000, full, { ...full, id: '2' }), signal);
    const found = await second.load('orders', signal);
    assert.deepEqual(found && { ...found, instances: found.instances.map(described) }, {
      service: 'orders',
      instances: [described(full), described({ ...full, id: '2' })],
      at: found?.at,
    });
    assert.equal(found?.at, listOf(1_000).at);
  }),

  storeCase('tells a service that has no instance from one that it knows nothing of', async ({ first, second }) => {
    await first.save(listOf(1_000), signal);
    assert.deepEqual((await second.load('orders', signal))?.instances, []);
    assert.equal(await second.load('users', signal), undefined);
  }),

  storeCase('puts a newer list in the place of an older one, and not the other way round', async ({ first, second }) => {
    await first.save(listOf(2_000, on(1)), signal);
    await second.save(listOf(1_000, on(2)), signal);
    assert.deepEqual(ports(await first.load('orders', signal)), [1]);
    await second.save(listOf(3_000, on(3)), signal);
    assert.deepEqual(ports(await first.load('orders', signal)), [3]);
  }),

  storeCase('ends with the newest of lists that are saved at once', async ({ first, second }) => {
    for (let round = 0; round < 10; round++)
      await Promise.all([first, second].map((view, index) => view.save(listOf(1_000 + 2 * round + index, on(1 + 2 * round + index)), signal)));
    assert.deepEqual(ports(await first.load('orders', signal)), [20]);
  }),

  storeCase('keeps services apart, whatever their names look like', async ({ first, second }) => {
    const names = ['order', 'orders', 'Orders', 'orders/x', '../orders', '*', 'lists', '__proto__', 'o'.repeat(200)];
    for (const [index, service] of names.entries()) await first.save({ ...listOf(1_000, on(index + 1, service)), service }, signal);
    for (const [index, service] of names.entries()) assert.deepEqual(ports(await second.load(service, signal)), [index + 1]);
  }),

  storeCase('carries a thousand instances', async ({ first, second }) => {
    const many = Array.from({ length: 1_000 }, (_, index) => on(index + 1, 'orders', String(index)));
    await first.save(listOf(1_000, ...many), signal);
    assert.deepEqual(
      ports(await second.load('orders', signal)),
      many.map(({ port }) => port),
    );
  }),

  storeCase('keeps what was given when it saved, whatever becomes of that list', async ({ first }) => {
    const instances = [on(1)];
    await first.save({ service: 'orders', instances, at: listOf(1_000).at }, signal);
    instances.push(on(2));
    assert.deepEqual(ports(await first.load('orders', signal)), [1]);
  }),

  storeCase('does nothing for a signal that has aborted, and gives its reason', async ({ first }) => {
    const reason = new Error('not today');
    await assert.rejects(first.save(listOf(1_000, on(1)), AbortSignal.abort(reason)), (error) => error === reason);
    await assert.rejects(first.load('orders', AbortSignal.abort(reason)), (error) => error === reason);
    assert.equal(await first.load('orders', signal), undefined);
  }),

  storeCase('refuses what is no name', async ({ first }) => {
    for (const service of ['', 'or ders', 'a\nb', 'o'.repeat(201)]) {
      await assert.rejects(first.load(service, signal), TypeError);
      await assert.rejects(first.save({ service, instances: [], at: listOf(1_000).at }, signal), TypeError);
    }
  }),

  storeCase('takes and gives no more after it was disposed of, once or twice', async ({ first, second }) => {
    await first.save(listOf(1_000, on(1)), signal);
    await Promise.all([first[Symbol.asyncDispose](), first[Symbol.asyncDispose]()]);
    await assert.rejects(first.load('orders', signal));
    await assert.rejects(first.save(listOf(2_000, on(2)), signal));
    assert.deepEqual(ports(await second.load('orders', signal)), [1]);
  }),

  storeCase(
    'passes over what is damaged, and puts the next list in its place',
    async ({ first, second, corrupt }) => {
      await first.save(listOf(1_000, on(1)), signal);
      await corrupt('orders');
      assert.equal(await second.load('orders', signal), undefined);
      await first.save(listOf(2_000, on(2)), signal);
      assert.deepEqual(ports(await second.load('orders', signal)), [2]);
    },
    'corrupt',
  ),

  storeCase(
    'tells another view that a list was saved, until it is asked no more',
    async ({ first, second }) => {
      const heard: string[] = [];
      const end = second.subscribe!((service) => heard.push(service));
      // Subscribing takes a moment, and what was saved before it is not told.
      for (let at = 1_000; heard.length === 0; at++) {
        await first.save(listOf(at, on(1)), signal);
        await wait(AGAIN_MS);
      }
      assert.ok(heard.every((service) => service === 'orders'));
      end();
      end();
      const before = heard.length;
      await new Promise<void>((resolve) => {
        const endOther = second.subscribe!((service) => {
          if (service !== 'users') return;
          endOther();
          resolve();
        });
        first.save({ ...listOf(9_000, on(1, 'users')), service: 'users' }, signal).catch(() => {});
      });
      assert.equal(heard.length, before);
    },
    'tells',
  ),

  storeCase(
    'rejects soon while its place is away, and works again when that is back',
    async ({ first, second, outage }) => {
      await first.save(listOf(1_000, on(1)), signal);
      const back = await outage();
      await assert.rejects(first.load('orders', signal));
      await assert.rejects(second.save(listOf(2_000, on(2)), signal));
      await back();
      for (let saved = false; !saved; await wait(AGAIN_MS))
        saved = await second.save(listOf(3_000, on(3)), signal).then(
          () => true,
          () => false,
        );
      for (;;) {
        const found = await first.load('orders', signal).catch(() => undefined);
        if (found !== undefined) return assert.deepEqual(ports(found), [3]);
        await wait(AGAIN_MS);
      }
    },
    'outage',
  ),
]);

/** Long ago, so that no store takes it for a time that has not come yet. */
const BEGINNING = Date.UTC(2026, 0, 1);

/** A list of `orders` as it was so many ms after the beginning. */
function listOf(ms: number, ...instances: readonly Instance[]): StoredSnapshot {
  return { service: 'orders', instances, at: BEGINNING + ms };
}

function on(port: number, service = 'orders', id = '1'): Instance {
  return { id, service, host: '127.0.0.1', port };
}

function ports(snapshot: StoredSnapshot | undefined): readonly number[] | undefined {
  return snapshot?.instances.map(({ port }) => port);
}
