import { expect } from 'chai';
import { Call, REQUEST_ID, Reply, ServiceError, problemReply } from '@ferrule/core';
import type { Problem } from '@ferrule/core';
import { operation, replyMapping } from '@ferrule/core/adapter';

const call = (headers = {}): Call => new Call({ side: 'server', operation: operation('users', 'GET', '/users/:id'), headers });
const bodyOf = (error: unknown, of?: Call): Problem => problemReply(error, of).body;

describe('a problem', () => {
  it('has the members of RFC 9457 and ours', () => {
    const of = call({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' });
    of.values.set(REQUEST_ID, '0f8fad5b-d9cb-469f-a165-70867728950e');
    const error = new ServiceError('NOT_FOUND', 'No user 42', {
      reason: 'USER_NOT_FOUND',
      number: 10001,
      type: 'https://errors.test/u',
      title: 'User not found',
    });
    const reply = problemReply(error, of);
    expect(reply.headers).to.deep.equal({ 'content-type': 'application/problem+json' });
    expect(reply.error).to.equal(error);
    expect(reply.body).to.deep.equal({
      type: 'https://errors.test/u',
      title: 'User not found',
      status: 404,
      detail: 'No user 42',
      instance: 'urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e',
      code: 'NOT_FOUND',
      reason: 'USER_NOT_FOUND',
      number: 10001,
      requestId: '0f8fad5b-d9cb-469f-a165-70867728950e',
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      retryable: false,
      service: 'users',
    });
  });

  it('of a 5xx shows the title in place of the message, unless the error says expose', () => {
    expect(bodyOf(new ServiceError('INTERNAL', 'sql-7 is down')).detail).to.equal('Internal Server Error');
    expect(bodyOf(new ServiceError('INTERNAL', 'Closed', { expose: true })).detail).to.equal('Closed');
    expect(bodyOf(new ServiceError('INTERNAL', 'x', { errors: [{ pointer: '#/secret', detail: 'x' }] })).errors).to.equal(undefined);
  });

  const hostile: readonly (readonly [string, unknown])[] = [
    ['text', 'boom'],
    ['undefined', undefined],
    ['null', null],
    ['an object without a prototype', Object.create(null)],
    [
      'an object whose members throw',
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('trap');
          },
        },
      ),
    ],
    ['a BigInt as number', new ServiceError('INTERNAL', 'x', { number: 1n as unknown as number })],
    ['an error with a cycle', Object.assign(new Error('x'), { self: {} })],
    ['field errors that are none', new ServiceError('INVALID_ARGUMENT', 'x', { errors: [null, 5, { pointer: 1n, detail: {} }] as never })],
    ['an http-errors look-alike with a status of its own', Object.assign(new Error('x'), { status: 10001 })],
  ];
  for (const [what, error] of hostile) {
    it(`survives ${what}`, () => {
      const text = JSON.stringify(bodyOf(error, call()));
      expect(JSON.parse(text)).to.have.property('status').that.is.within(400, 599);
    });
  }

  it('is never longer than 16 KB, whatever is put in', () => {
    const long = '\u0001'.repeat(100_000);
    const errors = Array.from({ length: 5_000 }, () => ({ pointer: long, detail: long, code: long }));
    const error = new ServiceError('INVALID_ARGUMENT', long, { errors, title: long, type: long, reason: 'R'.repeat(500) });
    const body = bodyOf(error, call());
    expect(Buffer.byteLength(JSON.stringify(body))).to.be.below(16_384);
    expect(body.errors).to.not.equal(undefined);
    expect(body.reason, 'a reason that is no word').to.equal(undefined);
  });

  it('cuts text without breaking a surrogate pair', () => {
    const { detail } = bodyOf(new ServiceError('INVALID_ARGUMENT', `${'x'.repeat(1_022)}😀😀`));
    expect(detail).to.equal(`${'x'.repeat(1_022)}…`);
  });

  it('takes over what clients act on from the headers of http-errors and boom, and nothing else', () => {
    const http = Object.assign(new Error('x'), {
      status: 401,
      expose: true,
      headers: { 'WWW-Authenticate': 'Bearer', 'set-cookie': 'a=b', 'x-secret': '1', allow: 'GET\r\nx: y' },
    });
    expect(problemReply(http).headers).to.deep.equal({ 'content-type': 'application/problem+json', 'www-authenticate': 'Bearer' });
    const boom = Object.assign(new Error('x'), { isBoom: true, output: { statusCode: 429, headers: { 'Retry-After': 7, server: 'x' } } });
    const { headers } = http;
    for (const members of [{}, { config: {}, expose: true }, { response: { status: 401 }, expose: true }]) {
      const reply = problemReply(Object.assign(new Error('x'), { status: 401, headers }, members));
      expect(reply.headers, JSON.stringify(members)).to.deep.equal({ 'content-type': 'application/problem+json' });
    }
    expect(problemReply(boom)).to.deep.include({ status: 429, headers: { 'content-type': 'application/problem+json', 'retry-after': '7' } });
  });

  const waits: readonly (readonly [number, number])[] = [
    [0, 1],
    [1, 1],
    [1_000, 1],
    [1_001, 2],
    [90_000, 90],
  ];
  for (const [ms, seconds] of waits) {
    it(`says Retry-After: ${seconds} for ${ms} ms`, () => {
      expect(problemReply(new ServiceError('UNAVAILABLE', 'x', { retryAfterMs: ms })).headers).to.include({ 'retry-after': seconds });
    });
  }
});

describe('the chain of mappers', () => {
  it('asks in turn, passes over one that throws, and ends with a problem', () => {
    const error = new RangeError('mine');
    const asked: string[] = [];
    const toReply = replyMapping(
      [
        { toError: () => new Error('never asked') },
        {
          toReply: () => {
            asked.push('throws');
            throw new Error('second');
          },
        },
        {
          toReply: () => {
            asked.push('declines');
            return undefined;
          },
        },
        { toReply: (thrown) => (thrown instanceof RangeError ? new Reply(418, { mine: true }) : undefined) },
      ],
      'users',
    );
    expect(toReply(error, call())).to.deep.include({ status: 418, body: { mine: true }, error });
    expect(toReply(new Error('other'), call()).body).to.include({ status: 500, service: 'users' });
    expect(asked).to.deep.equal(['throws', 'declines', 'throws', 'declines']);
  });
});
