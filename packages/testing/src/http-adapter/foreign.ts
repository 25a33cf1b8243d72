import assert from 'node:assert/strict';
import { currentCall, get, post } from '@ferrule/core';
import { deferred, problemOf, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

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
  stageCase('middleware is not part of a call, and one behind our routes is outside of it again', async (stage) => {
    const app = stage.subject.createApp();
    const calls: unknown[] = [];
    app.use(async (_exchange, next) => {
      calls.push(currentCall());
      await next();
      calls.push(currentCall());
    });
    const service = await stage.start({ routes: [get('/ours', () => typeof currentCall()?.operation.name)], app });
    assert.equal((await stage.ask(service, 'GET', '/ours')).text, 'string');
    assert.deepEqual(calls, [undefined, undefined]);
  }),
];
