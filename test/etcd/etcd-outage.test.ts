import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { etcdRegistry } from '@ferrule/etcd';
import { silentLogger } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import { manualClock, tcpProxy } from '@ferrule/testing';
import { expect } from 'chai';
import { base64, describeWithEtcd, etcdKeys, etcdPut, etcdSays, newEtcd, wipeEtcd } from '../support/etcd.js';
import type { EtcdServer } from '../support/etcd.js';
import { firstList, rejection, watching } from '../support/watching.js';

const INSTANCE: Instance = { id: 'orders-1', service: 'orders', host: '127.0.0.1', port: 8080 };
const KEY = '/ferrule/orders/orders-1';
/** Nobody listens there. */
const DEAD = 'http://127.0.0.1:9';

const valueOf = (instance: Instance): string => JSON.stringify({ ferrule: 1, owner: '1-x', instance });
const target = (etcd: EtcdServer) => ({ host: '127.0.0.1', port: Number(new URL(etcd.address).port) });

describeWithEtcd('etcdRegistry and connections that break', () => {
  let etcd: EtcdServer;

  before(async () => {
    etcd = await newEtcd();
    await etcd.start();
  });
  after(() => etcd.kill());
  beforeEach(() => wipeEtcd(etcd));

  it('sees what happened while connections were reset, and compacted away', async () => {
    await using proxy = await tcpProxy(target(etcd));
    await using registry = etcdRegistry({ endpoints: proxy.origin });
    const lists = watching(registry, 'orders', { again: true });
    await etcdPut(etcd, KEY, valueOf(INSTANCE));
    await lists.until((list) => list.length === 1);
    proxy.refuse(true);
    proxy.cut();
    expect(await lists.lost).to.include({ code: 'UNAVAILABLE', retryable: true });
    for (const port of [1, 2, 3]) await etcdPut(etcd, `${KEY}${port}`, valueOf({ ...INSTANCE, id: `orders-1${port}`, port }));
    await etcdSays(etcd, '/kv/deleterange', { key: base64(KEY) });
    const { header } = await etcdSays<{ header: { revision: string } }>(etcd, '/kv/range', { key: base64('x') });
    await etcdSays(etcd, '/kv/compaction', { revision: header.revision, physical: true });
    proxy.refuse(false);
    await lists.until((list) => list.map(({ port }) => port).join() === '1,2,3');
    await lists.end();
  });

  it('goes on to the next endpoint when one cannot be reached, when it breaks and when it is frozen', async () => {
    await using proxy = await tcpProxy(target(etcd));
    for (const random of [() => 0, () => 0.99]) {
      await using registry = etcdRegistry({ endpoints: [DEAD, etcd.address], random });
      await registry.register(INSTANCE);
      expect(await registry.services()).to.deep.equal(['orders']);
    }
    await using registry = etcdRegistry({ endpoints: [proxy.origin, etcd.address], random: () => 0 });
    expect(await firstList(registry, 'orders')).to.deep.equal([]);
    expect(proxy.connections).to.equal(1);
    proxy.refuse(true);
    proxy.cut();
    expect(await registry.services()).to.deep.equal([]);

    proxy.refuse(false);
    proxy.blackHole(true);
    await using other = etcdRegistry({ endpoints: [proxy.origin, etcd.address], random: () => 0 });
    expect(await other.services()).to.deep.equal([]); // after the 2 s that connecting may take
  });

  it('gives up a silent connection after requestTimeout, and asks the next endpoint', async () => {
    const clock = manualClock();
    await using proxy = await tcpProxy(target(etcd));
    await using registry = etcdRegistry({ endpoints: [proxy.origin, etcd.address], random: () => 0, clock, requestTimeout: '3s' });
    await registry.services();
    proxy.blackHole(true);
    const sent = proxy.received(1);
    const asking = registry.services();
    await sent;
    await clock.advance(3_000);
    expect(await asking).to.deep.equal([]);
    await etcdPut(etcd, KEY, valueOf(INSTANCE));
    expect(await registry.services()).to.deep.equal(['orders']);
  });

  it('ends a watch whose connection has fallen silent after 15 s, and none whose server answers', async () => {
    const clock = manualClock();
    await using proxy = await tcpProxy(target(etcd));
    await using registry = etcdRegistry({ endpoints: proxy.origin, clock, logger: silentLogger });
    const lists = watching(registry, 'orders');
    await lists.until(() => true);
    // Asked whether it is there, it says so: no failure, and changes are seen.
    for (let round = 0; round < 6; round++) {
      await clock.advance(10_000);
      await etcdPut(etcd, KEY, valueOf({ ...INSTANCE, port: round + 1 }));
      await lists.until((list) => list[0]?.port === round + 1);
    }
    proxy.blackHole(true);
    await clock.advance(15_000);
    const error = await lists.lost;
    expect(error).to.include({ code: 'UNAVAILABLE', retryable: true });
    expect((error as Error).message).to.include('silent for 15000 ms');
  });

  it('notices that the server was frozen, and is found again when that is over', async function () {
    this.timeout(60_000);
    await using registry = etcdRegistry({ endpoints: etcd.address, requestTimeout: '1s' });
    await using other = etcdRegistry({ endpoints: etcd.address });
    await registry.register(INSTANCE);
    await etcd.pause();
    try {
      for (const error of [await rejection(registry.services()), await rejection(firstList(registry, 'users'))])
        expect(error).to.include({ code: 'UNAVAILABLE', retryable: true });
    } finally {
      etcd.resume();
    }
    const lists = watching(other, 'orders', { again: true });
    await lists.until((list) => list.length === 1);
    await lists.end();
  });

  it('waits between two attempts to reach a member, however many services are watched', async () => {
    await using proxy = await tcpProxy(target(etcd));
    const clock = manualClock();
    await using registry = etcdRegistry({ endpoints: proxy.origin, clock, random: () => 0.999 });
    const watched = watching(registry, 'orders');
    await watched.until(() => true);
    proxy.refuse(true);
    proxy.cut();
    await watched.lost;
    const services = Array.from({ length: 50 }, (_, index) => `s-${index}`);
    const first = await Promise.all(services.map((service) => rejection(firstList(registry, service))));
    expect(new Set(first.map((error) => (error as Error).message)).size).to.equal(1);
    let settled = 0;
    const second = services.map((service) => rejection(firstList(registry, service)).then(() => settled++));
    await clock.advance(400);
    expect(settled).to.equal(0);
    await clock.advance(100);
    await Promise.all(second);
    proxy.refuse(false);
    const third = registry.services();
    await clock.advance(500);
    expect(await third).to.deep.equal([]);
  });
});

describeWithEtcd('etcdRegistry and a server that comes and goes', () => {
  it('registers as soon as the server is there', async () => {
    const etcd = await newEtcd();
    await using registry = etcdRegistry({ endpoints: etcd.address });
    const registering = registry.register(INSTANCE);
    expect(await rejection(registry.services())).to.include({ code: 'UNAVAILABLE', retryable: true });
    try {
      await etcd.start();
      await registering;
      expect(await registry.services()).to.deep.equal(['orders']);
      await registry[Symbol.asyncDispose]();
    } finally {
      await etcd.kill();
    }
  });

  it('gives up registering when its signal aborts, and registers nothing', async () => {
    const etcd = await newEtcd();
    await using registry = etcdRegistry({ endpoints: etcd.address });
    const giving = new AbortController();
    const registering = rejection(registry.register(INSTANCE, { signal: giving.signal }));
    expect(await rejection(registry.services())).to.have.property('code', 'UNAVAILABLE');
    giving.abort(new Error('enough'));
    expect(await registering).to.have.property('message', 'enough');
    try {
      await etcd.start();
      expect(await registry.services()).to.deep.equal([]);
    } finally {
      await etcd.kill();
    }
  });

  for (const keepsData of [true, false]) {
    for (const watches of [true, false]) {
      it(`is found again, ${watches ? '' : 'though it watches nothing, '}after the server was killed and came back ${keepsData ? 'with its data' : 'empty'}`, async function () {
        this.timeout(60_000);
        const dataDirectory = keepsData ? await mkdtemp(join(tmpdir(), 'ferrule-etcd-')) : undefined;
        const etcd = await newEtcd(dataDirectory === undefined ? {} : { dataDirectory });
        await etcd.start();
        const registry = etcdRegistry({ endpoints: etcd.address });
        const other = etcdRegistry({ endpoints: etcd.address });
        try {
          // So that revisions of the server that comes back empty lie far behind.
          for (let index = 0; index < 20; index++) await etcdPut(etcd, '/x', String(index));
          const registration = await registry.register(INSTANCE);
          const lists = watching(watches ? registry : other, 'orders', { again: true });
          await lists.until((list) => list.length === 1);
          await etcd.kill('SIGKILL');
          await lists.lost;
          expect(await rejection(registration.report('warn'))).to.have.property('code', 'UNAVAILABLE');
          await etcd.start();
          await lists.until((list) => list[0]?.status === 'warn');
          await other.register({ ...INSTANCE, id: 'orders-2' });
          await lists.until((list) => list.length === 2);
          await lists.end();
          await registry[Symbol.asyncDispose]();
          expect([...(await etcdKeys(etcd, '/ferrule/')).keys()]).to.deep.equal(['/ferrule/orders/orders-2']);
        } finally {
          await Promise.allSettled([registry[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
          await etcd.kill();
          if (dataDirectory !== undefined) await rm(dataDirectory, { recursive: true, force: true });
        }
      });
    }
  }

  it('does not register again after a deregistration that failed because the server was away', async function () {
    this.timeout(60_000);
    const dataDirectory = await mkdtemp(join(tmpdir(), 'ferrule-etcd-'));
    const etcd = await newEtcd({ dataDirectory });
    await etcd.start();
    const registry = etcdRegistry({ endpoints: etcd.address });
    try {
      const registration = await registry.register(INSTANCE);
      await etcd.kill('SIGKILL');
      expect(await rejection(registration.deregister())).to.have.property('code', 'UNAVAILABLE');
      await etcd.start();
      await registration.deregister(); // again, and now it can
      expect((await etcdKeys(etcd)).size).to.equal(0);
    } finally {
      await registry[Symbol.asyncDispose]();
      await etcd.kill();
      await rm(dataDirectory, { recursive: true, force: true });
    }
  });
});
