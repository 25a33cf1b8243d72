import assert from 'node:assert/strict';
import { get, silentLogger } from '@ferrule/core';
import { manualClock } from '../manual-clock.js';
import { requestBytes } from '../raw-http.js';
import { deferred, problemOf, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

export const nativeCases: readonly HttpAdapterCase[] = [
  stageCase("a native handler answers in its framework's own way", async (stage) => {
    const hello = get(
      '/hello',
      stage.subject.native((exchange) => {
        exchange.header('x-own', 'yes');
        exchange.answer(202, 'hello');
      }),
    );
    const reply = await stage.play([hello], 'GET', '/hello');
    assert.deepEqual([reply.status, reply.text, reply.header('x-own')], [202, 'hello', 'yes']);
  }),
  stageCase('a native handler may take the response over and end it later', async (stage) => {
    const first = deferred();
    const hello = get(
      '/hello',
      stage.subject.native((exchange) => {
        const res = exchange.takeOver();
        res.writeHead(200, { 'content-type': 'text/plain' });
        res.write('first');
        void first.promise.then(() => res.end('second'));
      }),
    );
    const connection = await stage.connect(await stage.start({ routes: [hello] }));
    connection.send(requestBytes('GET', '/hello'));
    await connection.head();
    assert.equal(String(await connection.chunk()), 'first');
    first.resolve();
    assert.equal(String(await connection.chunk()), 'second');
    assert.equal(await connection.chunk(), undefined);
  }),
  stageCase('a native handler that streams longer than the timeout is not cut, and its call ends when the stream does', async (stage) => {
    const clock = manualClock();
    const more = deferred();
    const ended = deferred<string>();
    let over = false;
    const events = get(
      '/events',
      (next) => (call) => {
        call.onEnd(({ kind }) => {
          over = true;
          ended.resolve(kind);
        });
        return next(call);
      },
      stage.subject.native(async (exchange) => {
        const res = exchange.takeOver();
        res.statusCode = 200;
        res.setHeader('content-type', 'text/event-stream');
        res.write('data: 1\n\n');
        await more.promise;
        res.end('data: 2\n\n');
      }),
    );
    const connection = await stage.connect(await stage.start({ routes: [events], clock, timeout: '1s' }));
    connection.send(requestBytes('GET', '/events'));
    assert.equal((await connection.head()).status, 200);
    assert.equal(String(await connection.chunk()), 'data: 1\n\n');
    await clock.advance(60_000);
    assert.equal(over, false);
    more.resolve();
    assert.equal(String(await connection.chunk()), 'data: 2\n\n');
    assert.equal(await connection.chunk(), undefined);
    assert.equal(await ended.promise, 'done');
  }),
  stageCase("a native handler has its call's context, and the call ends when the response did", async (stage) => {
    const ended = deferred<string>();
    const hello = get(
      '/hello',
      { name: 'hello' },
      (next) => (call) => {
        call.onEnd(({ kind }) => ended.resolve(kind));
        return next(call);
      },
      stage.subject.native((exchange) => exchange.answer(200, 'hello')),
    );
    assert.equal((await stage.ask(await stage.start({ routes: [hello], timeout: false }), 'GET', '/hello')).text, 'hello');
    assert.equal(await ended.promise, 'done');
  }),
  stageCase('a native handler that calls next() declines: the app goes on behind our routes', async (stage) => {
    const app = stage.subject.createApp();
    const hello = get(
      '/hello',
      stage.subject.native((_exchange, next) => next()),
    );
    const service = stage.prepare({ routes: [hello], app });
    app.useRoutes(service);
    app.use((exchange, next) => (exchange.req.url === '/hello' ? exchange.answer(200, 'from the app') : next()));
    await service.start();
    assert.equal((await stage.ask(service, 'GET', '/hello')).text, 'from the app');
  }),
  stageCase('a native handler that declines where nobody follows is a 404 problem', async (stage) => {
    problemOf(
      await stage.play(
        [
          get(
            '/hello',
            stage.subject.native((_exchange, next) => next()),
          ),
        ],
        'GET',
        '/hello',
      ),
      404,
    );
  }),
  stageCase('a native handler that throws before its headers is a problem, sync and async', async (stage) => {
    const service = await stage.start({
      routes: [
        get(
          '/sync',
          stage.subject.native(() => {
            throw Object.assign(new Error('no tea'), { status: 418, expose: true });
          }),
        ),
        get(
          '/async',
          stage.subject.native(async () => {
            throw new Error('hunter2');
          }),
        ),
      ],
    });
    assert.equal(problemOf(await stage.ask(service, 'GET', '/sync'), 418)['detail'], 'no tea');
    const hidden = await stage.ask(service, 'GET', '/async');
    problemOf(hidden, 500);
    assert.doesNotMatch(hidden.text, /hunter2/);
  }),
  stageCase(
    'what the rest of the app answers after a native handler declined counts as its answer: headers end the time, not the body',
    async (stage) => {
      const clock = manualClock();
      const more = deferred();
      const app = stage.subject.createApp();
      const service = stage.prepare({
        routes: [
          get(
            '/events',
            stage.subject.native((_exchange, next) => next()),
          ),
        ],
        app,
        clock,
        timeout: '1s',
      });
      app.useRoutes(service);
      app.use(async (exchange) => {
        const res = exchange.takeOver();
        res.writeHead(200);
        res.write('first');
        await more.promise;
        res.end('second');
      });
      await service.start();
      const connection = await stage.connect(service);
      connection.send(requestBytes('GET', '/events'));
      await connection.head();
      assert.equal(String(await connection.chunk()), 'first');
      await clock.advance(60_000);
      more.resolve();
      assert.equal(String(await connection.chunk()), 'second');
      assert.equal(await connection.chunk(), undefined);
    },
  ),
  stageCase(
    "a native handler that throws after its headers breaks the reply off, and the app's error listeners and the log hear of it once",
    async (stage) => {
      const app = stage.subject.createApp();
      const heard: string[] = [];
      const logged: unknown[] = [];
      const hello = get(
        '/hello',
        stage.subject.native(async (exchange) => {
          const res = exchange.takeOver();
          res.writeHead(200, { 'content-length': '100' });
          await new Promise<void>((resolve) => void res.write('part', () => resolve()));
          throw new Error('too late');
        }),
      );
      const logger = { ...silentLogger, error: (fields: object) => void logged.push(fields) };
      const service = stage.prepare({ routes: [hello, get('/alive', () => 'yes')], app, logger });
      app.useRoutes(service);
      app.onError((error) => heard.push((error as Error).message));
      await service.start();
      const reply = await stage.ask(service, 'GET', '/hello', { 'x-request-id': 'r-1' });
      assert.deepEqual([reply.status, reply.complete], [200, false]);
      assert.doesNotMatch(reply.text, /too late/);
      assert.deepEqual(heard, ['too late']);
      assert.deepEqual(
        logged.map((fields) => [(fields as { error: Error }).error.message, (fields as { requestId: string }).requestId]),
        [['too late', 'r-1']],
      );
      assert.equal((await stage.ask(service, 'GET', '/alive')).text, 'yes');
    },
  ),
  stageCase('a native handler past the timeout is answered 504, and what it writes later is dropped', async (stage) => {
    const clock = manualClock();
    const started = deferred();
    const late = deferred();
    const wrote = deferred();
    const slow = get(
      '/slow',
      stage.subject.native(async (exchange) => {
        started.resolve();
        await late.promise;
        exchange.answer(200, 'too late');
        wrote.resolve();
      }),
    );
    const service = await stage.start({ routes: [slow, get('/alive', () => 'yes')], clock, timeout: '1s' });
    const connection = await stage.connect(service);
    connection.send(requestBytes('GET', '/slow'));
    await started.promise;
    await clock.advance(1_000);
    problemOf(await connection.reply(), 504);
    late.resolve();
    await wrote.promise;
    connection.send(requestBytes('GET', '/alive'));
    assert.equal((await connection.reply()).text, 'yes');
  }),
];
