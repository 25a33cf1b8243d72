import assert from 'node:assert/strict';
import { get } from '@ferrule/core';
import { requestBytes } from '../raw-http.js';
import { deferred, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

export const healthCases: readonly HttpAdapterCase[] = [
  stageCase('every service answers its four health paths, with a query and a slash at the end too', async (stage) => {
    const service = await stage.start({ routes: [] });
    for (const target of ['/health', '/health/live', '/health/ready', '/health/startup', '/health/', '/health/ready?verbose=1']) {
      const reply = await stage.ask(service, 'GET', target);
      assert.deepEqual(
        [reply.status, reply.json(), reply.header('cache-control'), reply.header('x-content-type-options')],
        [200, { status: 'pass' }, 'no-store', 'nosniff'],
        target,
      );
      assert.match(reply.header('content-type')!, /^application\/health\+json/);
    }
  }),
  stageCase('HEAD of a health path has status and fields of GET and no body; another method is 405 with Allow', async (stage) => {
    const connection = await stage.connect(await stage.start({ routes: [] }));
    connection.send(requestBytes('GET', '/health/live'));
    const full = await connection.reply();
    connection.send(requestBytes('HEAD', '/health/live'));
    const bare = await connection.reply('HEAD');
    assert.deepEqual([bare.status, bare.header('content-length')], [200, full.header('content-length')]);
    connection.send(requestBytes('POST', '/health/live', {}, 'x'));
    const refused = await connection.reply();
    assert.deepEqual([refused.status, refused.header('allow')], [405, 'GET, HEAD']);
  }),
  stageCase("health is answered before the app's authentication, parsers and logs", async (stage) => {
    const app = stage.subject.createApp();
    const logged: string[] = [];
    app.use((exchange) => {
      logged.push(exchange.req.url!);
      exchange.answer(401, 'who are you');
    });
    const service = await stage.start({ routes: [get('/ours', () => 'ours')], app });
    assert.equal((await stage.ask(service, 'GET', '/health/ready')).status, 200);
    assert.equal((await stage.ask(service, 'GET', '/ours')).status, 401);
    assert.deepEqual(logged, ['/ours']);
  }),
  stageCase('a path that only looks like a health path is none, so that it opens no way around authentication', async (stage) => {
    const app = stage.subject.createApp();
    app.use((exchange) => exchange.answer(401, 'who are you'));
    const service = await stage.start({ routes: [], app });
    for (const target of ['/healthy', '/health/../admin', '//health', '/health//live', '/health/live/x', '/%68ealth', '/health/live;x=1']) {
      assert.equal((await stage.ask(service, 'GET', target)).status, 401, target);
    }
  }),
  stageCase('a failing check makes ready 503 with Retry-After and nothing else in the body; live stays 200', async (stage) => {
    const service = await stage.start({ routes: [] });
    service.monitor.add({ name: 'database', run: () => Promise.reject(new Error('hunter2')) });
    const ready = await stage.ask(service, 'GET', '/health/ready');
    assert.deepEqual([ready.status, ready.json()], [503, { status: 'fail' }]);
    assert.match(ready.header('retry-after') ?? '', /^[1-9]\d*$/);
    assert.equal((await stage.ask(service, 'GET', '/health/live')).status, 200);
  }),
  stageCase('a failing check that is not critical leaves ready at 200, with warn', async (stage) => {
    const service = await stage.start({ routes: [] });
    service.monitor.add({ name: 'cache', critical: false, run: () => Promise.reject(new Error('cold')) });
    const ready = await stage.ask(service, 'GET', '/health/ready');
    assert.deepEqual([ready.status, ready.json()], [200, { status: 'warn' }]);
  }),
  stageCase('a hundred probes at once run a check once', async (stage) => {
    const service = await stage.start({ routes: [] });
    const answer = deferred();
    const asked = deferred();
    let runs = 0;
    service.monitor.add({
      name: 'database',
      run: () => {
        runs++;
        asked.resolve();
        return answer.promise;
      },
    });
    const probes = Array.from({ length: 100 }, () => stage.ask(service, 'GET', '/health/ready'));
    await asked.promise;
    answer.resolve();
    for (const { status } of await Promise.all(probes)) assert.equal(status, 200);
    assert.equal(runs, 1);
  }),
  stageCase('warn is 200, and 429 for who asks by ?warn=429', async (stage) => {
    const service = await stage.start({ routes: [] });
    service.monitor.add({ name: 'cache', critical: false, run: () => false });
    assert.equal((await stage.ask(service, 'GET', '/health/ready')).status, 200);
    assert.equal((await stage.ask(service, 'GET', '/health/ready?warn=429')).status, 429);
  }),
  stageCase('a group of checks has a path of its own, and the aliases are there when they are wanted', async (stage) => {
    const service = await stage.start({ routes: [], health: { aliases: true } });
    service.monitor.add({ name: 'disk', groups: ['storage'], run: () => false });
    for (const [target, status] of [
      ['/health/groups/storage', 503],
      ['/health/ready', 200],
      ['/livez', 200],
      ['/readyz', 200],
      ['/health/groups/other', 404],
      ['/health/groups/live', 404],
    ] as const) {
      assert.equal((await stage.ask(service, 'GET', target)).status, status, target);
    }
  }),
  stageCase('details show version, time, uptime, memory and the latency of each check, to whom they are due', async (stage) => {
    const service = await stage.start({
      routes: [],
      version: '1.2.3',
      health: { showDetails: 'when-authorized', authorize: (req) => req.headers['x-ops'] === 'yes' },
    });
    service.monitor.add({ name: 'database', run: () => true });
    assert.deepEqual((await stage.ask(service, 'GET', '/health')).json(), { status: 'pass' });
    const shown = (await stage.ask(service, 'GET', '/health', { 'x-ops': 'yes' })).json() as Record<string, unknown>;
    assert.deepEqual(Object.keys(shown), ['status', 'version', 'notes', 'timestamp', 'uptime', 'memory', 'checks']);
    const { database } = shown['checks'] as Record<string, readonly { status: string; observedUnit: string }[]>;
    assert.deepEqual([shown['version'], database?.[0]?.status, database?.[0]?.observedUnit], ['1.2.3', 'pass', 'ms']);
  }),
  stageCase("the form does not depend on Accept: Consul's own would choose HTML", async (stage) => {
    const service = await stage.start({ routes: [] });
    for (const accept of ['text/plain, text/*, */*', 'text/html', 'image/png']) {
      const reply = await stage.ask(service, 'GET', '/health/ready', { accept });
      assert.deepEqual([reply.status, reply.text], [200, '{"status":"pass"}'], accept);
      assert.match(reply.header('content-type')!, /^application\/health\+json/);
    }
  }),
  stageCase('HEAD of what fails has status and Retry-After of GET, and no body', async (stage) => {
    const service = await stage.start({ routes: [] });
    service.monitor.add({ name: 'database', run: () => false });
    const connection = await stage.connect(service);
    connection.send(requestBytes('HEAD', '/health/ready'));
    const bare = await connection.reply('HEAD');
    assert.deepEqual([bare.status, bare.header('content-length'), bare.header('cache-control')], [503, '17', 'no-store']);
    assert.match(bare.header('retry-after') ?? '', /^[1-9]\d*$/);
  }),
  stageCase('startup is 503 until the service was once ready, and stays 200 after that; live is 200 all the time', async (stage) => {
    const service = await stage.start({ routes: [] });
    const said = async (): Promise<readonly number[]> =>
      Promise.all(['startup', 'ready', 'live'].map(async (name) => (await stage.ask(service, 'GET', `/health/${name}`)).status));
    service.monitor.moveTo('starting');
    assert.deepEqual(await said(), [503, 503, 200]);
    service.monitor.moveTo('ready');
    assert.deepEqual(await said(), [200, 200, 200]);
    service.monitor.add({ name: 'database', run: () => false });
    assert.deepEqual(await said(), [200, 503, 200]);
  }),
  stageCase('a format that throws is 500 and says nothing of why', async (stage) => {
    const service = await stage.start({
      routes: [],
      health: {
        format: () => {
          throw new Error('hunter2');
        },
      },
    });
    const reply = await stage.ask(service, 'GET', '/health/ready');
    assert.deepEqual([reply.status, reply.json(), reply.header('cache-control')], [500, { status: 'fail' }, 'no-store']);
  }),
  stageCase('live stays 200 while every check fails and while the service drains', async (stage) => {
    const service = await stage.start({ routes: [] });
    service.monitor.add({ name: 'database', run: () => false });
    service.monitor.moveTo('draining');
    assert.equal((await stage.ask(service, 'GET', '/health/live')).status, 200);
    assert.equal((await stage.ask(service, 'GET', '/health/ready')).status, 503);
  }),
];
