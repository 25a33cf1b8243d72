import { RemoteError, ServiceError } from '@ferrule/core';

import { fc } from './fast-check.js';

/** Must be in no response, header or log line. */
export const SECRET = 'hunter2hunter2';
/** Inside of a message: what redaction knows as a credential. */
const URLS = [`postgres://app:${SECRET}@db/shop`, `https://api/x?access_token=${SECRET}&page=1`, `redis://:${SECRET}@cache`, `Bearer ${SECRET}`];
const HOSTILE = ['a\r\nset-cookie: evil=1', '用户不存在', '\u001b[2J', '\u2028', 'x'.repeat(20_000), '__proto__', '\u0000', '\ud800'];

const word = fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom(...HOSTILE));
const status = fc.oneof(
  fc.integer({ min: 400, max: 599 }),
  fc.constantFrom<unknown>(0, -1, 99, 200, 304, 399, 600, 999, 10_001, NaN, Infinity, '404', '5', null, 404n, { valueOf: () => 404 }, 404.5),
);
const code = fc.constantFrom<unknown>(
  'NOT_FOUND',
  'INTERNAL',
  'ECONNREFUSED',
  'ETIMEDOUT',
  'ABORT_ERR',
  'P2002',
  '23505',
  5,
  14,
  404,
  10_001,
  'constructor',
  null,
  {},
);
/** What foreign errors carry about, and where a credential then stands. */
const baggage = fc.constantFrom<Record<string, unknown>>(
  {},
  { password: SECRET },
  { config: { headers: { authorization: `Bearer ${SECRET}` } } },
  { response: { status: 401, headers: { 'set-cookie': SECRET, 'www-authenticate': SECRET }, data: SECRET } },
  { request: { path: `/x?token=${SECRET}` }, body: SECRET },
  { headers: { 'set-cookie': `s=${SECRET}`, 'x-secret': SECRET, 'retry-after': '5\r\nx-evil: 1', allow: 'GET' } },
  { details: { a: SECRET }, data: SECRET, sql: SECRET },
  { toJSON: () => SECRET, [Symbol.for('nodejs.util.inspect.custom')]: () => SECRET },
);

/** An Error whose message nobody meant for a client: it holds credentials. */
const failure = fc
  .record({ text: word, url: fc.constantFrom(...URLS), more: baggage })
  .map(({ text, url, more }) => Object.assign(new Error(`${text.slice(0, 100)} ${url}`), more));
const answer = fc
  .record({ text: word, status, expose: fc.constantFrom<unknown>(true, false, undefined, 'yes'), code, more: baggage })
  .map(({ text, more, ...members }) => Object.assign(new Error(text), more, members, { statusCode: members.status }));
const boom = fc
  .record({ text: word, status, more: baggage })
  .map(({ text, status: statusCode, more }) =>
    Object.assign(new Error(text), { isBoom: true, output: { statusCode, payload: { message: text }, headers: more } }, { data: SECRET }),
  );
const ours = fc
  .record({
    text: word,
    code: fc.constantFrom('NOT_FOUND', 'INTERNAL', 'UNAVAILABLE', 'UNAUTHENTICATED', 'INVALID_ARGUMENT', 'CANCELLED', 'DATA_LOSS'),
    reason: word,
    type: word,
    title: word,
    retryAfterMs: fc.double(),
    cause: failure,
    errors: fc.array(fc.record({ pointer: word, detail: word }), { maxLength: 5 }),
  })
  .map(({ text, code: own, ...options }) => new ServiceError(own as 'NOT_FOUND', text, options));
const remote = fc
  .record({ text: word, status: fc.integer({ min: 400, max: 599 }), url: fc.constantFrom(...URLS) })
  .map(({ text, url, status: answered }) => new RemoteError('UNKNOWN', `${text.slice(0, 100)} ${url}`, { status: answered, service: 'users' }));

const MANY = new AggregateError(
  Array.from({ length: 10_000 }, () => new Error(URLS[0])),
  'ten thousand',
);

function hostile(kind: number): unknown {
  const no = (): never => {
    throw new Error(SECRET);
  };
  const loop = new Error('loop');
  loop.cause = loop;
  const ring = new AggregateError([loop, new Error('x', { cause: loop })], 'ring');
  ring.errors.push(ring);
  const kinds: readonly unknown[] = [
    new Proxy({}, { get: no, has: no, ownKeys: no, getPrototypeOf: no, getOwnPropertyDescriptor: no }),
    new Proxy(new Error('x'), { get: no }),
    Object.defineProperty(new Error('x'), 'message', { get: no }),
    Object.defineProperty(new Error('x'), 'status', { get: no }),
    Object.defineProperty(new Error('x'), 'stack', { get: no }),
    Object.defineProperty(new Error('x'), 'name', { value: { toString: no } }),
    Object.defineProperty(new Error('x'), 'cause', { get: no }),
    loop,
    ring,
    Object.create(null),
    Object.freeze(new Error('frozen')),
    { [Symbol.for('ferrule.error')]: true, status: 99_999, code: 'NOPE', message: 5 },
    { [Symbol.for('ferrule.error')]: true, status: 404, code: 'NOT_FOUND', title: {}, type: null, message: 7n, errors: 'x', expose: 1 },
    { [Symbol.for('ferrule.error.remote')]: true },
    JSON.parse(`{"__proto__":{"status":418},"constructor":5,"message":"m"}`),
    class extends Error {},
    no,
    Promise.resolve(5),
    Symbol('s'),
    10n,
    undefined,
    null,
    0,
    '',
    NaN,
    MANY,
    Array.from({ length: 30 }).reduce<Error>((cause) => new Error('deep', { cause }), new Error('root')),
  ];
  return kinds[kind % kinds.length];
}

const lazily = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<() => unknown> => values.map((value) => () => value);

/** Everything that has been seen to be thrown, and more; as functions, since fast-check would look at what must not be looked at. */
export const thrownValues: fc.Arbitrary<() => unknown> = fc.oneof(
  lazily(failure),
  lazily(answer),
  lazily(boom),
  lazily(ours),
  lazily(remote),
  fc.nat(1_000).map((kind) => () => hostile(kind)),
  lazily(fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSet: true, withTypedArray: true })),
  lazily(fc.array(failure, { maxLength: 20 }).map((errors) => new AggregateError(errors, 'many'))),
);

/** What another service may answer with: a status that is none of success, any head, any body. */
export const remoteAnswers: fc.Arbitrary<{ readonly status: number; readonly type: string; readonly after: string; readonly body: string }> =
  fc.record({
    status: fc.integer({ min: 400, max: 599 }),
    type: fc.constantFrom(
      'application/problem+json',
      'application/json',
      'text/plain',
      'text/html',
      'application/vnd.x+json; charset=utf-8',
      '',
      'x',
    ),
    after: fc.constantFrom('', '5', '-1', '1e9', 'x', 'Thu, 01 Jan 2099 00:00:00 GMT', '99999999999999999999'),
    body: fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.json(),
      fc.constantFrom('', '{', 'null', '[]', `{"a":`.repeat(5_000), '['.repeat(30_000), 'x'.repeat(100_000), '<html>'),
      fc
        .record(
          {
            status: fc.anything(),
            code: fc.anything(),
            title: word,
            detail: fc.constantFrom(...URLS, ...HOSTILE),
            type: fc.anything(),
            reason: word,
            number: fc.anything(),
            stack: fc.constant(URLS[0]),
            name: fc.constant('Forged'),
            message: fc.constant(URLS[1]),
            cause: fc.constant({ password: SECRET }),
            errors: fc.anything(),
            retryable: fc.anything(),
            expose: fc.constant(true),
            __proto__: fc.constant({ polluted: true }),
          },
          { requiredKeys: [] },
        )
        .map((body) => {
          try {
            return JSON.stringify(body) ?? '';
          } catch {
            return '{}';
          }
        }),
    ),
  });
