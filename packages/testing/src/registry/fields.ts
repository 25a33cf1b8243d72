import assert from 'node:assert/strict';
import type { Instance } from '@ferrule/core';
import { instance, registryCase } from './bench.js';
import type { RegistryCase } from './bench.js';
import { described } from '../described.js';

const FULL: Instance = {
  id: 'orders-1',
  service: 'orders',
  version: '1.2.3',
  scheme: 'https',
  host: '127.0.0.1',
  port: 8443,
  serverName: 'orders.example',
  weight: 2.5,
  priority: 3,
  zone: 'eu-1',
  tags: ['blue', 'canary'],
  metadata: { commit: 'abc', 'built by': '作者' },
  status: 'warn',
};

/** What an instance says of itself arrives as it was said. */
export const fieldCases: readonly RegistryCase[] = [
  registryCase('shows a registered instance in the first list of another view, with every field', async ({ first, second, watch }) => {
    await first.register(FULL);
    const [seen, ...others] = await watch(second, 'orders').next();
    assert.deepEqual(others, []);
    assert.deepEqual(described(seen), FULL);
  }),

  registryCase('says of an instance that gave nothing but its address nothing more', async ({ first, second, watch }) => {
    await first.register(instance('1'));
    assert.deepEqual(described((await watch(second, 'orders').next())[0]), described(instance('1')));
  }),

  registryCase('carries weight 0, which is not the default', async ({ first, second, watch }) => {
    await first.register(instance('1', { weight: 0 }));
    assert.equal((await watch(second, 'orders').next())[0]?.weight, 0);
  }),

  registryCase('carries the most tags and the longest texts', async ({ first, second, watch }) => {
    const given = instance('i'.repeat(200), {
      version: 'v'.repeat(200),
      host: `${'h'.repeat(60)}.example`,
      port: 65_535,
      weight: 65_535,
      priority: 127,
      zone: 'z'.repeat(200),
      tags: Array.from({ length: 64 }, (_, index) => `${String(index).padStart(2, '0')}${'t'.repeat(198)}`),
      metadata: { ['k'.repeat(200)]: 'm'.repeat(4_096) },
    });
    await first.register(given);
    assert.deepEqual(described((await watch(second, 'orders').next())[0]), described(given));
  }),

  registryCase('carries empty texts, quotes, separators and every script', async ({ first, second, watch }) => {
    const texts = ['', '"', "'", '\\', '/', '=', ',', ';', '%2f', '$(a)', '<b>&amp;', 'Ünï', '작업', '🦀', ' around '];
    const given = instance('1', {
      tags: texts.filter((text) => text !== ''),
      metadata: Object.fromEntries(texts.map((text, index) => [`key ${index}`, text])),
    });
    await first.register(given);
    assert.deepEqual(described((await watch(second, 'orders').next())[0]), described(given));
  }),

  registryCase('carries metadata with any key, and pollutes no prototype', async ({ first, second, watch }) => {
    const metadata = JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}') as Record<string, string>;
    await first.register(instance('1', { metadata }));
    const [seen] = await watch(second, 'orders').next();
    assert.deepEqual(new Map(Object.entries(seen?.metadata ?? {})), new Map(Object.entries(metadata)));
    assert.equal(({} as { x?: unknown }).x, undefined);
  }),

  registryCase('carries hosts of every kind, IPv6 without brackets', async ({ first, second, watch }) => {
    const hosts = ['10.0.0.1', '::1', '[fd00::2]', 'localhost', 'orders.internal', 'xn--bcher-kva.example'];
    for (const [index, host] of hosts.entries()) await first.register(instance(String(index), { host }));
    const list = await watch(second, 'orders').until((now) => now.length === hosts.length);
    assert.deepEqual(
      list.map(({ host }) => host),
      hosts.map((host) => host.replace(/^\[(.*)\]$/, '$1')),
    );
  }),

  registryCase('shows nobody what is no field of an instance', async ({ first, second, watch }) => {
    await first.register({ ...instance('1'), secret: 'hunter2' } as Instance);
    const [seen] = await watch(second, 'orders').next();
    assert.ok(!JSON.stringify(seen).includes('hunter2'), 'a field that is none was handed out');
  }),

  registryCase('keeps what was given when it registered, whatever becomes of that object', async ({ first, second, watch }) => {
    const tags = ['blue'];
    const metadata: Record<string, string> = { commit: 'abc' };
    const given = { ...instance('1'), tags, metadata };
    const one = await first.register(given);
    tags.push('red');
    metadata['commit'] = 'def';
    given.port = 9090;
    await one.report('warn');
    const seen = await watch(second, 'orders').until(([now]) => now?.status === 'warn');
    assert.deepEqual(described(seen[0]), described(instance('1', { tags: ['blue'], metadata: { commit: 'abc' }, status: 'warn' })));
  }),

  registryCase('leaves what does not report at status pass', async ({ first, second, watch }) => {
    await first.register(instance('1'));
    assert.equal((await watch(second, 'orders').next())[0]?.status ?? 'pass', 'pass');
  }),

  registryCase('lists and names also what fails from the beginning', async ({ first, second, watch }) => {
    await first.register(instance('1', { status: 'fail' }));
    assert.equal((await watch(second, 'orders').until(([now]) => now?.status === 'fail')).length, 1);
    assert.deepEqual(await second.services(), ['orders']);
  }),

  registryCase('refuses what is no instance, naming the field, and registers nothing', async ({ first }) => {
    for (const [field, change] of WRONG) {
      await assert.rejects(
        first.register({ ...instance('1'), ...change }),
        (error: unknown) => error instanceof TypeError && error.message.includes(field),
        `${JSON.stringify(change)} was to be refused with a TypeError that names ${field}`,
      );
    }
    assert.deepEqual(await first.services(), []);
  }),
];

const WRONG: readonly (readonly [field: string, change: object])[] = [
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
  ['priority', { priority: 128 }],
  ['priority', { priority: 0.5 }],
  ['serverName', { serverName: '10.0.0.1' }],
  ['scheme', { scheme: 'ftp' }],
  ['status', { status: 'up' }],
  ['tags', { tags: ['a\u2028b'] }],
  ['tags', { tags: 'blue' }],
  ['tags', { tags: Array.from({ length: 65 }, String) }],
  ['metadata', { metadata: { a: 1 } }],
  ['metadata', { metadata: { a: 'm'.repeat(4_097) } }],
  ['metadata', { metadata: { 'a\u0000': '1' } }],
  ['metadata', { metadata: ['a'] }],
  ['version', { version: '1\r\n2' }],
  ['zone', { zone: 7 }],
];
