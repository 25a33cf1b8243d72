import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { Reply, get, post } from '@ferrule/core';
import type { Route } from '@ferrule/core';
import { requestBytes } from '../raw-http.js';
import { deferred, problemOf, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

const values: readonly HttpAdapterCase[] = [
  stageCase('an object is sent as JSON with its length', async (stage) => {
    const reply = await stage.play([get('/x', () => ({ a: 'ż' }))], 'GET', '/x');
    assert.deepEqual([reply.status, reply.json(), reply.header('content-length')], [200, { a: 'ż' }, String(reply.body.length)]);
    assert.match(reply.header('content-type')!, /^application\/json(; ?charset=utf-8)?$/i);
  }),
  stageCase('an array, a number, a boolean and null are sent as JSON', async (stage) => {
    const given: readonly unknown[] = [[1, 2], 42, false, null];
    const service = await stage.start({ routes: given.map((value, index) => get(`/${index}`, () => value)) });
    for (const [index, value] of given.entries()) assert.deepEqual((await stage.ask(service, 'GET', `/${index}`)).json(), value);
  }),
  stageCase('text is sent as text/plain in UTF-8', async (stage) => {
    const reply = await stage.play([get('/x', () => '<b>zażółć</b>')], 'GET', '/x');
    assert.equal(reply.text, '<b>zażółć</b>');
    assert.match(reply.header('content-type')!, /^text\/plain; ?charset=utf-8$/i);
  }),
  stageCase('bytes are sent as they are', async (stage) => {
    const reply = await stage.play([get('/x', () => new Uint8Array([0, 255, 16]))], 'GET', '/x');
    assert.deepEqual([reply.body.toString('hex'), reply.header('content-type')], ['00ff10', 'application/octet-stream']);
  }),
  stageCase('undefined is 204 without a body', async (stage) => {
    const reply = await stage.play([get('/x', () => undefined)], 'GET', '/x');
    assert.deepEqual([reply.status, reply.body.length, reply.header('content-type')], [204, 0, undefined]);
  }),
  stageCase("a route's status is used for its results", async (stage) => {
    const reply = await stage.play([post('/x', { status: 201 }, () => ({ id: 1 }))], 'POST', '/x');
    assert.deepEqual([reply.status, reply.json()], [201, { id: 1 }]);
  }),
  stageCase('a Reply goes as it is, its content type included', async (stage) => {
    const reply = await stage.play([get('/x', () => new Reply(203, '<p>', { 'content-type': 'text/html', 'x-own': 7, etag: '"1"' }))], 'GET', '/x');
    assert.deepEqual([reply.status, reply.text, reply.header('x-own'), reply.header('etag')], [203, '<p>', '7', '"1"']);
    assert.match(reply.header('content-type')!, /^text\/html/);
  }),
  stageCase('set-cookie is sent once for each value', async (stage) => {
    const reply = await stage.play([get('/x', () => new Reply(200, 'x', { 'set-cookie': ['a=1; Path=/', 'b=2'] }))], 'GET', '/x');
    assert.deepEqual(reply.fields.get('set-cookie'), ['a=1; Path=/', 'b=2']);
  }),
  stageCase('a redirect and a 304 carry no made-up body', async (stage) => {
    const service = await stage.start({
      routes: [get('/302', () => new Reply(302, undefined, { location: '/x' })), get('/304', () => new Reply(304, undefined, { etag: '"1"' }))],
    });
    const redirect = await stage.ask(service, 'GET', '/302');
    assert.deepEqual([redirect.status, redirect.header('location'), redirect.text], [302, '/x', '']);
    const unchanged = await stage.ask(service, 'GET', '/304');
    assert.deepEqual([unchanged.status, unchanged.header('etag'), unchanged.text], [304, '"1"', '']);
  }),
  stageCase('a value that is no JSON is a 500 problem and hangs nobody', async (stage) => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const given: readonly (() => unknown)[] = [
      () => ({ big: 1n }),
      () => cycle,
      () => ({
        toJSON: () => {
          throw new Error('no');
        },
      }),
    ];
    const service = await stage.start({ routes: given.map((value, index) => get(`/${index}`, value)) });
    for (const index of given.keys()) problemOf(await stage.ask(service, 'GET', `/${index}`), 500);
  }),
  stageCase('a header value that HTTP forbids is a 500 problem and hangs nobody', async (stage) => {
    const reply = await stage.play([get('/x', () => new Reply(200, 'x', { 'x-own': 'a\r\nset-cookie: stolen=1' }))], 'GET', '/x');
    problemOf(reply, 500);
    assert.equal(reply.header('set-cookie'), undefined);
  }),
];

/** A route that streams what the test writes, and the stream. */
function streaming(): { readonly source: PassThrough; readonly route: Route } {
  const source = new PassThrough();
  return { source, route: get('/stream', () => new Reply(200, source, { 'content-type': 'text/plain' })) };
}

const streams: readonly HttpAdapterCase[] = [
  stageCase('a stream is sent piece by piece and whole', async (stage) => {
    const { source, route } = streaming();
    const connection = await stage.connect(await stage.start({ routes: [route] }));
    connection.send(requestBytes('GET', '/stream'));
    source.write('first');
    assert.equal((await connection.head()).status, 200);
    assert.equal(String(await connection.chunk()), 'first');
    source.end('second');
    assert.equal(String(await connection.chunk()), 'second');
    assert.equal(await connection.chunk(), undefined);
  }),
  stageCase('a long stream arrives whole through back pressure', async (stage) => {
    const pieces = Array.from({ length: 64 }, (_, index) => Buffer.alloc(16_384, index));
    const reply = await stage.play([get('/x', () => Readable.from(pieces))], 'GET', '/x');
    assert.equal(reply.complete, true);
    assert.ok(reply.body.equals(Buffer.concat(pieces)), 'the bytes that were sent');
  }),
  stageCase('a stream whose length is told is sent with it', async (stage) => {
    const reply = await stage.play([get('/x', () => new Reply(200, Readable.from([Buffer.from('12345')]), { 'content-length': 5 }))], 'GET', '/x');
    assert.deepEqual([reply.header('content-length'), reply.header('transfer-encoding'), reply.text], ['5', undefined, '12345']);
  }),
  stageCase('a stream that fails half way breaks off, so that nobody takes it for whole', async (stage) => {
    const { source, route } = streaming();
    const service = await stage.start({ routes: [route, get('/alive', () => 'yes')] });
    const connection = await stage.connect(service);
    connection.send(requestBytes('GET', '/stream'));
    source.write('part');
    await connection.head();
    assert.equal(String(await connection.chunk()), 'part');
    source.destroy(new Error('the disk is gone'));
    await assert.rejects(connection.chunk());
    assert.equal((await stage.ask(service, 'GET', '/alive')).text, 'yes');
  }),
  stageCase('a client that leaves destroys the stream that it was sent', async (stage) => {
    const { source, route } = streaming();
    const connection = await stage.connect(await stage.start({ routes: [route] }));
    const closed = deferred();
    source.once('close', () => closed.resolve()).on('error', () => {}); // a host may destroy it with an error or without
    connection.send(requestBytes('GET', '/stream'));
    source.write('part');
    await connection.head();
    connection.destroy();
    await closed.promise;
    assert.equal(source.destroyed, true);
  }),
  stageCase('HEAD of a stream has no body and destroys it', async (stage) => {
    const { source, route } = streaming();
    const closed = once(source, 'close');
    const reply = await stage.play([route], 'HEAD', '/stream');
    assert.deepEqual([reply.status, reply.header('content-type'), reply.body.length], [200, 'text/plain', 0]);
    await closed;
  }),
];

const lives: readonly HttpAdapterCase[] = [
  // Without a timeout, whose branch would be what the handler sees: the life of the exchange itself is the adapter's to end.
  stageCase('a client that leaves before the reply aborts the signal, and the call ends as aborted', async (stage) => {
    const started = deferred();
    const aborted = deferred();
    const ended = deferred<string>();
    const wait = get('/wait', async (call) => {
      call.onEnd(({ kind }) => ended.resolve(kind));
      call.signal.addEventListener('abort', () => aborted.resolve());
      started.resolve();
      await aborted.promise;
      throw new Error('left');
    });
    const connection = await stage.connect(await stage.start({ routes: [wait], timeout: false }));
    connection.send(requestBytes('GET', '/wait'));
    await started.promise;
    connection.destroy();
    await aborted.promise;
    assert.equal(await ended.promise, 'aborted');
  }),
  stageCase('a reply that was sent does not abort the signal, and the call ends as done with the bytes of its body', async (stage) => {
    const ended = deferred<{ kind: string; bytes: number; aborted: boolean }>();
    const done = get('/done', (call) => {
      const { signal } = call;
      call.onEnd(({ kind, bytes }) => ended.resolve({ kind, bytes, aborted: signal.aborted }));
      return '12345';
    });
    const connection = await stage.connect(await stage.start({ routes: [done], timeout: false }));
    connection.send(requestBytes('GET', '/done'));
    await connection.reply();
    assert.deepEqual(await ended.promise, { kind: 'done', bytes: 5, aborted: false });
    connection.destroy();
    await connection.closed;
  }),
  stageCase('a call ends when its streamed body has been sent, not before', async (stage) => {
    const { source } = streaming();
    const ended = deferred<{ kind: string; bytes: number }>();
    let over = false;
    const route = get('/stream', (call) => {
      call.onEnd(({ kind, bytes }) => {
        over = true;
        ended.resolve({ kind, bytes });
      });
      return source;
    });
    const connection = await stage.connect(await stage.start({ routes: [route], timeout: false }));
    connection.send(requestBytes('GET', '/stream'));
    source.write('first');
    await connection.head();
    await connection.chunk();
    assert.equal(over, false);
    source.end('second');
    assert.deepEqual(await ended.promise, { kind: 'done', bytes: 11 });
  }),
  stageCase('a stream that fails ends the call as failed', async (stage) => {
    const { source } = streaming();
    const ended = deferred<string>();
    const route = get('/stream', (call) => {
      call.onEnd(({ kind }) => ended.resolve(kind));
      return source;
    });
    const connection = await stage.connect(await stage.start({ routes: [route], timeout: false }));
    connection.send(requestBytes('GET', '/stream'));
    source.write('part');
    await connection.head();
    source.destroy(new Error('the disk is gone'));
    assert.equal(await ended.promise, 'failed');
  }),
];

export const replyCases: readonly HttpAdapterCase[] = [...values, ...streams, ...lives];
