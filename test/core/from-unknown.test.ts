import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fc } from '../support/fast-check.js';
import { CODES, ServiceError, causesOf, isServiceError } from '@ferrule/core';
import type { Code } from '@ferrule/core';

type HttpErrors = ((status: number, message?: string, properties?: object) => Error) & { readonly NotFound: new (message: string) => Error };
const createError = createRequire(import.meta.resolve('koa'))('http-errors') as HttpErrors;

const SECRET = 'sk-proj-abcd1234';
const error = (members: object, message = SECRET): Error => Object.assign(new Error(message), members);
const nest = (status: number, response: unknown): Error =>
  Object.assign(new Error('Not Found Exception'), { status, response, getStatus: () => status, getResponse: () => response });
const metadata = { get: () => [], getMap: () => ({}) };

async function thrownBy(act: () => Promise<unknown>): Promise<unknown> {
  try {
    await act();
  } catch (thrown) {
    return thrown;
  }
  throw new Error('it did not throw');
}

/** A port of loopback that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('ServiceError.from', () => {
  const cases: readonly (readonly [what: string, thrown: unknown, code: Code, status: number, more?: object])[] = [
    // http-errors, the real ones
    ['http-errors 404', createError(404, 'No page 7'), 'NOT_FOUND', 404, { expose: true, message: 'No page 7' }],
    ['http-errors as a class', new createError.NotFound('No page 7'), 'NOT_FOUND', 404, { expose: true }],
    ['http-errors 500', createError(500, SECRET), 'INTERNAL', 500, { expose: false }],
    ['http-errors that hides a 4xx', createError(409, SECRET, { expose: false }), 'ABORTED', 409, { expose: false }],
    // boom
    [
      'boom 404',
      error({
        isBoom: true,
        isServer: false,
        output: { statusCode: 404, payload: { statusCode: 404, error: 'Not Found', message: 'No page 7' }, headers: {} },
      }),
      'NOT_FOUND',
      404,
      { expose: true, message: 'No page 7' },
    ],
    [
      'boom 500',
      error({ isBoom: true, isServer: true, output: { statusCode: 500, payload: { message: 'An internal server error occurred' }, headers: {} } }),
      'INTERNAL',
      500,
      { expose: false },
    ],
    [
      'an API client in a boom',
      error({ isBoom: true, output: { statusCode: 404, payload: { message: SECRET } }, config: {}, response: { status: 404 } }),
      'INTERNAL',
      500,
      { expose: false },
    ],
    // NestJS
    ['Nest with a text', nest(404, 'No page 7'), 'NOT_FOUND', 404, { expose: true, message: 'No page 7' }],
    ['Nest with a body', nest(409, { statusCode: 409, message: 'Taken', error: 'Conflict' }), 'ABORTED', 409, { expose: true, message: 'Taken' }],
    [
      'Nest with a list',
      nest(400, { message: ['a must be set', 5, 'b must be set'] }),
      'INVALID_ARGUMENT',
      400,
      { message: 'a must be set; b must be set' },
    ],
    ['Nest 500', nest(500, SECRET), 'INTERNAL', 500, { expose: false }],
    ['a Nest body', { statusCode: 404, message: SECRET, error: 'Not Found' }, 'NOT_FOUND', 404, { expose: false }],
    // Moleculer
    [
      'Moleculer',
      error({ name: 'MoleculerClientError', code: 422, type: 'CARD_DECLINED', data: { card: SECRET }, retryable: false }),
      'INVALID_ARGUMENT',
      422,
      { expose: false, reason: 'CARD_DECLINED' },
    ],
    [
      'Moleculer that may be tried again',
      error({ code: 503, type: 'SERVICE_NOT_AVAILABLE', retryable: true }),
      'UNAVAILABLE',
      503,
      { retryable: true },
    ],
    ['Moleculer with a word of ours', error({ code: 503, type: 'CIRCUIT_OPEN', retryable: true }), 'UNAVAILABLE', 503, { reason: undefined }],
    // Kratos
    [
      'Kratos',
      { code: 404, reason: 'USER_NOT_FOUND', message: SECRET, metadata: { id: '42' } },
      'NOT_FOUND',
      404,
      { expose: false, reason: 'USER_NOT_FOUND' },
    ],
    ['Kratos, cancelled', { code: 499, reason: 'CLIENT_CLOSED', message: '', metadata: {} }, 'CANCELLED', 499, { expose: false }],
    // go-micro
    ['go-micro', { id: 'users', code: 404, detail: SECRET, status: 'Not Found' }, 'NOT_FOUND', 404, { expose: false, message: SECRET }],
    [
      'go-micro Timeout',
      { id: 'go.micro.client', code: 408, detail: 'late', status: 'Request Timeout' },
      'DEADLINE_EXCEEDED',
      408,
      { expose: false },
    ],
    [
      'go-micro as text',
      new Error('{"id":"users","code":403,"detail":"no","status":"Forbidden"}'),
      'PERMISSION_DENIED',
      403,
      { expose: false, message: 'no' },
    ],
    [
      'go-micro MultiError',
      {
        errors: [
          { id: 'a', code: 404, detail: 'x', status: '' },
          { id: 'b', code: 500, detail: 'y', status: '' },
        ],
      },
      'INTERNAL',
      500,
      { expose: false },
    ],
    // gRPC and Connect
    ['grpc-js NOT_FOUND', error({ code: 5, details: SECRET, metadata }), 'INTERNAL', 500, { expose: false }],
    ['grpc-js UNAUTHENTICATED', error({ code: 16, details: SECRET, metadata }), 'INTERNAL', 500],
    ['grpc-js UNAVAILABLE', error({ code: 14, details: SECRET, metadata }), 'UNAVAILABLE', 503],
    ['grpc-js RESOURCE_EXHAUSTED', error({ code: 8, details: SECRET, metadata }), 'UNAVAILABLE', 503],
    ['grpc-js DEADLINE_EXCEEDED', error({ code: 4, details: SECRET, metadata }), 'DEADLINE_EXCEEDED', 504],
    ['grpc-js INTERNAL', error({ code: 13, details: SECRET, metadata }), 'UNAVAILABLE', 502],
    ['grpc-js CANCELLED', error({ code: 1, details: '', metadata }), 'CANCELLED', 499, { expose: false }],
    ['Connect', error({ name: 'ConnectError', code: 5, rawMessage: SECRET, metadata: new Headers() }), 'INTERNAL', 500],
    ['a number that is no gRPC code', error({ code: 17, details: '', metadata }), 'UNKNOWN', 500],
    // axios, got, undici, AWS
    [
      'axios 404',
      error({ isAxiosError: true, code: 'ERR_BAD_REQUEST', config: { headers: { authorization: SECRET } }, response: { status: 404 } }),
      'INTERNAL',
      500,
      { expose: false },
    ],
    ['axios refused', error({ isAxiosError: true, code: 'ECONNREFUSED', config: {} }), 'UNAVAILABLE', 503, { reason: 'CONNECT_FAILED' }],
    ['axios timeout', error({ isAxiosError: true, code: 'ECONNABORTED', config: {} }), 'DEADLINE_EXCEEDED', 504, { reason: 'TIMEOUT' }],
    ['axios without network', error({ isAxiosError: true, code: 'ERR_NETWORK', config: {} }), 'UNAVAILABLE', 503],
    ['axios cancelled', error({ name: 'CanceledError', code: 'ERR_CANCELED', config: {} }), 'CANCELLED', 499, { expose: false }],
    ['got', error({ name: 'HTTPError', code: 'ERR_NON_2XX_3XX_RESPONSE', response: { statusCode: 503 } }), 'UNAVAILABLE', 503],
    ['an AWS SDK', error({ name: 'NoSuchKey', $fault: 'client', $metadata: { httpStatusCode: 404 } }), 'INTERNAL', 500],
    [
      'undici ResponseError',
      error({ name: 'ResponseError', code: 'UND_ERR_RESPONSE', statusCode: 401, body: SECRET, headers: {} }),
      'INTERNAL',
      500,
      { expose: false },
    ],
    [
      'undici connect timeout',
      error({ name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' }),
      'UNAVAILABLE',
      503,
      { reason: 'CONNECT_FAILED' },
    ],
    [
      'undici headers timeout',
      error({ name: 'HeadersTimeoutError', code: 'UND_ERR_HEADERS_TIMEOUT' }),
      'DEADLINE_EXCEEDED',
      504,
      { reason: 'TIMEOUT' },
    ],
    ['undici socket', error({ name: 'SocketError', code: 'UND_ERR_SOCKET' }), 'UNAVAILABLE', 503, { reason: 'CONNECTION_LOST' }],
    ['undici abort', error({ name: 'RequestAbortedError', code: 'UND_ERR_ABORTED' }), 'CANCELLED', 499],
    [
      'fetch around a system error',
      new TypeError('fetch failed', { cause: error({ code: 'ECONNRESET' }) }),
      'UNAVAILABLE',
      503,
      { reason: 'CONNECTION_LOST' },
    ],
    // Node
    ...(
      [
        ['ECONNREFUSED', 'UNAVAILABLE', 503],
        ['ENOTFOUND', 'UNAVAILABLE', 503],
        ['EAI_AGAIN', 'UNAVAILABLE', 503],
        ['EHOSTUNREACH', 'UNAVAILABLE', 503],
        ['ECONNRESET', 'UNAVAILABLE', 503],
        ['EPIPE', 'UNAVAILABLE', 503],
        ['ETIMEDOUT', 'DEADLINE_EXCEEDED', 504],
        ['EMFILE', 'UNAVAILABLE', 503],
        ['ENOSPC', 'UNAVAILABLE', 503],
        ['ENOENT', 'INTERNAL', 500],
        ['EACCES', 'INTERNAL', 500],
        ['EPERM', 'INTERNAL', 500],
        ['EUNHEARDOF', 'UNKNOWN', 500],
      ] as const
    ).map(
      ([code, canonical, status]) =>
        [`Node ${code}`, error({ code, errno: -1, syscall: 'x', path: `/etc/${SECRET}` }), canonical, status, { expose: false }] as const,
    ),
    ['a DOMException', new DOMException('gone', 'AbortError'), 'CANCELLED', 499],
    // many
    [
      'AggregateError of a refused and a forbidden',
      new AggregateError([error({ status: 403 }), error({ code: 'ECONNREFUSED' })], 'several'),
      'UNAVAILABLE',
      503,
      { expose: false },
    ],
    ['AggregateError with a bug', new AggregateError([error({ code: 'ECONNREFUSED' }), new TypeError('x')], 'both'), 'UNKNOWN', 500],
    [
      'AggregateError of ours',
      new AggregateError([new ServiceError('NOT_FOUND', 'n', { reason: 'USER_NOT_FOUND' })], 'several'),
      'NOT_FOUND',
      404,
      { reason: 'USER_NOT_FOUND', expose: false },
    ],
    ['AggregateError of cancellations', new AggregateError([new DOMException('', 'AbortError')], 'several'), 'CANCELLED', 499],
    ['AggregateError in AggregateError', new AggregateError([new AggregateError([error({ status: 409 })], 'inner')], 'outer'), 'ABORTED', 409],
    ['AggregateError of nothing', new AggregateError([], 'none'), 'UNKNOWN', 500],
    // no errors at all
    ['null', null, 'UNKNOWN', 500],
    ['a number', 404, 'UNKNOWN', 500],
    ['a function', () => {}, 'UNKNOWN', 500],
    ['a symbol', Symbol('x'), 'UNKNOWN', 500],
    ['a bigint', 5n, 'UNKNOWN', 500],
  ];
  for (const [what, thrown, code, status, more = {}] of cases) {
    it(`makes of ${what}: ${code}, ${status}`, () => {
      const known = ServiceError.from(thrown);
      expect(known).to.include({ code, status, ...more });
      expect(known.cause).to.equal(thrown);
      if (status >= 500) expect(known.expose).to.equal(false);
    });
  }

  it('knows what Node really throws: a refused connection, a missing file, a timeout, an abort', async () => {
    const port = await closedPort();
    const refused = await thrownBy(() => fetch(`http://127.0.0.1:${port}/`));
    const missing = await thrownBy(() => readFile('/nowhere/at/all'));
    const abort = await thrownBy(() => fetch('http://127.0.0.1:1/', { signal: AbortSignal.abort() }));
    const late = AbortSignal.timeout(0);
    await new Promise((resolve) => late.addEventListener('abort', resolve));
    expect([refused, missing, abort, late.reason].map((thrown) => ServiceError.from(thrown).code)).to.deep.equal([
      'UNAVAILABLE',
      'INTERNAL',
      'CANCELLED',
      'DEADLINE_EXCEEDED',
    ]);
  });

  it('gives back the error of another copy of the package, and takes nothing for one that only says so', () => {
    const brand = Symbol.for('ferrule.error');
    const foreign = Object.assign(new Error('m'), { code: 'NOT_FOUND', status: 404, title: 'Not Found', type: 'about:blank', [brand]: true });
    expect(ServiceError.from(foreign)).to.equal(foreign);
    for (const members of [{}, { code: 'NOPE', status: 404 }, { code: 'NOT_FOUND', status: 10_001 }, { code: 'NOT_FOUND' }]) {
      const known = ServiceError.from({ [brand]: true, ...members });
      expect(known.status).to.be.within(400, 599);
      expect(known.cause).to.not.equal(undefined);
    }
  });

  it('says of a remote error in an AggregateError what a server of ours says of it alone', () => {
    const remote = Object.assign(new ServiceError('NOT_FOUND', 'x', { expose: true }), { [Symbol.for('ferrule.error.remote')]: true });
    expect(ServiceError.from(new AggregateError([remote], 'several'))).to.include({ code: 'INTERNAL', status: 500, expose: false });
  });

  const KEYS = [
    'name',
    'message',
    'code',
    'status',
    'statusCode',
    'output',
    'response',
    'config',
    'errors',
    'cause',
    'metadata',
    'details',
    'isBoom',
    'retryable',
    'reason',
    'id',
    'detail',
    '$metadata',
    'getStatus',
    'expose',
  ];
  const VALUE = fc.oneof(
    fc.constantFrom(
      'AbortError',
      'AggregateError',
      'ECONNREFUSED',
      '{"id":1}',
      '{',
      404,
      5,
      999,
      -1,
      NaN,
      null,
      undefined,
      true,
      5n,
      Symbol.iterator,
    ),
    fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true }),
  );

  it('never throws, and gives a status that can be answered with, for 2,000 thrown values of every kind', () => {
    const shaped = fc.record({
      members: fc.dictionary(fc.constantFrom(...KEYS), VALUE),
      as: fc.constantFrom('error', 'object', 'proxy', 'getter', 'frozen'),
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything({ withBigInt: true, withNullPrototype: true }).map((value) => ({ value })),
          shaped,
        ),
        (given) => {
          // Here, because fast-check looks at what it is given, and a Proxy may throw.
          const known = ServiceError.from('value' in given ? given.value : built(given));
          if (!isServiceError(known) || !CODES.includes(known.code)) return false;
          if (!(known.status >= 400 && known.status <= 599) || typeof known.message !== 'string') return false;
          causesOf(known);
          return true;
        },
      ),
      { numRuns: 2_000, seed: 8 },
    );
  });
});

function built({ members, as }: { readonly members: Readonly<Record<string, unknown>>; readonly as: string }): unknown {
  const shape = as === 'error' ? new Error('x') : {};
  for (const [name, value] of Object.entries(members)) {
    const get = (): unknown => {
      throw value;
    };
    Object.defineProperty(shape, name, as === 'getter' ? { get } : { value });
  }
  if (as === 'frozen') return Object.freeze(shape);
  if (as !== 'proxy') return shape;
  const trap = (): never => {
    throw new Error('trap');
  };
  return new Proxy(shape, {
    get: (target, name) => (name in members ? (Reflect.get(target, name) as unknown) : trap()),
    getPrototypeOf: trap,
    ownKeys: trap,
    has: trap,
  });
}

describe('causesOf', () => {
  const chain = (length: number): Error =>
    Array.from({ length }).reduce<Error>((cause, _, index) => new Error(`${index}`, { cause }), new Error('root'));

  it('follows five levels unless told otherwise', () => {
    expect(causesOf(chain(20))).to.have.length(5);
    expect(causesOf(chain(20), { depth: 12 })).to.have.length(12);
    expect(causesOf(new Error('alone'))).to.deep.equal([]);
    expect(causesOf('text')).to.deep.equal([]);
  });

  it('ends where a ring closes', () => {
    const a = new Error('a');
    const b = new Error('b', { cause: a });
    a.cause = b;
    expect(causesOf(a)).to.deep.equal([b]);
    a.cause = a;
    expect(causesOf(a)).to.deep.equal([]);
  });

  it('takes the first ten errors of an AggregateError, whose list no serialiser shows', () => {
    const errors = Array.from({ length: 50 }, (_, index) => new Error(String(index)));
    expect(causesOf(new Error('x', { cause: new AggregateError(errors, 'many') }))).to.have.length(11);
  });

  it('stops at what cannot be read, and refuses a depth that is none', () => {
    const hostile = Object.defineProperty(new Error('x'), 'cause', {
      get() {
        throw new Error('no');
      },
    });
    expect(causesOf(new Error('y', { cause: hostile }))).to.deep.equal([hostile]);
    expect(() => causesOf(new Error('x'), { depth: 0 })).to.throw(TypeError, /depth: 0.*whole number from 1/);
  });
});
