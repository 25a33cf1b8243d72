import assert from 'node:assert/strict';
import { REQUEST_ID, currentCall, detached, get } from '@ferrule/core';
import { requestBytes } from '../raw-http.js';
import { problemOf, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

const id = get('/id', (call) => ({ id: call.values.get(REQUEST_ID) }));
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const contextCases: readonly HttpAdapterCase[] = [
  stageCase("a request's id is taken from its header, known to the handler and echoed", async (stage) => {
    const reply = await stage.play([id], 'GET', '/id', { 'x-request-id': 'abc-123_~:=@' });
    assert.deepEqual([reply.json(), reply.header('x-request-id')], [{ id: 'abc-123_~:=@' }, 'abc-123_~:=@']);
  }),
  stageCase('a missing, long or strange request id is replaced by a new one', async (stage) => {
    const service = await stage.start({ routes: [id] });
    const given = new Set<string>();
    for (const headers of [
      {},
      { 'x-request-id': 'x'.repeat(129) },
      { 'x-request-id': '../a b' },
      { 'x-request-id': ['one', 'two'] },
      { 'x-request-id': '"<script>' },
    ]) {
      const reply = await stage.ask(service, 'GET', '/id', headers);
      const made = reply.header('x-request-id')!;
      assert.match(made, /^[A-Za-z0-9-]{8,64}$/, JSON.stringify(headers));
      assert.deepEqual(reply.json(), { id: made });
      given.add(made);
    }
    assert.equal(given.size, 5);
  }),
  stageCase('a problem carries the request id too', async (stage) => {
    const reply = await stage.play([get('/x', () => Promise.reject(new Error('x')))], 'GET', '/x', { 'x-request-id': 'r-1' });
    assert.deepEqual([reply.header('x-request-id'), (reply.json() as { requestId: unknown }).requestId], ['r-1', 'r-1']);
  }),
  stageCase('what nobody took, and errors of foreign middleware, have a request id too, and the problems name it', async (stage) => {
    const app = stage.subject.createApp();
    app.use((exchange, next) => {
      if (exchange.req.url === '/broken') throw new Error('broken');
      if (exchange.req.url === '/teapot') throw Object.assign(new Error('no tea'), { status: 418, expose: true });
      return next();
    });
    const service = await stage.start({ routes: [get('/items', () => 'items')], app });
    const table: readonly (readonly [method: string, target: string, status: number])[] = [
      ['GET', '/nothing', 404],
      ['DELETE', '/items', 405],
      ['GET', '/%zz', 400],
      ['GET', '/broken', 500],
      ['GET', '/teapot', 418],
    ];
    for (const [method, target, status] of table) {
      const known = await stage.ask(service, method, target, { 'x-request-id': 'r-1' });
      assert.equal(known.header('x-request-id'), 'r-1', target);
      assert.equal(problemOf(known, status)['requestId'], 'r-1', target);
      const made = await stage.ask(service, method, target, { 'x-request-id': '../a b' });
      const problem = problemOf(made, status);
      assert.match(made.header('x-request-id') ?? '', /^[A-Za-z0-9-]{8,64}$/, target);
      assert.equal(problem['requestId'], made.header('x-request-id'), target);
    }
  }),
  stageCase("currentCall() is the handler's call, after await and in timers too, and undefined in detached work", async (stage) => {
    const found = get('/found', async (call) => {
      const inside = [currentCall()?.values === call.values];
      await nextTurn();
      inside.push(currentCall()?.values === call.values);
      await new Promise<void>((resolve) => void setTimeout(resolve, 0));
      inside.push(currentCall()?.values === call.values, detached(() => currentCall()) === undefined);
      return inside;
    });
    assert.deepEqual((await stage.play([found], 'GET', '/found')).json(), [true, true, true, true]);
  }),
  stageCase(
    'a thousand interleaved requests each find their own call',
    async (stage) => {
      const mine = get('/mine/:n', async (call) => {
        for (let turn = 0; turn < Number(call.params['n']) % 5; turn++) await nextTurn();
        return { n: currentCall()?.params['n'], id: currentCall()?.values.get(REQUEST_ID) };
      });
      const service = await stage.start({ routes: [mine] });
      const wrong: string[] = [];
      const client = async (first: number): Promise<void> => {
        const connection = await stage.connect(service);
        for (let n = first; n < first + 50; n++) {
          connection.send(requestBytes('GET', `/mine/${n}`, { 'x-request-id': `r-${n}` }));
          const text = (await connection.reply()).text;
          if (text !== `{"n":"${n}","id":"r-${n}"}`) wrong.push(text);
        }
      };
      await Promise.all(Array.from({ length: 20 }, (_, index) => client(index * 50)));
      assert.deepEqual(wrong, []);
    },
    10_000,
  ),
  stageCase('no reply tells what it was made with', async (stage) => {
    const service = await stage.start({ routes: [id] });
    for (const target of ['/id', '/nothing', '/health']) {
      const reply = await stage.ask(service, 'GET', target);
      assert.deepEqual([reply.header('x-powered-by'), reply.header('server')], [undefined, undefined], target);
    }
  }),
  stageCase('two services in one process do not disturb each other', async (stage) => {
    const one = await stage.start({ name: 'one', routes: [get('/who', (call) => call.operation.service)] });
    const two = await stage.start({ name: 'two', routes: [get('/who', (call) => call.operation.service), get('/two', () => 'two')] });
    one.monitor.add({ name: 'database', run: () => Promise.reject(new Error('down')) });
    assert.deepEqual([(await stage.ask(one, 'GET', '/who')).text, (await stage.ask(two, 'GET', '/who')).text], ['one', 'two']);
    assert.deepEqual([(await stage.ask(one, 'GET', '/health/ready')).status, (await stage.ask(two, 'GET', '/health/ready')).status], [503, 200]);
    await one.stop();
    assert.equal((await stage.ask(two, 'GET', '/two')).text, 'two');
  }),
];
