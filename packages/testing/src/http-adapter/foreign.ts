import assert from 'node:assert/strict';
import { REASONS, REQUEST_ID, bulkhead, currentCall, get, post } from '@ferrule/core';
import type { Call } from '@ferrule/core';
import { manualClock } from '../manual-clock.js';
import { requestBytes } from '../raw-http.js';
import { deferred, problemOf, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const json = { 'content-type': 'application/json' };

export const foreignCases: readonly HttpAdapterCase[] = [
  stageCase('middleware before our routes runs first, its header is kept, and it sees our reply', async (stage) => {
    const app = stage.subject.createApp();
    const ran: string[] = [];
    const seen = deferred<number>();
    app.use(async (exchange, next) => {
      ran.push('before');
      exchange.header('x-frame-options', 'DENY');
      exchange.res.once('finish', () => seen.resolve(exchange.res.statusCode));
      await next();
    });
    const ours = get('/ours', { status: 203 }, () => {
      ran.push('ours');
      return 'ours';
    });
    const reply = await stage.ask(await stage.start({ routes: [ours], app }), 'GET', '/ours');
    assert.deepEqual([reply.status, reply.text, reply.header('x-frame-options')], [203, 'ours', 'DENY']);
    assert.deepEqual(ran, ['before', 'ours']);
    assert.equal(await seen.promise, 203);
  }),
  stageCase('middleware that answers keeps our handler from running', async (stage) => {
    const app = stage.subject.createApp();
    let ran = false;
    app.use((exchange, next) => (exchange.req.headers.authorization === undefined ? exchange.answer(401, 'who are you') : next()));
    const service = await stage.start({ routes: [get('/ours', () => (ran = true))], app });
    const refused = await stage.ask(service, 'GET', '/ours');
    assert.deepEqual([refused.status, refused.text, ran], [401, 'who are you', false]);
    assert.equal((await stage.ask(service, 'GET', '/ours', { authorization: 'me' })).status, 200);
  }),
  stageCase('routes that the app placed are not added a second time, and middleware behind them does not see what they take', async (stage) => {
    const app = stage.subject.createApp();
    const ran: string[] = [];
    const service = stage.prepare({ routes: [get('/ours', () => ran.push('ours'))], app });
    app.useRoutes(service);
    app.use((exchange, next) => {
      ran.push('behind');
      return exchange.req.url === '/theirs' ? exchange.answer(200, 'theirs') : next();
    });
    await service.start();
    assert.equal((await stage.ask(service, 'GET', '/ours')).status, 200);
    assert.deepEqual(ran, ['ours']);
    assert.equal((await stage.ask(service, 'GET', '/theirs')).text, 'theirs');
    assert.deepEqual(ran, ['ours', 'behind']);
  }),
  stageCase("without a place of their own, our routes stand behind the app's", async (stage) => {
    const app = stage.subject.createApp();
    app.use((exchange, next) => (exchange.req.url === '/both' ? exchange.answer(200, 'theirs') : next()));
    const service = await stage.start({ routes: [get('/both', () => 'ours'), get('/ours', () => 'ours')], app });
    assert.equal((await stage.ask(service, 'GET', '/both')).text, 'theirs');
    assert.equal((await stage.ask(service, 'GET', '/ours')).text, 'ours');
  }),
  stageCase('another method of our path goes on to the app, and is 405 only when the app declined', async (stage) => {
    const app = stage.subject.createApp();
    const service = stage.prepare({ routes: [get('/items', () => 'ours')], app });
    app.useRoutes(service);
    app.use((exchange, next) => (exchange.req.url === '/items' && exchange.req.method === 'POST' ? exchange.answer(201, 'theirs') : next()));
    await service.start();
    assert.equal((await stage.ask(service, 'POST', '/items')).text, 'theirs');
    const refused = await stage.ask(service, 'DELETE', '/items');
    problemOf(refused, 405);
    assert.match(refused.header('allow') ?? '', /\bGET\b/);
  }),
  stageCase('what neither our routes nor the app took is a 404 problem', async (stage) => {
    const app = stage.subject.createApp();
    app.use((_exchange, next) => next());
    problemOf(await stage.ask(await stage.start({ routes: [], app }), 'GET', '/nothing'), 404, 'NOT_FOUND');
  }),
  stageCase("a body that the app's parser has read is used, not waited for", async (stage) => {
    const app = stage.subject.createApp();
    app.useJsonParser();
    const service = await stage.start({ routes: [post('/echo', (call) => ({ body: call.body }))], app });
    assert.deepEqual((await stage.ask(service, 'POST', '/echo', json, '{"a":1}')).json(), { body: { a: 1 } });
  }),
  stageCase("an error of the app's own parser is a problem", async (stage) => {
    const app = stage.subject.createApp();
    app.useJsonParser();
    const service = await stage.start({ routes: [post('/echo', () => 'ran')], app });
    problemOf(await stage.ask(service, 'POST', '/echo', json, '{"a":'), 400, 'INVALID_ARGUMENT');
  }),
  stageCase("errors of foreign middleware are problems, sync and async, and reach the app's error listeners", async (stage) => {
    const app = stage.subject.createApp();
    const heard: unknown[] = [];
    app.use((exchange, next) => {
      if (exchange.req.url === '/sync') throw Object.assign(new Error('hunter2'), { config: 'hunter2' });
      if (exchange.req.url === '/async') return Promise.reject(Object.assign(new Error('no tea'), { status: 418, expose: true }));
      return next();
    });
    app.onError((error) => heard.push((error as Error).message));
    const service = await stage.start({ routes: [], app });
    const hidden = await stage.ask(service, 'GET', '/sync');
    problemOf(hidden, 500);
    assert.doesNotMatch(hidden.text, /hunter2/);
    assert.equal(problemOf(await stage.ask(service, 'GET', '/async'), 418)['detail'], 'no tea');
    assert.equal(heard[0], 'hunter2');
  }),
  stageCase("an unexpected error of our handler reaches the app's error listeners once, and the client gets the problem", async (stage) => {
    const app = stage.subject.createApp();
    const heard: unknown[] = [];
    const service = stage.prepare({ routes: [get('/ours', () => Promise.reject(new Error('hunter2')))], app });
    app.useRoutes(service);
    app.onError((error) => heard.push((error as Error).message));
    await service.start();
    problemOf(await stage.ask(service, 'GET', '/ours'), 500);
    assert.deepEqual(heard, ['hunter2']);
  }),
  stageCase(
    "an adopted app's own routes run on behalf of a call of their own: id, deadline, and our routes inside are other calls with that id",
    async (stage) => {
      const clock = manualClock();
      const app = stage.subject.createApp();
      const calls: (Call | undefined)[] = [];
      app.use(async (exchange, next) => {
        calls.push(currentCall());
        await nextTurn();
        calls.push(currentCall());
        if (exchange.req.url === '/theirs') return exchange.answer(200, 'theirs');
        await next();
        return void calls.push(currentCall());
      });
      const service = await stage.start({ routes: [get('/ours', (call) => call.values.get(REQUEST_ID))], app, clock });
      const theirs = await stage.ask(service, 'GET', '/theirs', { 'x-request-id': 'r-1', 'x-request-timeout-ms': '700' });
      const [call] = calls;
      assert.ok(call !== undefined && calls.every((one) => one === call), 'one call from end to end');
      assert.deepEqual(
        [theirs.text, theirs.header('x-request-id'), call.values.get(REQUEST_ID), call.deadline, call.operation.name],
        ['theirs', 'r-1', 'r-1', clock.now() + 700, 'unmatched'],
      );
      calls.length = 0;
      const ours = await stage.ask(service, 'GET', '/ours');
      assert.deepEqual([ours.text, calls[0]?.values.get(REQUEST_ID)], [ours.header('x-request-id'), ours.text], 'a new id, and one');
      assert.deepEqual([calls.length, new Set(calls).size], [3, 1], 'outside of our call again behind our routes');
      calls.length = 0;
      problemOf(await stage.ask(service, 'GET', '/nothing'), 404);
      assert.equal(calls.length, 3);
    },
  ),
  stageCase("the call of an adopted app's own route is aborted when the client leaves, and ends when it has its reply", async (stage) => {
    const app = stage.subject.createApp();
    const [aborted, done] = [deferred<unknown>(), deferred<string>()];
    app.use((exchange, next) => {
      const call = currentCall()!;
      if (exchange.req.url === '/done') {
        call.onEnd(({ kind }) => done.resolve(kind));
        return exchange.answer(200, 'done');
      }
      if (exchange.req.url !== '/held') return next();
      call.onAbort((reason) => aborted.resolve((reason as { reason?: unknown }).reason));
      entered.resolve();
      return new Promise(() => {});
    });
    const entered = deferred();
    const service = await stage.start({ routes: [], app });
    assert.equal((await stage.ask(service, 'GET', '/done')).text, 'done');
    assert.equal(await done.promise, 'done');
    const connection = await stage.connect(service);
    connection.send(requestBytes('GET', '/held'));
    await entered.promise;
    connection.destroy();
    assert.equal(await aborted.promise, REASONS.disconnected);
  }),
  stageCase('the app behind a native handler that declined is on behalf of the call of the app again, not of the handler', async (stage) => {
    const app = stage.subject.createApp();
    const calls: (Call | undefined)[] = [];
    const declines = stage.subject.native((_exchange, next) => {
      calls.push(currentCall());
      return next();
    });
    app.use((_exchange, next) => {
      calls.push(currentCall());
      return next();
    });
    const service = stage.prepare({ routes: [get('/declined', declines)], app });
    app.useRoutes(service);
    app.use((exchange) => {
      calls.push(currentCall());
      exchange.answer(200, 'theirs');
    });
    await service.start();
    assert.equal((await stage.ask(service, 'GET', '/declined')).text, 'theirs');
    const names = calls.map((call) => call?.operation.name);
    assert.deepEqual(names, ['unmatched', 'GET /declined', 'unmatched']);
    assert.equal(calls[0], calls[2]);
  }),
  stageCase('an app carries one service: a second one is refused, because nobody would reach its routes', async (stage) => {
    const app = stage.subject.createApp();
    await stage.start({ name: 'first', routes: [], app });
    await assert.rejects(stage.prepare({ name: 'second', routes: [], app }).start(), /carries service first already/);
  }),
  stageCase('a client that left while middleware was waited for: the handler does not run, and its permit comes back', async (stage) => {
    const app = stage.subject.createApp();
    const [entered, gone, goOn, passed] = [deferred(), deferred(), deferred(), deferred()];
    app.use(async (exchange, next) => {
      if (exchange.req.url !== '/left') return next();
      exchange.res.once('close', () => gone.resolve());
      entered.resolve();
      await goOn.promise;
      try {
        await next();
      } finally {
        passed.resolve();
      }
    });
    let runs = 0;
    const limit = bulkhead(1);
    const service = await stage.start({ routes: [get('/left', () => ++runs), get('/ours', () => 'ours')], limits: [limit], app });
    const connection = await stage.connect(service);
    connection.send(requestBytes('GET', '/left'));
    await entered.promise;
    connection.destroy();
    await gone.promise;
    goOn.resolve();
    await passed.promise;
    assert.equal((await stage.ask(service, 'GET', '/ours')).status, 200);
    assert.deepEqual([runs, limit.active], [0, 0]);
  }),
  stageCase(
    'a client that left before its pipelined requests had their turn: all of them are aborted, and their permits come back',
    async (stage) => {
      const limit = bulkhead(3);
      const aborted: Promise<unknown>[] = [];
      const all = deferred();
      const held = (call: Call): Promise<never> => {
        const heard = deferred<unknown>();
        call.onAbort((reason) => heard.resolve((reason as { reason?: unknown }).reason));
        if (aborted.push(heard.promise) === 3) all.resolve();
        return new Promise((_resolve, reject) => call.onAbort(reject));
      };
      const service = await stage.start({ routes: [get('/held', held), get('/ours', () => 'ours')], limits: [limit] });
      const connection = await stage.connect(service);
      for (let sent = 0; sent < 3; sent++) connection.send(requestBytes('GET', '/held'));
      await all.promise;
      connection.destroy();
      assert.deepEqual(await Promise.all(aborted), ['CLIENT_DISCONNECTED', 'CLIENT_DISCONNECTED', 'CLIENT_DISCONNECTED']);
      assert.equal((await stage.ask(service, 'GET', '/ours')).status, 200);
      assert.equal(limit.active, 0);
    },
  ),
];
