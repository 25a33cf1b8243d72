import { expect } from 'chai';
import { CODES, ServiceError, isServiceError } from '@ferrule/core';
import { codeOfStatus, isRefusal, refusal } from '@ferrule/core/adapter';

describe('ServiceError', () => {
  for (const [code, status, retryable] of [
    ['CANCELLED', 499, false],
    ['UNKNOWN', 500, false],
    ['INVALID_ARGUMENT', 400, false],
    ['DEADLINE_EXCEEDED', 504, true],
    ['NOT_FOUND', 404, false],
    ['ALREADY_EXISTS', 409, false],
    ['PERMISSION_DENIED', 403, false],
    ['RESOURCE_EXHAUSTED', 429, true],
    ['FAILED_PRECONDITION', 400, false],
    ['ABORTED', 409, false],
    ['OUT_OF_RANGE', 400, false],
    ['UNIMPLEMENTED', 501, false],
    ['INTERNAL', 500, false],
    ['UNAVAILABLE', 503, true],
    ['DATA_LOSS', 500, false],
    ['UNAUTHENTICATED', 401, false],
  ] as const) {
    it(`${code} is ${status} over HTTP${retryable ? ' and may be tried again' : ''}; its message ${status < 500 ? 'may leave' : 'stays in'} the process`, () => {
      const error = new ServiceError(code, 'm');
      expect([error.status, error.retryable, error.expose]).to.deep.equal([status, retryable, status < 500]);
    });
  }

  it('knows the sixteen codes of the table above', () => expect(CODES).to.have.length(16));

  for (const [status, code] of [
    [400, 'INVALID_ARGUMENT'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [410, 'NOT_FOUND'],
    [405, 'UNIMPLEMENTED'],
    [501, 'UNIMPLEMENTED'],
    [408, 'DEADLINE_EXCEEDED'],
    [504, 'DEADLINE_EXCEEDED'],
    [409, 'ABORTED'],
    [412, 'FAILED_PRECONDITION'],
    [428, 'FAILED_PRECONDITION'],
    [413, 'INVALID_ARGUMENT'],
    [414, 'INVALID_ARGUMENT'],
    [415, 'INVALID_ARGUMENT'],
    [422, 'INVALID_ARGUMENT'],
    [431, 'INVALID_ARGUMENT'],
    [416, 'OUT_OF_RANGE'],
    [425, 'UNAVAILABLE'],
    [429, 'RESOURCE_EXHAUSTED'],
    [499, 'CANCELLED'],
    [502, 'UNAVAILABLE'],
    [503, 'UNAVAILABLE'],
    [418, 'FAILED_PRECONDITION'],
    [599, 'UNKNOWN'],
  ] as const) {
    it(`a bare ${status} stands for ${code}`, () => expect(codeOfStatus(status)).to.equal(code));
  }

  it('refuses an unknown code and a business number as status, and says what to do', () => {
    expect(() => new ServiceError('NOPE' as never, 'm')).to.throw(TypeError, /NOPE is unknown\. Use one of/);
    expect(() => new ServiceError('constructor' as never, 'm')).to.throw(TypeError, /constructor is unknown/);
    expect(() => new ServiceError('UNKNOWN', 'm', { status: 10001 })).to.throw(RangeError, /10001.*number/);
  });

  it('is told apart from what cannot be read, which is no ServiceError and no refusal', () => {
    const opened = new Set<PropertyKey>();
    const unreadable = new Proxy(new ServiceError('UNKNOWN', 'm'), {
      get(target, name) {
        if (!opened.has(name)) throw new Error('trap');
        return Reflect.get(target, name) as unknown;
      },
    });
    expect([isServiceError(unreadable), isRefusal(unreadable), ServiceError.from(unreadable).code]).to.deep.equal([false, false, 'UNKNOWN']);
    opened.add(Symbol.for('ferrule.error'));
    expect([isServiceError(unreadable), isRefusal(unreadable)]).to.deep.equal([true, false]);
  });

  it('is recognised by its brand across two copies of the package', () => {
    const foreign = Object.defineProperty(new Error('m'), Symbol.for('ferrule.error'), { value: true });
    expect(foreign).to.be.instanceOf(ServiceError);
    expect(isServiceError(new Error('m'))).to.equal(false);
    class Sub extends ServiceError {}
    expect(new ServiceError('UNKNOWN', 'm')).to.not.be.instanceOf(Sub);
    expect(new Sub('UNKNOWN', 'm')).to.be.instanceOf(Sub).and.instanceOf(ServiceError);
  });

  it('gives a refusal no stack trace, and leaves the limit as it was', () => {
    const limit = Error.stackTraceLimit;
    expect(refusal('UNAVAILABLE', 'm', { reason: 'CIRCUIT_OPEN' }).stack).to.not.include('\n    at ');
    expect(Error.stackTraceLimit).to.equal(limit);
  });

  describe('from whatever was thrown', () => {
    const own = new ServiceError('NOT_FOUND', 'm');
    const abort = Object.assign(new Error('gone'), { name: 'AbortError' });
    const hostile = {
      get status(): never {
        throw new Error('no');
      },
      get name(): never {
        throw new Error('no');
      },
    };
    for (const [what, thrown, code, status] of [
      ['itself', own, 'NOT_FOUND', 404],
      ['an http-error', Object.assign(new Error('teapot'), { status: 418, expose: true }), 'FAILED_PRECONDITION', 418],
      ['a boom error', Object.assign(new Error('x'), { output: { statusCode: 409 } }), 'ABORTED', 409],
      ['a status that is none', Object.assign(new Error('x'), { status: 999 }), 'UNKNOWN', 500],
      ['an abort', abort, 'CANCELLED', 499],
      ['a timeout', Object.assign(new Error('x'), { name: 'TimeoutError' }), 'DEADLINE_EXCEEDED', 504],
      ['a string', 'x', 'UNKNOWN', 500],
      ['undefined', undefined, 'UNKNOWN', 500],
      ['an object without prototype', Object.create(null), 'UNKNOWN', 500],
      ['getters that throw', hostile, 'UNKNOWN', 500],
    ] as const) {
      it(`makes of ${what}: ${code}, ${status}`, () => {
        const error = ServiceError.from(thrown);
        expect([error.code, error.status]).to.deep.equal([code, status]);
      });
    }

    for (const [given, kept] of [
      [0, 0],
      [1_500, 1_500],
      [-1, 0],
      [-Infinity, 0],
      [Infinity, undefined],
      [Number.NaN, undefined],
      ['5', undefined],
    ] as const) {
      it(`takes retryAfterMs ${String(given)} as ${String(kept)}`, () => {
        expect(new ServiceError('UNAVAILABLE', 'away', { retryAfterMs: given as number }).retryAfterMs).to.equal(kept);
      });
    }

    const secret = 'Incorrect API key provided: sk-proj-abcd1234';
    for (const [what, members, status] of [
      ['a status alone', { status: 401 }, 401],
      ['statusCode', { statusCode: 404 }, 404],
      ['expose: false', { status: 404, expose: false }, 404],
      ['an answer of 401 with a config (axios)', { status: 401, config: {}, response: { status: 401 } }, 500],
      ['an answer of 429', { response: { status: 429 } }, 503],
      ['an answer of 408', { response: { statusCode: 408 } }, 504],
      ['an answer of 500', { status: 500, config: {} }, 502],
      ['an answer that says expose', { status: 404, response: {}, expose: true }, 500],
    ] as const) {
      it(`keeps the message of a foreign error with ${what} to itself: ${status}`, () => {
        const error = ServiceError.from(Object.assign(new Error(secret), members));
        expect([error.status, error.expose, error.message]).to.deep.equal([status, false, secret]);
      });
    }
  });
});
