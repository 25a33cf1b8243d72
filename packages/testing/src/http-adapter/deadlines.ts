import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { get } from '@ferrule/core';
import { manualClock } from '../manual-clock.js';
import { requestBytes } from '../raw-http.js';
import { deferred, problemOf, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

/** What happens to work whose time is over. */
export const deadlineCases: readonly HttpAdapterCase[] = [
  stageCase('a handler past the timeout is answered with a 504 problem and its signal is aborted', async (stage) => {
    const clock = manualClock();
    const started = deferred();
    const aborted = deferred();
    const slow = get('/slow', async (call) => {
      call.signal.addEventListener('abort', () => aborted.resolve());
      started.resolve();
      await aborted.promise;
      return 'too late';
    });
    const connection = await stage.connect(await stage.start({ routes: [slow], clock, timeout: '1s' }));
    connection.send(requestBytes('GET', '/slow'));
    await started.promise;
    await clock.advance(1_000);
    assert.equal(problemOf(await connection.reply(), 504, 'DEADLINE_EXCEEDED')['reason'], 'TIMEOUT');
    await aborted.promise;
  }),
  stageCase('what a handler gives after its timeout is dropped, a stream destroyed', async (stage) => {
    const clock = manualClock();
    const started = deferred();
    const late = deferred();
    const source = new PassThrough();
    const closed = once(source, 'close');
    const slow = get('/slow', async () => {
      started.resolve();
      await late.promise;
      return source;
    });
    const service = await stage.start({ routes: [slow, get('/alive', () => 'yes')], clock, timeout: '1s' });
    const connection = await stage.connect(service);
    connection.send(requestBytes('GET', '/slow'));
    await started.promise;
    await clock.advance(1_000);
    problemOf(await connection.reply(), 504);
    late.resolve();
    await closed;
    connection.send(requestBytes('GET', '/alive'));
    assert.equal((await connection.reply()).text, 'yes');
  }),
  stageCase('a deadline header lowers the timeout and never raises it', async (stage) => {
    const clock = manualClock();
    const left = get('/left', (call) => ({ left: call.deadline! - clock.now() }));
    const service = await stage.start({ routes: [left], clock, timeout: '1s' });
    const table: readonly (readonly [headers: Readonly<Record<string, string>>, left: number])[] = [
      [{}, 1_000],
      [{ 'x-request-timeout-ms': '50' }, 50],
      [{ 'x-request-timeout-ms': '60000' }, 1_000],
      [{ 'grpc-timeout': '200m' }, 200],
      [{ 'x-request-timeout-ms': 'soon' }, 1_000],
      [{ 'x-request-timeout-ms': '-5' }, 1_000],
    ];
    for (const [headers, expected] of table)
      assert.deepEqual((await stage.ask(service, 'GET', '/left', headers)).json(), { left: expected }, JSON.stringify(headers));
  }),
  stageCase('a request whose deadline header runs out is answered 504', async (stage) => {
    const clock = manualClock();
    const started = deferred();
    const slow = get(
      '/slow',
      (call) =>
        new Promise((_resolve, reject) => {
          call.onAbort(reject);
          started.resolve();
        }),
    );
    const connection = await stage.connect(await stage.start({ routes: [slow], clock }));
    connection.send(requestBytes('GET', '/slow', { 'x-request-timeout-ms': '50' }));
    await started.promise;
    await clock.advance(50);
    problemOf(await connection.reply(), 504, 'DEADLINE_EXCEEDED');
  }),
];
