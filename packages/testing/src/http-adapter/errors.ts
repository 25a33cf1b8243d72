import assert from 'node:assert/strict';
import { REASONS, RemoteError, Reply, ServiceError, get, post, put, silentLogger } from '@ferrule/core';
import type { Wrapper } from '@ferrule/core';
import { refusal } from '@ferrule/core/adapter';
import { problemOf, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

/** What is thrown, and what the client and the log see of it. */
export const errorCases: readonly HttpAdapterCase[] = [
  stageCase("a ServiceError is a problem with its code, reason, number, detail and the request's id", async (stage) => {
    const find = get('/users/:id', () => {
      throw new ServiceError('NOT_FOUND', 'No user 42', { reason: 'USER_NOT_FOUND', number: 10001, type: 'https://errors.test/user-not-found' });
    });
    const problem = problemOf(await stage.play([find], 'GET', '/users/42', { 'x-request-id': 'r-1' }), 404, 'NOT_FOUND');
    const { type, title, detail, reason, number, requestId, retryable } = problem;
    assert.deepEqual(
      { type, title, detail, reason, number, requestId, retryable },
      {
        type: 'https://errors.test/user-not-found',
        title: 'Not Found',
        detail: 'No user 42',
        reason: 'USER_NOT_FOUND',
        number: 10001,
        requestId: 'r-1',
        retryable: false,
      },
    );
  }),
  stageCase('an error is the same whether it was thrown, rejected with, or rejected with later', async (stage) => {
    const fail = (): never => {
      throw new ServiceError('ABORTED', 'twice');
    };
    const service = await stage.start({
      routes: [
        get('/0', fail),
        get('/1', async () => fail()),
        get('/2', () => new Promise((_resolve, reject) => void setImmediate(() => reject(new ServiceError('ABORTED', 'twice'))))),
      ],
    });
    for (const target of ['/0', '/1', '/2']) assert.equal(problemOf(await stage.ask(service, 'GET', target), 409, 'ABORTED')['detail'], 'twice');
  }),
  stageCase('an unknown error is a 500 problem that shows neither message nor stack nor fields', async (stage) => {
    const leak = get('/x', () => {
      throw Object.assign(new Error('password is hunter2', { cause: new Error('hunter2 inside') }), {
        config: { headers: { authorization: 'hunter2' } },
      });
    });
    const reply = await stage.play([leak], 'GET', '/x');
    assert.equal(problemOf(reply, 500)['title'], 'Internal Server Error');
    assert.doesNotMatch(reply.text, /hunter2|at .*\.js|stack/);
    assert.doesNotMatch([...reply.fields.values()].join(), /hunter2/);
  }),
  stageCase('a ServiceError of 500 and above hides its message unless it says expose', async (stage) => {
    const service = await stage.start({
      routes: [
        get('/hidden', () => Promise.reject(new ServiceError('UNAVAILABLE', 'sql-7.internal is down'))),
        get('/shown', () => Promise.reject(new ServiceError('UNAVAILABLE', 'Closed for the night', { expose: true, retryAfterMs: 1_500 }))),
      ],
    });
    assert.doesNotMatch((await stage.ask(service, 'GET', '/hidden')).text, /sql-7/);
    const shown = await stage.ask(service, 'GET', '/shown');
    assert.equal(problemOf(shown, 503, 'UNAVAILABLE')['detail'], 'Closed for the night');
    assert.equal(shown.header('retry-after'), '2');
  }),
  stageCase('whatever may be thrown is a 500 problem', async (stage) => {
    const proxy = new Proxy(
      {},
      {
        get: () => {
          throw new Error('trap');
        },
      },
    );
    const given: readonly unknown[] = ['text', undefined, null, 42, Object.create(null), proxy];
    const service = await stage.start({ routes: given.map((value, index) => get(`/${index}`, () => Promise.reject(value))) });
    for (const index of given.keys()) problemOf(await stage.ask(service, 'GET', `/${index}`), 500);
  }),
  stageCase('what is behind a 5xx is logged once with its request id, whoever threw it; what is behind a 4xx is not', async (stage) => {
    const app = stage.subject.createApp();
    const fail = (status: number): never => {
      throw Object.assign(new Error(`thrown ${status}`), { status });
    };
    app.use((exchange, next) => (exchange.req.url?.startsWith('/theirs/') === true ? fail(Number(exchange.req.url.slice(8))) : next()));
    const logged: unknown[] = [];
    const service = await stage.start({
      routes: [get('/ours/:status', (call) => fail(Number(call.params['status'])))],
      app,
      logger: { ...silentLogger, error: (fields: object) => void logged.push(fields) },
    });
    for (const target of ['/ours/500', '/ours/404', '/theirs/503', '/theirs/409']) {
      const [, whose, status] = target.split('/');
      problemOf(await stage.ask(service, 'GET', target, { 'x-request-id': `${whose}-${status}` }), Number(status));
    }
    assert.deepEqual(
      logged.map((fields) => [(fields as { error: Error }).error.message, (fields as { requestId: string }).requestId]),
      [
        ['thrown 500', 'ours-500'],
        ['thrown 503', 'theirs-503'],
      ],
    );
  }),
  stageCase('an http-errors error keeps its status, and its message when it may be shown', async (stage) => {
    const error = (status: number, message: string, expose: boolean) => () => {
      throw Object.assign(new Error(message), { status, statusCode: status, expose });
    };
    const service = await stage.start({
      routes: [
        get('/402', error(402, 'pay first', true)),
        get('/507', error(507, 'disk 7 is full', false)),
        get('/999', error(999, 'nonsense', true)),
      ],
    });
    assert.equal(problemOf(await stage.ask(service, 'GET', '/402'), 402)['detail'], 'pay first');
    const hidden = await stage.ask(service, 'GET', '/507');
    problemOf(hidden, 507);
    assert.doesNotMatch(hidden.text, /disk 7/);
    problemOf(await stage.ask(service, 'GET', '/999'), 500);
  }),
  stageCase(
    "what another service answered is neither our answer nor shown: an API client's error with a status, axios' with its response",
    async (stage) => {
      const secret = '401 Incorrect API key provided: sk-proj-abcd1234';
      const challenge = { 'www-authenticate': 'Bearer realm="sk-proj"', 'retry-after': '9' };
      const fails = (members: object) => () => Promise.reject(Object.assign(new Error(secret), members));
      const service = await stage.start({
        routes: [
          get('/client', fails({ status: 401, headers: challenge })),
          get('/code', fails({ statusCode: 404 })),
          get('/axios', fails({ status: 401, config: {}, response: { status: 401, headers: challenge }, headers: challenge })),
          get('/down', fails({ response: { status: 500, data: secret } })),
        ],
      });
      for (const [target, status] of [
        ['/client', 401],
        ['/code', 404],
        ['/axios', 500],
        ['/down', 502],
      ] as const) {
        const reply = await stage.ask(service, 'GET', target);
        problemOf(reply, status);
        assert.doesNotMatch(reply.text + [...reply.fields.values()].join(), /sk-proj/, target);
        assert.equal(reply.header('www-authenticate'), undefined, target);
      }
    },
  ),
  stageCase("line breaks and any Unicode in an error's text reach the body alone", async (stage) => {
    const text = 'bad\r\nset-cookie: stolen=1\r\n\r\n用户 \u2028 \u0000';
    const evil = get('/x', () => {
      throw new ServiceError('INVALID_ARGUMENT', text, { reason: 'EVIL' });
    });
    const reply = await stage.play([evil], 'GET', '/x');
    assert.equal(problemOf(reply, 400, 'INVALID_ARGUMENT')['detail'], text);
    assert.equal(reply.header('set-cookie'), undefined);
    assert.equal(reply.statusText, 'Bad Request');
  }),
  stageCase('violations by field are shown', async (stage) => {
    const errors = [{ pointer: '#/email', detail: 'must be an email', code: 'invalid_format' }];
    const reply = await stage.play([get('/x', () => Promise.reject(new ServiceError('INVALID_ARGUMENT', 'Invalid', { errors })))], 'GET', '/x');
    assert.deepEqual(problemOf(reply, 400)['errors'], errors);
  }),
  stageCase("the service's mappers are asked before problem+json", async (stage) => {
    const service = await stage.start({
      routes: [get('/mine', () => Promise.reject(new RangeError('mine'))), get('/other', () => Promise.reject(new Error('other')))],
      errors: [{ toReply: (error) => (error instanceof RangeError ? new Reply(418, { mine: true }) : undefined) }],
    });
    const mine = await stage.ask(service, 'GET', '/mine');
    assert.deepEqual([mine.status, mine.json()], [418, { mine: true }]);
    problemOf(await stage.ask(service, 'GET', '/other'), 500);
  }),
  stageCase('a mapper that throws itself is a 500 problem', async (stage) => {
    const service = await stage.start({
      routes: [get('/x', () => Promise.reject(new Error('first')))],
      errors: [
        {
          toReply: () => {
            throw new Error('second');
          },
        },
      ],
    });
    problemOf(await stage.ask(service, 'GET', '/x'), 500);
  }),
  stageCase('Retry-After says that nothing was done: a write that has begun passes on none that it met with', async (stage) => {
    const busy = (): never => {
      throw refusal('UNAVAILABLE', 'all permits are taken', { reason: REASONS.bulkheadFull, retryAfterMs: 1_000 });
    };
    const remote = (): never => {
      throw new RemoteError('UNAVAILABLE', 'billing answered 503', { status: 503, service: 'billing', retryAfterMs: 7_000 });
    };
    const foreign = (): never => {
      throw Object.assign(new Error('slow down'), { status: 429, headers: { 'retry-after': '7' } });
    };
    const own = (): never => {
      throw new ServiceError('UNAVAILABLE', 'Closed for the night', { retryAfterMs: 5_000 });
    };
    const refusing: Wrapper = () => () => Promise.resolve().then(busy);
    const app = stage.subject.createApp();
    app.use((exchange, next) => (exchange.req.url === '/theirs' ? Promise.resolve().then(busy) : next()));
    const service = await stage.start({
      app,
      routes: [
        post('/busy', busy),
        put('/busy', busy),
        post('/remote', remote),
        post('/foreign', foreign),
        get('/foreign', foreign),
        post('/own', own),
        post('/before', refusing, () => 'not reached'),
      ],
    });
    const told = async (method: string, target: string, headers = {}): Promise<unknown> =>
      (await stage.ask(service, method, target, { 'content-length': '0', ...headers })).header('retry-after');
    assert.equal(await told('POST', '/busy'), undefined);
    assert.equal(await told('POST', '/busy', { 'idempotency-key': '"8e03"' }), '1');
    assert.equal(await told('PUT', '/busy'), '1');
    assert.equal(await told('POST', '/remote'), undefined);
    assert.equal(await told('POST', '/foreign'), undefined, 'the error of an API client');
    assert.equal(await told('GET', '/foreign'), '7');
    assert.equal(await told('POST', '/own'), '5', "the handler's own word");
    assert.equal(await told('POST', '/before'), '1', 'refused before the handler began');
    assert.equal(await told('POST', '/theirs'), undefined, 'a handler of the app');
    assert.equal(await told('GET', '/theirs'), '1');
  }),
];
