import assert from 'node:assert/strict';
import { Reply, ServiceError, get, translations } from '@ferrule/core';
import type { ErrorReplyOptions } from '@ferrule/core';
import { manualClock } from '../manual-clock.js';
import type { RawReply } from '../raw-http.js';
import { problemOf, stageCase } from './stage.js';
import type { Cast, HttpAdapterCase, Stage } from './stage.js';

const ID = { 'x-request-id': 'r-1' };
const HOSTILE = new ServiceError('INVALID_ARGUMENT', 'line\r\nbreak 用户 \u2028 "quoted"', { reason: 'EVIL', number: 10_001 });
const REFUSED = new ServiceError('UNAUTHENTICATED', 'Who are you?');
const BUSY = new ServiceError('UNAVAILABLE', 'sql-7 is down', { retryAfterMs: 1_500 });
const THROWN: Readonly<Record<string, unknown>> = { '/evil': HOSTILE, '/who': REFUSED, '/busy': BUSY, '/secret': new Error('hunter2') };
/** What comes by these fails in the handler, in middleware before our routes, or in middleware behind them. */
const PLACES = ['/ours', '/before', '/behind'] as const;

/** A service where each of the errors is thrown in each of the places. */
async function failing(stage: Stage, errorReplies: ErrorReplyOptions): ReturnType<Stage['start']> {
  const app = stage.subject.createApp();
  const throwing = (place: string) => (exchange: { readonly req: { readonly url?: string | undefined } }, next: () => Promise<void>) => {
    const { url = '' } = exchange.req;
    if (!url.startsWith(place)) return next();
    throw THROWN[url.slice(place.length)];
  };
  app.use(throwing('/before'));
  const routes = Object.entries(THROWN).map(([path, error]) => get(`/ours${path}`, () => Promise.reject(error)));
  const cast: Cast = { routes, app, errorReplies, clock: manualClock() };
  const service = stage.prepare(cast);
  app.useRoutes(service);
  app.use(throwing('/behind'));
  await service.start();
  assert.ok(service.address);
  return service as Awaited<ReturnType<Stage['start']>>;
}

/** Fastify names the charset that JSON always has. */
function typeOf(reply: RawReply): string | undefined {
  return reply.header('content-type')?.replace(/; charset=utf-8$/, '');
}

type Expected = readonly [path: string, status: number, body: string];

async function answers(stage: Stage, errorReplies: ErrorReplyOptions, type: string, table: readonly Expected[]): Promise<void> {
  const service = await failing(stage, errorReplies);
  for (const place of PLACES) {
    for (const [path, status, body] of table) {
      const reply = await stage.ask(service, 'GET', place + path, ID);
      assert.deepEqual([reply.status, typeOf(reply), reply.text], [status, type, body], place + path);
      assert.equal(reply.header('content-length'), String(Buffer.byteLength(body)), place + path);
      assert.doesNotMatch([...reply.fields.values()].join(), /hunter2|sql-7|break/, place + path);
      const head = await stage.ask(service, 'HEAD', place + path, ID);
      assert.deepEqual(
        [head.status, head.text, typeOf(head), head.header('content-length')],
        [status, '', type, String(Buffer.byteLength(body))],
        `HEAD ${place}${path}`,
      );
    }
  }
}

export const errorReplyCases: readonly HttpAdapterCase[] = [
  stageCase('the same error has the same bytes on every host, whoever threw it: problem+json', (stage) =>
    answers(stage, {}, 'application/problem+json', [
      [
        '/evil',
        400,
        '{"type":"about:blank","title":"Bad Request","status":400,"detail":"line\\r\\nbreak 用户 \u2028 \\"quoted\\"","code":"INVALID_ARGUMENT","reason":"EVIL","number":10001,"requestId":"r-1","retryable":false,"service":"stage"}',
      ],
      [
        '/secret',
        500,
        '{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"Internal Server Error","code":"UNKNOWN","requestId":"r-1","retryable":false,"service":"stage"}',
      ],
    ]),
  ),
  stageCase("the same error has the same bytes on every host, whoever threw it: go-micro's form", (stage) =>
    answers(stage, { format: 'micro' }, 'application/json', [
      ['/evil', 400, '{"id":"stage","code":400,"detail":"line\\r\\nbreak 用户 \u2028 \\"quoted\\"","status":"Bad Request"}'],
      ['/busy', 503, '{"id":"stage","code":503,"detail":"Service Unavailable","status":"Service Unavailable"}'],
      ['/secret', 500, '{"id":"stage","code":500,"detail":"Internal Server Error","status":"Internal Server Error"}'],
    ]),
  ),
  stageCase('the same error has the same bytes on every host, whoever threw it: the plain form', (stage) => {
    const timestamp = new Date(manualClock().wallTime()).toISOString();
    return answers(stage, { format: 'plain' }, 'application/json', [
      ['/evil', 400, `{"error":{"code":10001,"message":"line\\r\\nbreak 用户 \u2028 \\"quoted\\""},"timestamp":"${timestamp}"}`],
      ['/secret', 500, `{"error":{"code":"UNKNOWN","message":"Internal Server Error"},"timestamp":"${timestamp}"}`],
    ]);
  }),
  stageCase(
    'a form of the application answers for every error, with Retry-After and the challenge; one that fails is answered for',
    async (stage) => {
      const service = await failing(stage, {
        challenge: 'Bearer realm="stage"',
        format(error) {
          if (error.code === 'UNKNOWN') throw new Error('a bug in the form');
          return new Reply(error.status, { said: error.code });
        },
      });
      for (const place of PLACES) {
        const who = await stage.ask(service, 'GET', `${place}/who`);
        assert.deepEqual([who.status, who.text, who.header('www-authenticate')], [401, '{"said":"UNAUTHENTICATED"}', 'Bearer realm="stage"'], place);
        const busy = await stage.ask(service, 'GET', `${place}/busy`);
        assert.deepEqual([busy.status, busy.header('retry-after'), busy.header('www-authenticate')], [503, '2', undefined], place);
        problemOf(await stage.ask(service, 'GET', `${place}/secret`), 500);
      }
    },
  ),
  stageCase("errors are told in the client's language, and the reply says which", async (stage) => {
    const translate = translations({
      zh: { EVIL: { title: '请求无效', detail: '请求无效。' }, UNAVAILABLE: '服务不可用' },
      'zh-TW': { EVIL: '請求無效' },
    });
    const service = await failing(stage, { translate });
    const table: readonly (readonly [accept: string, path: string, language: string, title: string, detail: string])[] = [
      ['zh-CN, en;q=0.5', '/evil', 'zh', '请求无效', '请求无效。'],
      ['fr;q=0.9, zh-TW;q=0.8', '/evil', 'zh-TW', '請求無效', '請求無效'],
      ['en, zh;q=0.5', '/busy', 'en', 'Service Unavailable', 'Service Unavailable'],
      ['zh', '/busy', 'zh', '服务不可用', '服务不可用'],
      ['zh;q=0, *', '/busy', 'en', 'Service Unavailable', 'Service Unavailable'],
    ];
    for (const place of PLACES) {
      for (const [accept, path, language, title, detail] of table) {
        const reply = await stage.ask(service, 'GET', place + path, { 'accept-language': accept });
        const problem = reply.json() as Record<string, unknown>;
        assert.deepEqual([reply.header('content-language'), problem['title'], problem['detail']], [language, title, detail], place + path + accept);
        assert.match(reply.header('vary') ?? '', /(^|,\s*)Accept-Language($|,)/i, place + path);
      }
    }
  }),
];
