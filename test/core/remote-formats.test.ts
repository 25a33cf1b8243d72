import { expect } from 'chai';
import fc from 'fast-check';
import { Call, RemoteError, Reply, ServiceError, defineErrors, problemReply } from '@ferrule/core';
import type { ClientErrors, OwnAnswers } from '@ferrule/core';
import { operation, remoteErrors, replyMapping } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const call = new Call({
  side: 'client',
  operation: operation('users', 'GET', '/users/:id'),
  attempt: 3,
  endpoint: { id: 'users-1', origin: 'http://10.0.0.1:80' },
});
const errors = defineErrors(
  {
    USER_NOT_FOUND: {
      number: 10001,
      code: 'NOT_FOUND',
      title: 'User not found',
      detail: ({ id }: { id: number }) => `No user ${id}`,
      details: ['id'],
      retryable: true,
    },
    INSUFFICIENT_BALANCE: { number: 10004, code: 'FAILED_PRECONDITION', title: 'Insufficient balance', status: 402 },
  },
  { service: 'users', types: 'https://errors.test/' },
);

async function errorOf(reply: Reply, mappers: ClientErrors = [], toOwn: OwnAnswers = {}, of = call): Promise<RemoteError> {
  const failure = await remoteErrors({ mappers, toOwn, clock: manualClock() })(() => Promise.resolve(reply))(of).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).to.be.instanceOf(RemoteError);
  return failure as RemoteError;
}

describe("an answer that is passed on as one's own", () => {
  it('has the field errors, and the details that the catalogue lists; of a 5xx neither', async () => {
    const body = { reason: 'USER_NOT_FOUND', errors: [{ pointer: '#/email', detail: 'no address' }], details: { id: 5, secret: 's' } };
    for (const [status, shown] of [
      [404, { errors: body.errors, details: { id: 5 } }],
      [500, {}],
    ] as const) {
      const error = await errorOf(new Reply(status, body), [errors], { '4xx': 'pass', '5xx': 'pass' });
      const problem = problemReply(error).body;
      expect(problem).to.deep.include({ status, reason: 'USER_NOT_FOUND', ...shown });
      expect(JSON.stringify(problem)).to.not.include('secret').and.not.include('answered');
      if (status === 500) expect(problem).to.not.have.any.keys('errors', 'details');
    }
  });
});

describe('what error replies of others say', () => {
  const table: readonly (readonly [string, number, unknown, object])[] = [
    ['the gRPC gateway', 404, { code: 5, message: 'no user', details: [] }, { code: 'NOT_FOUND', detail: 'no user' }],
    ['Kratos', 404, { code: 404, reason: 'USER_NOT_FOUND', message: 'no user', metadata: {} }, { reason: 'USER_NOT_FOUND', detail: 'no user' }],
    ['go-micro', 404, { id: 'users', code: 404, detail: 'no user', status: 'Not Found' }, { detail: 'no user' }],
    ['several of go-micro', 500, { errors: [{ id: 'a', code: 404, detail: 'no user' }] }, { detail: 'no user', errors: [] }],
    ['the plain form', 404, { error: { code: 10001, message: 'no user' }, timestamp: '2026' }, { number: 10001, detail: 'no user' }],
    ['Google', 400, { error: { code: 400, message: 'bad', status: 'OUT_OF_RANGE' } }, { code: 'OUT_OF_RANGE', detail: 'bad' }],
    ['NestJS', 400, { statusCode: 400, message: ['a must be', 'b must be', 5], error: 'Bad Request' }, { detail: 'a must be; b must be' }],
    ['Spring', 404, { timestamp: 'x', status: 404, error: 'Not Found', message: '', path: '/u' }, { status: 404, detail: 'Not Found' }],
    [
      'moleculer',
      422,
      { name: 'ValidationError', message: 'bad', code: 422, type: 'VALIDATION_ERROR', data: {}, retryable: false, stack: 'at evil' },
      { reason: 'VALIDATION_ERROR', detail: 'bad', retryable: false },
    ],
  ];
  for (const [name, status, body, expected] of table)
    it(`is understood in the form of ${name}`, async () => expect((await errorOf(new Reply(status, body))).problem).to.deep.equal(expected));

  for (const format of ['problem', 'micro', 'plain'] as const) {
    it(`is what a service of ours has said in the form ${format}`, async () => {
      const thrown = errors.USER_NOT_FOUND({ id: 42 });
      const sent = replyMapping([], 'users', { format })(thrown, call);
      const error = await errorOf(new Reply(sent.status, JSON.parse(JSON.stringify(sent.body))), [errors]);
      expect(error).to.include({ code: 'NOT_FOUND', status: 404, service: 'users', instanceId: 'users-1', attempt: 3 });
      expect(error.problem?.detail).to.equal('No user 42');
      expect(errors.USER_NOT_FOUND.is(error)).to.equal(format !== 'micro'); // that form has neither reason nor number
    });
  }

  it('never makes anything but a RemoteError with its own name, whatever the body (property)', async () => {
    const word = fc.constantFrom(
      'name',
      'stack',
      'cause',
      'code',
      'reason',
      'error',
      'errors',
      'details',
      'message',
      'type',
      '__proto__',
      'constructor',
      'expose',
      'unsent',
    );
    const body = fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.dictionary(word, fc.jsonValue({ maxDepth: 3 })));
    await fc.assert(
      fc.asyncProperty(body, async (given) => {
        const error = await errorOf(new Reply(500, JSON.parse(JSON.stringify(given))), [errors]);
        expect(error).to.include({ name: 'RemoteError', expose: false, unsent: false, status: 500 });
        expect(error.cause).to.equal(undefined);
        expect(Object.getPrototypeOf(error)).to.equal(RemoteError.prototype);
        expect(error.message.length).to.be.below(1_200);
        expect(problemReply(error).status).to.equal(502);
        expect(({} as { x?: unknown }).x).to.equal(undefined);
      }),
      { seed: 8, numRuns: 20_000 },
    );
  }).timeout(60_000);
});

describe('errors of a catalogue, as answered by another service', () => {
  it('are known by reason, and have what the reply leaves open', async () => {
    const error = await errorOf(new Reply(404, { reason: 'USER_NOT_FOUND', details: { id: 42, secret: 'x', deep: {} } }), [errors]);
    expect(error).to.be.instanceOf(errors.USER_NOT_FOUND);
    expect(error).to.include({ code: 'NOT_FOUND', number: 10001, title: 'User not found', retryable: true });
    expect(error.params).to.deep.equal({ id: 42 });
  });

  it('are known by type, and by number from the service whose number it is', async () => {
    expect((await errorOf(new Reply(402, { type: 'https://errors.test/insufficient-balance' }), [errors])).reason).to.equal('INSUFFICIENT_BALANCE');
    expect((await errorOf(new Reply(402, { number: 10004 }), [errors])).reason).to.equal('INSUFFICIENT_BALANCE');
    const other = new Call({ side: 'client', operation: operation('orders', 'GET', '/') });
    expect((await errorOf(new Reply(402, { number: 10004 }), [errors], {}, other)).reason).to.equal(undefined);
    expect((await errorOf(new Reply(402, { reason: 'OTHER', number: 10004 }), [errors])).title).to.equal('Payment Required');
  });

  it('stand beside mappers, which are asked first', async () => {
    const mapper = {
      toError: (reply: Reply) => (reply.status === 402 ? new RemoteError('ABORTED', 'mine', { status: 402, service: 'x' }) : undefined),
    };
    expect((await errorOf(new Reply(402, { number: 10004 }), [errors, mapper])).code).to.equal('ABORTED');
    expect(() => remoteErrors({ mappers: [{}] as never })).to.throw(TypeError, /no error mapper/);
  });
});

describe('what becomes of an answer of another service for our own client', () => {
  it('is a code by status, then by class', async () => {
    const toOwn: OwnAnswers = { 404: 'NOT_FOUND', '4xx': 'FAILED_PRECONDITION', '5xx': 'INTERNAL' };
    for (const [status, own, code] of [
      [404, 404, 'NOT_FOUND'],
      [409, 400, 'FAILED_PRECONDITION'],
      [503, 500, 'INTERNAL'],
    ] as const) {
      const error = await errorOf(new Reply(status, { detail: 'secret', reason: 'THEIRS' }), [], toOwn);
      expect(error.toOwn()).to.include({ status: own, code, expose: false, reason: undefined, cause: error });
      expect(JSON.stringify(problemReply(error).body)).to.not.match(/secret|THEIRS/);
    }
    expect((await errorOf(new Reply(400), [], { 404: 'NOT_FOUND' })).toOwn().status).to.equal(500);
  });

  it('is the same when it is passed: the detail below 500 alone, and never Retry-After', async () => {
    const said = { code: 'NOT_FOUND', reason: 'USER_NOT_FOUND', number: 10001, title: 'User not found', detail: 'No user 42' };
    const error = await errorOf(new Reply(404, said, { 'retry-after': '3' }), [], { '4xx': 'pass', '5xx': 'pass' });
    const reply = problemReply(error);
    expect(reply.body).to.include({ status: 404, ...said });
    expect(reply.headers).to.not.have.property('retry-after');
    const failed = problemReply(await errorOf(new Reply(503, { ...said, code: 'UNAVAILABLE' }), [], { '5xx': 'pass' }));
    expect(failed.body).to.include({ status: 503, code: 'UNAVAILABLE', reason: 'USER_NOT_FOUND', detail: 'User not found' });
    expect((await errorOf(new Reply(404), [], { 404: 'pass' })).toOwn())
      .to.be.instanceOf(ServiceError)
      .and.include({ status: 404, expose: false });
  });

  it('refuses a table that says nothing', () => {
    for (const toOwn of [{ 200: 'NOT_FOUND' }, { 404: 'GONE' }, { 404: 404 }, { x: 'pass' }, [], new Map()])
      expect(() => remoteErrors({ toOwn: toOwn as never }), JSON.stringify(toOwn)).to.throw(TypeError, /toOwn/);
  });
});
