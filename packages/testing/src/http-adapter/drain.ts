import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { PassThrough } from 'node:stream';
import { REQUEST_ID, currentCall, get, post } from '@ferrule/core';
import { manualClock } from '../manual-clock.js';
import { requestBytes } from '../raw-http.js';
import { deferred, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

/** A route that answers when the test says so. */
function held() {
  const started = deferred();
  const release = deferred();
  const route = get('/held', async () => {
    started.resolve();
    await release.promise;
    return 'done';
  });
  return { started: started.promise, release: () => release.resolve(), route };
}

export const drainCases: readonly HttpAdapterCase[] = [
  stageCase('from the first moment of stop, ready is 503 and live 200, and requests are still served', async (stage) => {
    const clock = manualClock();
    const service = await stage.start({ routes: [get('/ours', () => 'ours')], clock, drainDelay: '2s' });
    const stopped = service.stop();
    assert.equal(service.state, 'draining');
    assert.equal((await stage.ask(service, 'GET', '/health/ready')).status, 503);
    assert.equal((await stage.ask(service, 'GET', '/health/live')).status, 200);
    assert.equal((await stage.ask(service, 'GET', '/ours')).text, 'ours');
    const { address } = service;
    await stage.settle(stopped, clock);
    await assert.rejects(stage.connect({ address }), { code: 'ECONNREFUSED' });
  }),
  stageCase('a request in flight is finished and its reply says Connection: close', async (stage) => {
    const { started, release, route } = held();
    const service = await stage.start({ routes: [route] });
    const connection = await stage.connect(service);
    const idle = await stage.connect(service);
    idle.send(requestBytes('GET', '/health/live'));
    await idle.reply();
    connection.send(requestBytes('GET', '/held'));
    await started;
    const stopped = service.stop();
    await idle.closed; // it drains now
    release();
    const reply = await connection.reply();
    assert.deepEqual([reply.status, reply.text, reply.complete, reply.header('connection')], [200, 'done', true, 'close']);
    await connection.closed;
    await stopped;
    assert.equal(service.state, 'stopped');
  }),
  stageCase('a stream in flight is sent to its end', async (stage) => {
    const source = new PassThrough();
    const service = await stage.start({ routes: [get('/stream', () => source)] });
    const connection = await stage.connect(service);
    connection.send(requestBytes('GET', '/stream'));
    source.write('first');
    await connection.head();
    await connection.chunk();
    const stopped = service.stop();
    source.end('second');
    assert.equal(String(await connection.chunk()), 'second');
    assert.equal(await connection.chunk(), undefined);
    await stopped;
  }),
  stageCase('an idle keep-alive connection and one that never said anything are closed', async (stage) => {
    const service = await stage.start({ routes: [get('/ours', () => 'ours')] });
    const idle = await stage.connect(service);
    idle.send(requestBytes('GET', '/ours'));
    await idle.reply();
    const silent = await stage.connect(service);
    await service.stop();
    await Promise.all([idle.closed, silent.closed]);
  }),
  stageCase('a request on a kept-alive connection while draining is served and told to close', async (stage) => {
    const clock = manualClock();
    const { started, release, route } = held();
    const service = await stage.start({ routes: [route, get('/ours', () => 'ours')], clock, drainDelay: '2s' });
    const busy = await stage.connect(service);
    const kept = await stage.connect(service);
    kept.send(requestBytes('GET', '/ours'));
    assert.notEqual((await kept.reply()).header('connection'), 'close');
    busy.send(requestBytes('GET', '/held'));
    await started;
    const stopped = service.stop();
    kept.send(requestBytes('GET', '/ours'));
    assert.equal((await kept.reply()).text, 'ours');
    release();
    assert.equal((await busy.reply()).text, 'done');
    await stage.settle(stopped, clock);
  }),
  stageCase('what has not ended at the deadline is cut, so that stop always comes back', async (stage) => {
    const { started, route } = held();
    const service = await stage.start({ routes: [route, post('/body', () => 'read')], drainTimeout: 50 });
    const stuck = await stage.connect(service);
    stuck.send(requestBytes('GET', '/held'));
    await started;
    const halfHead = await stage.connect(service);
    halfHead.send('GET /ours HTTP/1.1\r\nHost: x\r\n');
    const halfBody = await stage.connect(service);
    halfBody.send(requestBytes('POST', '/body', { 'content-type': 'text/plain', 'content-length': '10' }, 'half'));
    await service.stop();
    await Promise.all([stuck.closed, halfHead.closed, halfBody.closed]);
    assert.equal(service.state, 'stopped');
  }),
  stageCase('stop may be called twice and before start', async (stage) => {
    const service = await stage.start({ routes: [] });
    await Promise.all([service.stop(), service.stop()]);
    await service.stop();
    const never = stage.prepare({ routes: [] });
    await never.stop();
    assert.equal(never.state, 'stopped');
  }),
  stageCase('an app that listens itself is attached: health, our routes and drain work the same', async (stage) => {
    const app = stage.subject.createApp();
    const { started, release, route } = held();
    const service = stage.prepare({ routes: [route], app, attached: true });
    app.useRoutes(service);
    app.use((exchange, next) => (exchange.req.url === '/theirs' ? exchange.answer(200, 'theirs') : next()));
    const server = app.createServer();
    stage.defer(() => server.close());
    service.attach(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await service.start();
    assert.equal((await stage.ask(service, 'GET', '/health/ready')).status, 200);
    assert.equal((await stage.ask(service, 'GET', '/theirs')).text, 'theirs');
    const connection = await stage.connect(service);
    const idle = await stage.connect(service);
    idle.send(requestBytes('GET', '/theirs'));
    await idle.reply();
    connection.send(requestBytes('GET', '/held'));
    await started;
    const stopped = service.stop();
    await idle.closed;
    release();
    assert.equal((await connection.reply()).header('connection'), 'close');
    await stopped;
    assert.equal(server.listening, false);
  }),
  stageCase('the own routes of an app that listens itself have a call too', async (stage) => {
    const app = stage.subject.createApp();
    const service = stage.prepare({ routes: [], app, attached: true });
    app.useRoutes(service);
    app.use((exchange) => exchange.answer(200, String(currentCall()?.values.get(REQUEST_ID))));
    const server = app.createServer();
    stage.defer(() => server.close());
    service.attach(server);
    server.listen(0, '127.0.0.1');
    await service.start();
    const reply = await stage.ask(service, 'GET', '/theirs', { 'x-request-id': 'r-1' });
    assert.deepEqual([reply.text, reply.header('x-request-id')], ['r-1', 'r-1']);
  }),
  stageCase('what is no server is not attached: the app itself would be waited for without an end', async (stage) => {
    const app = stage.subject.createApp();
    const service = stage.prepare({ routes: [], app, attached: true });
    const native = (app as { readonly native?: unknown }).native;
    for (const wrong of [native, () => {}, { listen: () => {}, on: () => {} }, undefined, null, 3000]) {
      assert.throws(
        () => service.attach(wrong as Server),
        (error) => error instanceof TypeError && /^attach: .*http\.createServer\(app\)/.test(error.message),
      );
    }
    await service.stop();
  }),
];
