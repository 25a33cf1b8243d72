import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { etcdRegistry } from '@ferrule/etcd';
import { ServiceError } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import { expect } from 'chai';
import { rejection, firstList, watching } from '../support/watching.js';
import { fakeEtcd, fieldsOf, frame, message } from './fake-etcd.js';
import type { FakeCall, FakeEtcd } from './fake-etcd.js';

const INSTANCE: Instance = { id: 'a', service: 'orders', host: '127.0.0.1', port: 8080 };

const header = (revision: number): Buffer => message([3, revision]);
const keyValue = (id: string, revision: number, port = 8080): Buffer =>
  message(
    [1, `/ferrule/orders/${id}`],
    [2, revision],
    [3, revision],
    [4, 1],
    [5, JSON.stringify({ ferrule: 1, owner: '1-x', instance: { ...INSTANCE, id, port } })],
    [6, -1n],
    [90, 'of a later version'],
  );
const range = (revision: number, ...kvs: readonly Buffer[]): Buffer => message([1, header(revision)], ...kvs.map((kv) => [2, kv] as const));
/** The watch that a call asks for. */
const watchOf = (call: FakeCall) => {
  const create = fieldsOf(call.request.get(1) as Buffer);
  return { id: create.get(7) as number, start: create.get(3) as number, prefix: String(create.get(1)), end: String(create.get(2)) };
};
const put = (kv: Buffer): readonly [number, Buffer] => [11, message([2, kv])];
const deleted = (id: string, revision: number): readonly [number, Buffer] => [
  11,
  message([1, 1], [2, message([1, `/ferrule/orders/${id}`], [3, revision])]),
];

describe('etcdRegistry and what a server may answer', () => {
  const headersOf = (type: string, status = 200) => ({ ':status': status, 'content-type': type });
  for (const [what, answer, words, code = 'UNAVAILABLE'] of [
    ['an unavailable status', (call) => call.end(14, 'etcdserver: no leader'), 'no leader'],
    [
      'a status alone, in the first headers',
      ({ stream }) => stream.respond({ ...headersOf('application/grpc'), 'grpc-status': '14', 'grpc-message': 'stopped' }, { endStream: true }),
      'stopped',
    ],
    ['an unknown status', (call) => call.end(99, 'x'), 'x', 'UNKNOWN'],
    ['words that forge a line', (call) => call.end(14, 'a%0Ab%E2%80%A8c 100%25'), 'a b c 100%'],
    ['words with a broken escape', (call) => call.end(14, '100%'), '100%'],
    ['status 0 and no message', (call) => call.end(), 'without a message'],
    ['a page of HTML', ({ stream }) => (stream.respond(headersOf('text/html')), stream.end('<html>')), 'text/html instead of gRPC'],
    ['404 of HTTP', ({ stream }) => (stream.respond(headersOf('text/plain', 404)), stream.end('no')), 'status 404'],
    ['no end', ({ send, stream }) => (send(range(1)), setImmediate(() => stream.close())), 'the connection broke'],
    ['half a message', ({ send, stream, end }) => (send(), stream.write(frame(range(5)).subarray(0, 6)), end()), 'without a message'],
    ['a compressed message', ({ send, stream }) => (send(), stream.write(Buffer.from([1, 0, 0, 0, 0]))), 'a compressed message'],
    ['a message of 4 GB', ({ send, stream }) => (send(), stream.write(Buffer.from([0, 255, 255, 255, 255]))), 'more than'],
    ['what is no message of Protocol Buffers', ({ send, end }) => (send(Buffer.from([0x0a, 0x7f])), end()), 'cannot be read'],
    ['a number that does not end', ({ send, end }) => (send(Buffer.alloc(20, 0xff)), end()), 'cannot be read'],
    ['nothing, and hangs up', ({ stream }) => stream.session?.destroy(), 'did not answer'],
  ] as readonly (readonly [string, FakeEtcd['answer'], string, string?])[]) {
    it(`fails with an error that can be retried when it answers ${what}`, async () => {
      await using fake = await fakeEtcd(answer);
      const registry = etcdRegistry({ endpoints: fake.address });
      for (const error of [await rejection(registry.services()), await rejection(firstList(registry, 'orders'))]) {
        expect(error).to.be.instanceOf(ServiceError).and.to.include({ code, retryable: true });
        expect((error as Error).message)
          .to.include(words)
          .and.to.include(`etcd at ${fake.address}`)
          .and.to.include('KV/Range');
      }
      await registry[Symbol.asyncDispose]();
    });
  }

  it('goes on to the next member when one has no leader, and stays there', async () => {
    await using without = await fakeEtcd((call) => call.end(14, 'etcdserver: no leader'));
    await using good = await fakeEtcd((call) => (call.send(range(1)), call.end()));
    const registry = etcdRegistry({ endpoints: [without.address, good.address], random: () => 0 });
    expect(await registry.services()).to.deep.equal([]);
    expect(await registry.services()).to.deep.equal([]);
    expect([without.calls.length, good.calls.length]).to.deep.equal([1, 2]);
    good.answer = (call) => call.end(14, 'etcdserver: no leader');
    // Each was asked once.
    expect(await rejection(registry.services())).to.include({ code: 'UNAVAILABLE', retryable: true });
    expect([without.calls.length, good.calls.length]).to.deep.equal([2, 3]);
    await registry[Symbol.asyncDispose]();
  });

  it('says so when a web server stands there', async () => {
    const server = createServer((_req, res) => res.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using registry = etcdRegistry({ endpoints: `127.0.0.1:${(server.address() as AddressInfo).port}` });
    const error = await rejection(registry.services());
    expect(error).to.include({ code: 'UNAVAILABLE', retryable: true }).and.property('message').include('no HTTP/2');
    server.closeAllConnections();
    server.close();
  });

  it('puts an answer together that comes byte by byte', async () => {
    await using fake = await fakeEtcd((call) => {
      call.send();
      const bytes = frame(range(7, keyValue('a', 3)));
      let at = 0;
      const next = (): void => {
        if (at === bytes.length) return call.end();
        call.stream.write(bytes.subarray(at, ++at), () => setImmediate(next));
      };
      if (call.name === 'KV/Range') next();
    });
    const registry = etcdRegistry({ endpoints: fake.address });
    expect((await firstList(registry, 'orders')).map(({ id }) => id)).to.deep.equal(['a']);
    await registry[Symbol.asyncDispose]();
  });

  it('gives up an answer that drips for ever', async () => {
    const clock = manualClock();
    let drip: FakeCall | undefined;
    await using fake = await fakeEtcd((call) => {
      drip = call;
      call.send();
      call.stream.write(frame(Buffer.alloc(1_000)).subarray(0, 100));
    });
    const registry = etcdRegistry({ endpoints: fake.address, clock, requestTimeout: '3s' });
    const asking = rejection(registry.services());
    while (drip === undefined) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(3_000);
    expect(await asking).to.have.property('code', 'UNAVAILABLE');
    await registry[Symbol.asyncDispose]();
  });

  it('lists at a revision and watches from the next one, of the service alone, with a leader', async () => {
    const watches: FakeCall[] = [];
    await using fake = await fakeEtcd((call) => {
      if (call.name === 'KV/Range') (call.send(range(41, keyValue('a', 3))), call.end());
      else watches.push(call);
    });
    const registry = etcdRegistry({ endpoints: fake.address });
    const lists = watching(registry, 'orders');
    await lists.until((list) => list.length === 1);
    while (watches.length < 1) await new Promise((resolve) => setImmediate(resolve));
    const { id, start, prefix, end } = watchOf(watches[0]!);
    expect([start, prefix, end]).to.deep.equal([42, '/ferrule/orders/', '/ferrule/orders0']);
    expect(fake.headers.every((headers) => headers['hasleader'] === 'true')).to.equal(true);
    // Of somebody else's watch, a made one, and a progress notice: nothing happens.
    watches[0]!.send(
      message([2, 77], put(keyValue('x', 50))),
      message([2, id], [3, 1]),
      message([1, header(60)], [2, id]),
      message([1, header(60)], [2, -1n]),
    );
    watches[0]!.send(message([2, id], put(keyValue('b', 43)), put(keyValue('a', 44, 9)), deleted('b', 45), put(keyValue('c', 46))));
    expect((await lists.until((list) => list.length === 2)).map((one) => `${one.id} ${one.port}`)).to.deep.equal(['a 9', 'c 8080']);
    await lists.end();
    await registry[Symbol.asyncDispose]();
  });

  it('shows the changes of one answer together, though it came in pieces', async () => {
    let watch: FakeCall | undefined;
    await using fake = await fakeEtcd((call) => {
      if (call.name === 'KV/Range') (call.send(range(41)), call.end());
      else watch = call;
    });
    const registry = etcdRegistry({ endpoints: fake.address });
    const seen: number[] = [];
    const ending = new AbortController();
    const done = (async () => {
      for await (const list of registry.watch('orders', ending.signal)) if (seen.push(list.length) > 1) return;
    })();
    while (watch === undefined) await new Promise((resolve) => setImmediate(resolve));
    const { id } = watchOf(watch);
    watch.send(message([2, id], [7, 1], put(keyValue('a', 43))));
    await new Promise((resolve) => setImmediate(resolve));
    watch.send(message([2, id], [7, 1], put(keyValue('b', 43))));
    await new Promise((resolve) => setImmediate(resolve));
    watch.send(message([2, id], put(keyValue('c', 43))));
    await done;
    expect(seen).to.deep.equal([0, 3]);
    await registry[Symbol.asyncDispose]();
  });

  it('lists again without an error when the revision was compacted away, between list and watch, between pages and later', async () => {
    let ranges = 0;
    const watches: FakeCall[] = [];
    await using fake = await fakeEtcd((call) => {
      if (call.name !== 'KV/Range') return void watches.push(call);
      switch (++ranges) {
        case 1:
          call.send(range(10, keyValue('a', 3)));
          return call.end();
        case 2:
          call.send(Buffer.concat([range(25, keyValue('a', 3), keyValue('b', 20)), message([3, 1])])); // there are more
          return call.end();
        case 3:
          expect(call.request.get(4)).to.equal(25);
          return call.end(11, 'etcdserver: mvcc: required revision has been compacted');
        default:
          call.send(range(30, keyValue('b', 20)));
          return call.end();
      }
    });
    const registry = etcdRegistry({ endpoints: fake.address });
    const lists = watching(registry, 'orders');
    await lists.until((list) => list.length === 1);
    while (watches.length < 1) await new Promise((resolve) => setImmediate(resolve));
    const [{ id }] = [watchOf(watches[0]!)];
    watches[0]!.send(message([2, id], [3, 1], [4, 1], [5, 20]));
    await lists.until((list) => list.length === 1 && list[0]?.id === 'b');
    expect(ranges).to.equal(4);
    while (watches.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(watchOf(watches[1]!).start).to.equal(31);
    await lists.end();
    await registry[Symbol.asyncDispose]();
  });

  for (const [what, answer, words] of [
    ['is cancelled with a reason', (call) => call.send(message([2, watchOf(call).id], [4, 1], [6, 'rpc error: etcdserver: no leader'])), 'no leader'],
    ['is cancelled without one', (call) => call.send(message([2, watchOf(call).id], [4, 1])), 'was cancelled'],
    ['is ended by the server', (call) => call.end(), 'was ended'],
    ['ends with a status', (call) => call.end(14, 'etcdserver: server stopped'), 'server stopped'],
    ['cannot be read', (call) => call.send(Buffer.from([0x0a, 0x7f])), 'cannot be read'],
  ] as readonly (readonly [string, FakeEtcd['answer'], string])[]) {
    it(`ends a watch with the reason when it ${what}, and begins anew with a list`, async () => {
      let watches = 0;
      await using fake = await fakeEtcd((call) => {
        if (call.name === 'KV/Range') (call.send(range(10, keyValue('a', 3))), call.end());
        else if (++watches === 1) answer(call);
      });
      const registry = etcdRegistry({ endpoints: fake.address });
      const lists = watching(registry, 'orders', { again: true });
      const error = await lists.lost;
      expect(error).to.include({ code: 'UNAVAILABLE', retryable: true }).and.property('message').include(words);
      await lists.until((list) => list.length === 1);
      while (watches < 2) await new Promise((resolve) => setImmediate(resolve));
      expect(fake.calls).to.deep.equal(['KV/Range', 'Watch/Watch', 'KV/Range', 'Watch/Watch']);
      await lists.end();
      await registry[Symbol.asyncDispose]();
    });
  }

  it('ends only the watch that is refused, and leaves the others of the stream', async () => {
    let stream: FakeCall | undefined;
    await using fake = await fakeEtcd((call) => {
      if (call.name === 'KV/Range') (call.send(range(10)), call.end());
      else stream = call;
    });
    const registry = etcdRegistry({ endpoints: fake.address });
    const [one, other] = [watching(registry, 'orders'), watching(registry, 'users')];
    await Promise.all([one.until(() => true), other.until(() => true)]);
    while (stream === undefined) await new Promise((resolve) => setImmediate(resolve));
    stream.send(message([2, 2], [3, 1], [4, 1], [6, 'etcdserver: permission denied']));
    expect(await other.lost).to.include({ code: 'PERMISSION_DENIED', retryable: false });
    stream.send(message([2, 1], put(keyValue('a', 11))));
    await one.until((list) => list.length === 1);
    await one.end();
    await registry[Symbol.asyncDispose]();
  });

  it('hangs up when the signal aborts, also while it waits', async () => {
    await using fake = await fakeEtcd(() => {});
    const registry = etcdRegistry({ endpoints: fake.address });
    const ending = new AbortController();
    const asking = rejection(registry.services(ending.signal));
    while (fake.calls.length < 1) await new Promise((resolve) => setImmediate(resolve));
    const reason = new Error('enough');
    ending.abort(reason);
    expect(await asking).to.equal(reason);
    expect(await rejection(registry.services(AbortSignal.abort(reason)))).to.equal(reason);
    await registry[Symbol.asyncDispose]();
  });
});
