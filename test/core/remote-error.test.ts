import { expect } from 'chai';
import { Call, Reply, RemoteError, ServiceError, isRemoteError, isServiceError, problemReply } from '@ferrule/core';
import type { ErrorMapper, Handler } from '@ferrule/core';
import { isRefusal, operation, remoteErrors } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const call = new Call({
  side: 'client',
  operation: operation('orders', 'GET', '/orders/:id'),
  endpoint: { id: 'orders-1', origin: 'http://10.0.0.1:80' },
  attempt: 2,
});
const answering =
  (reply: Reply): Handler =>
  () =>
    Promise.resolve(reply);

async function errorOf(reply: Reply, mappers: readonly ErrorMapper[] = []): Promise<unknown> {
  try {
    await remoteErrors({ mappers, clock: manualClock() })(answering(reply))(call);
  } catch (error) {
    return error;
  }
  throw new Error('no error was thrown');
}

const remoteOf = async (reply: Reply): Promise<RemoteError> => {
  const error = await errorOf(reply);
  expect(error).to.be.instanceOf(RemoteError);
  return error as RemoteError;
};

describe('error replies of other services', () => {
  it('become RemoteErrors that say who answered what', async () => {
    const error = await remoteOf(
      new Reply(404, {
        type: 'https://e/u',
        title: 'User not found',
        status: 404,
        detail: 'No user 42',
        code: 'NOT_FOUND',
        reason: 'USER_NOT_FOUND',
        number: 10001,
        retryable: false,
        errors: [{ pointer: '#/id', detail: 'unknown' }],
      }),
    );
    expect(error).to.include({
      name: 'RemoteError',
      code: 'NOT_FOUND',
      status: 404,
      reason: 'USER_NOT_FOUND',
      number: 10001,
      type: 'https://e/u',
      service: 'orders',
      instanceId: 'orders-1',
      attempt: 2,
      expose: false,
      retryable: false,
    });
    expect(error.message).to.equal('orders answered 404 to GET /orders/:id: No user 42');
    expect(error.problem?.errors).to.deep.equal([{ pointer: '#/id', detail: 'unknown' }]);
    expect(error.reply?.status).to.equal(404);
    expect(isServiceError(error) && isRemoteError(error)).to.equal(true);
    expect(isRemoteError(new ServiceError('NOT_FOUND', 'ours'))).to.equal(false);
  });

  const codes: readonly (readonly [number, string, boolean])[] = [
    [400, 'INVALID_ARGUMENT', false],
    [401, 'UNAUTHENTICATED', false],
    [404, 'NOT_FOUND', false],
    [408, 'DEADLINE_EXCEEDED', true],
    [409, 'ABORTED', false],
    [418, 'FAILED_PRECONDITION', false],
    [425, 'UNAVAILABLE', true],
    [429, 'RESOURCE_EXHAUSTED', true],
    [500, 'INTERNAL', false],
    [502, 'UNAVAILABLE', true],
    [503, 'UNAVAILABLE', true],
    [504, 'DEADLINE_EXCEEDED', true],
    [599, 'UNKNOWN', false],
  ];
  for (const [status, code, retryable] of codes) {
    it(`without a problem, ${status} is ${code}${retryable ? ', worth another try' : ''}`, async () => {
      expect(await remoteOf(new Reply(status))).to.include({ code, status, retryable, problem: undefined });
    });
  }

  const texts: readonly (readonly [string, unknown, string | undefined])[] = [
    ['go-micro', { id: 'users', code: 404, detail: 'no such user', status: 'Not Found' }, 'no such user'],
    ['NestJS', { statusCode: 404, message: 'Cannot GET /x', error: 'Not Found' }, 'Cannot GET /x'],
    ['text', 'plain words', 'plain words'],
    ['HTML', '<html>oops</html>', undefined],
    ['bytes', new Uint8Array([123, 125]), undefined],
    ['an array', [1, 2], undefined],
    ['a number', 7, undefined],
  ];
  for (const [name, body, detail] of texts) {
    it(`read the message of ${name}`, async () => expect((await remoteOf(new Reply(404, body))).problem?.detail).to.equal(detail));
  }

  it('take only listed members of the right type, so that a body forges neither name nor stack nor prototype', async () => {
    const body = JSON.parse(
      '{"name":"Evil","stack":"at evil","message":{"a":1},"cause":"x","status":"200","code":"constructor","reason":"a\\r\\nb","number":"1e3","retryable":"yes","type":7,"unsent":true,"expose":true,"service":["x"],"errors":[{"pointer":1},null,{"pointer":"#/a","detail":"b","evil":1}],"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    ) as unknown;
    const error = await remoteOf(new Reply(503, body));
    expect(error).to.include({
      name: 'RemoteError',
      code: 'UNAVAILABLE',
      status: 503,
      reason: undefined,
      number: undefined,
      expose: false,
      unsent: false,
      retryable: true,
      type: 'about:blank',
      service: 'orders',
    });
    expect(error.stack).to.not.contain('evil');
    expect(error.problem).to.deep.equal({ errors: [{ pointer: '#/a', detail: 'b' }] });
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
    expect((error as { polluted?: unknown }).polluted).to.equal(undefined);
    expect(Object.getPrototypeOf(error)).to.equal(RemoteError.prototype);
  });

  it('cut long texts and lists', async () => {
    const error = await remoteOf(
      new Reply(400, {
        detail: 'x'.repeat(5_000),
        title: 'y'.repeat(5_000),
        errors: Array.from({ length: 500 }, () => ({ pointer: '#', detail: 'z' })),
      }),
    );
    expect(error.problem?.detail).to.have.length(1_024);
    expect(error.problem?.title).to.have.length(256);
    expect(error.problem?.errors).to.have.length(100);
  });

  it('do not take a remote refusal for one of ours: it was asked and said no', async () => {
    const error = await remoteOf(new Reply(503, { code: 'UNAVAILABLE', reason: 'CIRCUIT_OPEN' }));
    expect(error.reason).to.equal('CIRCUIT_OPEN');
    expect(isRefusal(error)).to.equal(false);
  });

  const waits: readonly (readonly [string, number | undefined])[] = [
    ['0', 0],
    ['7', 7_000],
    [' 7 ', 7_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['99999999', 300_000],
    ['99999999999', 300_000],
    ['Fri, 01 Jan 2027 00:00:00 GMT', 300_000],
    ['5.5', undefined],
    ['-1', undefined],
    ['soon', undefined],
    ['', undefined],
  ];
  for (const [value, ms] of waits) {
    it(`read Retry-After: ${value} as ${ms} ms`, async () => {
      expect((await remoteOf(new Reply(503, undefined, { 'retry-after': value }))).retryAfterMs).to.equal(ms);
    });
  }

  it('let 2xx and 3xx through', async () => {
    for (const status of [200, 204, 301, 304]) {
      const reply = new Reply(status);
      expect(await remoteErrors()(answering(reply))(call)).to.equal(reply);
    }
  });

  it('ask the mappers first, in order; one that throws is passed over and named', async () => {
    class Gone extends Error {}
    const seen: unknown[] = [];
    const mappers: ErrorMapper[] = [
      { toReply: () => undefined },
      { toError: (reply) => void seen.push(reply.body) },
      { toError: (reply) => (reply.status === 410 ? new Gone('gone') : undefined) },
    ];
    expect(await errorOf(new Reply(410, { a: 1 }), mappers)).to.be.instanceOf(Gone);
    expect(seen).to.deep.equal([{ a: 1 }]);
    const bug = new RangeError('a bug');
    const error = await errorOf(new Reply(410), [
      {
        toError: () => {
          throw bug;
        },
      },
    ]);
    expect(error).to.be.instanceOf(RemoteError).with.property('cause', bug);
  });

  const own: readonly (readonly [number, number, string])[] = [
    [404, 500, 'INTERNAL'],
    [401, 500, 'INTERNAL'],
    [429, 503, 'UNAVAILABLE'],
    [503, 503, 'UNAVAILABLE'],
    [500, 502, 'UNAVAILABLE'],
    [504, 504, 'DEADLINE_EXCEEDED'],
  ];
  for (const [remote, status, code] of own) {
    it(`of ${remote}, a server of ours says ${status}, and keeps the rest to itself`, async () => {
      const error = await remoteOf(new Reply(remote, { detail: 'secret' }));
      expect(error.toOwn()).to.include({ status, code, expose: false, cause: error });
      const reply = problemReply(error);
      expect(reply).to.include({ status, error });
      expect(JSON.stringify(reply.body)).to.not.contain('secret');
    });
  }

  it('a server of ours does not pass on when to come back: that the other side has done nothing says nothing of us', async () => {
    const error = await remoteOf(new Reply(503, undefined, { 'retry-after': '2' }));
    expect(error.retryAfterMs).to.equal(2_000);
    expect(error.toOwn().retryAfterMs).to.equal(undefined);
    expect(problemReply(error).headers).to.not.have.property('retry-after');
  });
});
