import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { etcdRegistry } from '@ferrule/etcd';
import type { EtcdRegistryOptions } from '@ferrule/etcd';
import type { Instance, Registry } from '@ferrule/core';
import { manualClock, tcpProxy } from '@ferrule/testing';
import { expect } from 'chai';
import { base64, describeWithEtcd, etcdKeys, etcdPut, etcdSays, newEtcd, wipeEtcd } from '../support/etcd.js';
import type { EtcdServer } from '../support/etcd.js';
import { plain } from '../support/lists.js';
import { firstList, rejection, watching } from '../support/watching.js';

const INSTANCE: Instance = { id: 'orders-1', service: 'orders', host: '127.0.0.1', port: 8080 };
const KEY = '/ferrule/orders/orders-1';

describeWithEtcd('etcdRegistry on a server', () => {
  let etcd: EtcdServer;
  let open: Registry[] = [];

  const registry = (options: EtcdRegistryOptions = {}): Registry => {
    const made = etcdRegistry({ endpoints: etcd.address, ...options });
    open.push(made);
    return made;
  };
  const leases = async (): Promise<number> => (await etcdSays<{ leases?: unknown[] }>(etcd, '/lease/leases')).leases?.length ?? 0;
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${etcd.address}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1]);
  };
  const entry = async (key = KEY): Promise<{ readonly owner: string; readonly instance: Instance } | undefined> => {
    const found = (await etcdKeys(etcd)).get(key);
    return found && (JSON.parse(found.value) as { owner: string; instance: Instance });
  };

  before(async () => {
    etcd = await newEtcd();
    await etcd.start();
  });
  after(() => etcd.kill());
  beforeEach(() => wipeEtcd(etcd));
  afterEach(async () => {
    await Promise.allSettled(open.map((one) => one[Symbol.asyncDispose]()));
    open = [];
  });

  it('writes one key an instance, as JSON, with a lease of its own, and takes both away', async () => {
    const before = await leases();
    const given: Instance = { ...INSTANCE, version: '1.2.3', priority: 1, zone: 'eu-1', metadata: { commit: 'abc' } };
    const one = await registry().register(given);
    const other = await registry().register({ ...INSTANCE, id: 'a/b_1%' });
    const keys = await etcdKeys(etcd);
    expect([...keys.keys()]).to.deep.equal(['/ferrule/orders/a%2Fb_1%25', KEY]);
    expect(new Set([...keys.values()].map(({ lease }) => lease)).size).to.equal(2);
    const value = JSON.parse(keys.get(KEY)!.value) as { owner: string };
    expect(value).to.deep.equal({ ferrule: 1, owner: value.owner, instance: given });
    await one.report('warn', 'the disk is nearly full');
    expect(await entry()).to.deep.include({ note: 'the disk is nearly full', instance: { ...given, status: 'warn' } });
    await one.deregister();
    await other.deregister();
    expect((await etcdKeys(etcd)).size).to.equal(0);
    expect(await leases()).to.equal(before);
  });

  it('takes the prefix that it is given, with or without a slash at its end', async () => {
    await registry({ prefix: '/team-a/services' }).register(INSTANCE);
    await registry().register({ ...INSTANCE, id: 'orders-2' });
    expect([...(await etcdKeys(etcd)).keys()]).to.deep.equal(['/ferrule/orders/orders-2', '/team-a/services/orders/orders-1']);
    expect(plain(await firstList(registry({ prefix: '/team-a/services/' }), 'orders'))).to.deep.equal([INSTANCE]);
  });

  it('renews the lease every third of the ttl', async () => {
    const renewed = (): Promise<number> => metric('etcd_debugging_lease_renewed_total');
    const clock = manualClock();
    const registration = await registry({ clock, random: () => 0.5, ttl: '30s' }).register(INSTANCE);
    const before = await renewed();
    await clock.advance(9_999);
    await clock.advance(1);
    await registration.report('pass'); // stands behind the renewal
    expect(await renewed()).to.be.greaterThan(before);
  });

  for (const [what, lose] of [
    ['its key is deleted', () => etcdSays(etcd, '/kv/deleterange', { key: base64(KEY) })],
    ['its lease is revoked', async () => etcdSays(etcd, '/lease/revoke', { ID: (await etcdKeys(etcd)).get(KEY)!.lease })],
  ] as const) {
    it(`is registered again at once when ${what} by somebody else`, async () => {
      // The clock stands: it is no keeper's turn that notices.
      const lists = watching(registry(), 'orders');
      await registry({ clock: manualClock() }).register(INSTANCE);
      await lists.until((list) => list.length === 1);
      const [first] = lists.list!;
      await lose();
      await lists.until((list) => list.length === 1 && list[0] !== first);
      await lists.end();
    });
  }

  it('never registers again after deregister, and leaves no timer behind', async () => {
    const clock = manualClock();
    const one = registry({ clock });
    const registration = await one.register(INSTANCE);
    await registration.deregister();
    await clock.advance(60_000);
    await registration.report('fail');
    expect((await etcdKeys(etcd)).size).to.equal(0);
    await one[Symbol.asyncDispose]();
    expect(clock.pending).to.equal(0);
  });

  it('lets the same id replace whatever the clocks of the two say, and keeps it so after both were lost', async () => {
    const [ahead, behind] = [manualClock({ wallTime: 2_000_000 }), manualClock({ wallTime: 1_000_000 })];
    const first = await registry({ clock: ahead, random: () => 0.5 }).register({ ...INSTANCE, port: 1 });
    const second = await registry({ clock: behind, random: () => 0.5 }).register({ ...INSTANCE, port: 2 });
    await first.report('warn');
    expect((await entry())?.instance.port).to.equal(2);
    // Both are told; whoever comes first, the later one has it in the end.
    await etcdSays(etcd, '/kv/deleterange', { key: base64(KEY) });
    do {
      await ahead.advance(5_000);
      await behind.advance(5_000);
      await first.report('warn');
      await second.report('pass');
    } while ((await entry())?.instance.port !== 2);
    await ahead.advance(5_000);
    await first.report('warn');
    expect((await entry())?.instance.port).to.equal(2);
    // When it leaves for good, the other one is seen again.
    await second.deregister();
    while ((await entry())?.instance.port !== 1) await ahead.advance(5_000);
  });

  it('keeps the objects of instances that have not changed, and gives no list when nothing has', async () => {
    const one = registry();
    const registrations = await Promise.all(['a', 'b', 'c'].map((id) => one.register({ ...INSTANCE, id })));
    const lists: (readonly Instance[])[] = [];
    const ending = new AbortController();
    const changed = (async () => {
      for await (const list of registry().watch('orders', ending.signal)) {
        lists.push(list);
        if (list.some(({ id }) => id === 'd')) return;
      }
    })();
    while (lists.length < 1) await new Promise((resolve) => setImmediate(resolve));
    await etcdPut(etcd, '/ferrule/orders/b', (await etcdKeys(etcd)).get('/ferrule/orders/b')!.value); // the same again
    await registrations[2]!.report('fail');
    await one.register({ ...INSTANCE, id: 'd' });
    await changed;
    const [first, second, third] = lists;
    expect(lists.map((list) => list.map(({ id }) => id).join(''))).to.deep.equal(['abc', 'abc', 'abcd']);
    expect([second![0], second![1]]).to.deep.equal([first![0], first![1]]);
    expect(second![0] === first![0] && second![1] === first![1] && second![2] !== first![2]).to.equal(true);
    expect(third![2] === second![2] && third![0] === first![0]).to.equal(true);
    ending.abort();
  });

  it('passes over what is no instance, says so once, and sees it when it has become one', async () => {
    const lines: object[] = [];
    const note = (fields: object): void => void lines.push(fields);
    await registry().register(INSTANCE);
    const good = JSON.stringify({ ferrule: 1, owner: 'x', instance: { ...INSTANCE, id: 'orders-9' } });
    const wrong = ['no JSON', '7', '{"ferrule":2}', JSON.stringify({ ferrule: 1, instance: { ...INSTANCE, port: 0 } }), good, '\u0000\ufffd'];
    for (const [index, value] of wrong.entries()) await etcdPut(etcd, `/ferrule/orders/bad-${index}`, value);
    const lists = watching(registry({ logger: { debug: note, info: note, warn: note, error: note } }), 'orders');
    expect(plain(await lists.until(() => true))).to.deep.equal([INSTANCE]);
    await etcdPut(etcd, '/ferrule/orders/bad-0', 'no JSON either');
    await etcdPut(etcd, '/ferrule/orders/orders-9', good);
    await lists.until((list) => list.length === 2);
    expect(lines).to.have.length(wrong.length);
    expect(lines[0]).to.include({ service: 'orders', key: '/ferrule/orders/bad-0' });
    await lists.end();
  });

  it('names services from keys alone, over pages, also those with more instances than a page', async () => {
    const value = JSON.stringify({ ferrule: 1, owner: 'x', instance: INSTANCE });
    const puts = [
      ...Array.from({ length: 1_100 }, (_, index) => `a/${index}`),
      ...Array.from({ length: 1_050 }, (_, index) => `s-${index}%2Fx/1`),
      'z/1',
    ];
    for (let from = 0; from < puts.length; from += 100)
      await etcdSays(etcd, '/kv/txn', {
        success: puts.slice(from, from + 100).map((key) => ({ request_put: { key: base64(`/ferrule/${key}`), value: base64(value) } })),
      });
    const names = await registry().services();
    expect(names).to.have.length(1_052);
    expect(names.slice(0, 2)).to.deep.equal(['a', 's-0/x']);
    expect(names.at(-1)).to.equal('z');
    expect(names).to.deep.equal([...names].sort());
  });

  it('lists more instances than a page, and sees one of them change', async () => {
    const value = (id: string, port: number): string => JSON.stringify({ ferrule: 1, owner: 'x', instance: { ...INSTANCE, id, port } });
    const ids = Array.from({ length: 2_300 }, (_, index) => `i-${index}`);
    for (let from = 0; from < ids.length; from += 100)
      await etcdSays(etcd, '/kv/txn', {
        success: ids.slice(from, from + 100).map((id) => ({ request_put: { key: base64(`/ferrule/orders/${id}`), value: base64(value(id, 1)) } })),
      });
    const lists = watching(registry(), 'orders');
    const before = await lists.until((list) => list.length === ids.length);
    await etcdPut(etcd, '/ferrule/orders/i-77', value('i-77', 2));
    const after = await lists.until((list) => list.some(({ port }) => port === 2));
    expect(after.filter((instance, index) => instance !== before[index]).map(({ id }) => id)).to.deep.equal(['i-77']);
    await wipeEtcd(etcd);
    await lists.until((list) => list.length === 0);
    await lists.end();
  });

  it('asks for everything over one connection, and for one service once', async () => {
    await using proxy = await tcpProxy({ host: '127.0.0.1', port: Number(new URL(etcd.address).port) });
    const one = etcdRegistry({ endpoints: proxy.origin });
    const services = Array.from({ length: 60 }, (_, index) => `s-${index}`);
    await Promise.all(services.map((service) => one.register({ ...INSTANCE, service })));
    const watches = [...services, ...services].map((service) => watching(one, service));
    for (const lists of watches) await lists.until((list) => list.length === 1);
    expect(proxy.connections).to.equal(1);
    while ((await metric('etcd_debugging_mvcc_watcher_total')) < 120); // one a service, one an entry of ours
    expect(await metric('etcd_debugging_mvcc_watcher_total')).to.equal(120);
    expect(proxy.connections).to.equal(1);
    for (const lists of watches) await lists.end();
    await one[Symbol.asyncDispose]();
  });

  it('sees an instance of another process, and sees it go when that is killed', async function () {
    this.timeout(60_000);
    const code = `
      import { etcdRegistry } from '@ferrule/etcd';
      const registry = etcdRegistry({ endpoints: ${JSON.stringify(etcd.address)}, ttl: '5s' });
      for await (const list of registry.watch('orders', new AbortController().signal)) if (list.length === 1) break;
      await registry.register(${JSON.stringify({ ...INSTANCE, id: 'orders-2' })});
      setInterval(() => {}, 1_000);`;
    const root = fileURLToPath(new URL('../../../', import.meta.url));
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: root, stdio: 'inherit' });
    try {
      const lists = watching(registry(), 'orders');
      await registry().register(INSTANCE);
      await lists.until((list) => list.length === 2);
      child.kill('SIGKILL');
      await lists.until((list) => list.length === 1);
      await lists.end();
    } finally {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  });

  it('lets the process end while it watches', async () => {
    const code = `
      import { etcdRegistry } from '@ferrule/etcd';
      const registry = etcdRegistry({ endpoints: ${JSON.stringify(etcd.address)} });
      const lists = registry.watch('orders', new AbortController().signal)[Symbol.asyncIterator]();
      await lists.next();
      void lists.next();
      await registry.services();
      process.stdout.write('done');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: fileURLToPath(new URL('../../../', import.meta.url)) });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += String(chunk)));
    const [status] = (await once(child, 'close')) as [number];
    expect([status, said]).to.deep.equal([0, 'done']);
  });

  it('does without a token where etcd asks for no user', async () => {
    await registry({ username: 'somebody', password: 'x' }).register(INSTANCE);
    expect(await registry({ username: 'somebody', password: 'x' }).services()).to.deep.equal(['orders']);
  });

  it('rejects everything after it was closed', async () => {
    const one = registry();
    await one.services();
    await one[Symbol.asyncDispose]();
    for (const error of [await rejection(one.services()), await rejection(one.register(INSTANCE)), await rejection(firstList(one, 'orders'))])
      expect(error).to.include({ code: 'UNAVAILABLE', retryable: false });
  });
});
