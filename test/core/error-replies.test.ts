import { expect } from 'chai';
import fc from 'fast-check';
import { CODES, Call, PRINCIPAL, REQUEST_ID, Reply, ServiceError, codeOfGrpcStatus, grpcStatusOf, translations } from '@ferrule/core';
import type { Code, ErrorReplyOptions, Problem } from '@ferrule/core';
import { acceptedLanguages, operation, problemAnswers, replyMapping, safeValue } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const call = (headers = {}): Call => new Call({ side: 'server', operation: operation('users', 'GET', '/users/:id'), headers });
const missing = new ServiceError('NOT_FOUND', 'No user 42', { reason: 'USER_NOT_FOUND', number: 10001, title: 'User not found', params: { id: 42 } });
const answer = (error: unknown, options: ErrorReplyOptions, of = call()): Reply => replyMapping([], 'users', options, manualClock())(error, of);

describe('replies for errors', () => {
  it("have go-micro's form, with the status where it has its code", () => {
    const reply = answer(missing, { format: 'micro' });
    expect(reply).to.deep.include({ status: 404, headers: { 'content-type': 'application/json' }, error: missing });
    expect(reply.body).to.deep.equal({ id: 'users', code: 404, detail: 'No user 42', status: 'Not Found' });
  });

  it('have the plain form, with the business number or the code, and nothing of a 5xx', () => {
    const timestamp = new Date(manualClock().wallTime()).toISOString();
    expect(answer(missing, { format: 'plain' }).body).to.deep.equal({ error: { code: 10001, message: 'No user 42' }, timestamp });
    const failed = answer(new Error('sql-7 is down'), { format: 'plain' });
    expect(failed.body).to.deep.equal({ error: { code: 'UNKNOWN', message: 'Internal Server Error' }, timestamp });
  });

  it('have the form of a function, to which its own headers are added; a function that fails is answered for', () => {
    const busy = new ServiceError('RESOURCE_EXHAUSTED', 'slow down', { retryAfterMs: 2_000 });
    const made = answer(busy, { format: (error, of) => new Reply(error.status, { at: of.label }, { 'content-type': 'application/mine+json' }) });
    expect(made).to.deep.include({ body: { at: 'GET /users/:id' }, error: busy });
    expect(made.headers).to.deep.equal({ 'content-type': 'application/mine+json', 'retry-after': 2 });
    const broken: readonly unknown[] = [() => Promise.reject(new Error('late')), () => 5, () => undefined, () => ({ status: 10001 })];
    for (const format of broken)
      expect(answer(missing, { format: format as never })).to.deep.include({ status: 404, headers: { 'content-type': 'application/problem+json' } });
  });

  it('have title and request for what throws when it is looked at, and for an error without words', () => {
    const fail = (): never => {
      throw new Error('unreadable');
    };
    const id = '40337d67-d016-4a9c-902f-ccdb8a100000';
    const of = call();
    of.values.set(REQUEST_ID, id);
    for (const thrown of [new Proxy({}, { get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail }), new Proxy(new Error('x'), { get: fail })]) {
      expect((answer(thrown, {}, of).body as Problem).requestId).to.equal(id);
      expect(answer(thrown, { format: 'micro' }).body).to.deep.include({ code: 500, detail: 'Internal Server Error' });
    }
    const brand = { [Symbol.for('ferrule.error')]: true, code: 'NOT_FOUND', status: 404, expose: true };
    const unread = Object.defineProperty({ ...brand }, 'title', { get: fail });
    for (const forged of [{ ...brand, title: 12, message: {} }, unread])
      expect(answer(forged, {}, of).body).to.deep.include({ status: 404, title: 'Not Found', requestId: id });
    expect((answer(new ServiceError('NOT_FOUND', ''), {}).body as Problem).detail).to.equal('Not Found');
  });

  it('are in the region that there is when the language alone is asked for, and in their own when it is', () => {
    const translate = translations({ 'zh-CN': { NOT_FOUND: '没有' } });
    const asked = (language: string, own = 'en'): unknown => {
      const { headers, body } = answer(missing, { translate, language: own }, call({ 'accept-language': language }));
      return [headers['content-language'], (body as Problem).title];
    };
    expect(asked('zh')).to.deep.equal(['zh', '没有']);
    expect(asked('zh-Hans-CN')).to.deep.equal(['zh', '没有']);
    expect(asked('en,zh-CN;q=0.9', 'en-GB')).to.deep.equal(['en-GB', 'User not found']);
    expect(asked('z')).to.deep.equal(['en', 'User not found']);
  });

  it('pass over an async mapper, whose rejection harms nothing', async () => {
    const toReply = replyMapping([{ toReply: (() => Promise.reject(new Error('late'))) as never }]);
    expect(toReply(missing, call())).to.include({ status: 404 });
    await new Promise((resolve) => void setImmediate(resolve));
  });

  it('challenge on a 401 that brings none of its own', () => {
    const options = { challenge: 'Bearer realm="users"' };
    expect(answer(new ServiceError('UNAUTHENTICATED', 'x'), options).headers).to.include({ 'www-authenticate': 'Bearer realm="users"' });
    const own = Object.assign(new Error('x'), { status: 401, expose: true, headers: { 'www-authenticate': 'Basic' } });
    expect(answer(own, options).headers).to.include({ 'www-authenticate': 'Basic' });
    expect(answer(missing, options).headers).to.not.have.property('www-authenticate');
  });

  it('show of the request what is asked for, and no more', () => {
    const of = call({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' });
    of.values.set(REQUEST_ID, 'r-1');
    of.values.set(PRINCIPAL, { id: 'u-7', tenant: 'acme' });
    const all = answer(missing, { show: ['requestId', 'traceId', 'service', 'operation', 'user'] }, of).body as Problem;
    expect(all).to.include({
      requestId: 'r-1',
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      service: 'users',
      operation: 'GET /users/:id',
      user: 'u-7',
    });
    expect(JSON.stringify(all)).to.not.contain('acme');
    expect(answer(missing, { show: [] }, of).body).to.not.have.any.keys('requestId', 'traceId', 'service', 'operation', 'user', 'instance');
    expect(answer(missing, { challenge: 'Bearer' }, of).body).to.not.have.any.keys('operation', 'user');
  });

  it('are translated, params filled in; a 5xx says its title alone', () => {
    const translate = translations({
      'zh-CN': { USER_NOT_FOUND: { title: '用户不存在', detail: '没有用户 {id}' }, INTERNAL: { title: '内部错误', detail: '数据库' } },
      de: { USER_NOT_FOUND: { title: 'Unbekannt', detail: 'Kein {name}' } },
    });
    const reply = answer(missing, { translate }, call({ 'accept-language': 'zh-cn' }));
    expect(reply.body).to.include({ title: '用户不存在', detail: '没有用户 42', reason: 'USER_NOT_FOUND' });
    expect(reply.headers).to.include({ 'content-language': 'zh-cn', vary: 'Accept-Language' });
    expect(answer(missing, { translate }, call({ 'accept-language': 'de' })).body).to.include({ title: 'Unbekannt', detail: 'Unbekannt' });
    expect(answer(new ServiceError('INTERNAL', 'sql-7'), { translate }, call({ 'accept-language': 'zh-CN' })).body).to.include({
      detail: '内部错误',
    });
    expect(answer(missing, { translate }).headers).to.include({ 'content-language': 'en', vary: 'Accept-Language' });
    expect(answer(missing, { translate, format: 'micro' }, call({ 'accept-language': 'zh-CN' })).body).to.include({ detail: '没有用户 42' });
  });

  const rubbish: readonly (readonly [string, unknown])[] = [
    [
      'throws',
      () => {
        throw new Error('no table');
      },
    ],
    ['is asynchronous and rejects', () => Promise.reject(new Error('late'))],
    ['gives a text', () => '用户不存在'],
    ['gives numbers', () => ({ title: 5, detail: {} })],
    ['gives empty texts', () => ({ title: '', detail: '' })],
    [
      'gives getters that throw',
      () => ({
        get title(): string {
          throw new Error('trap');
        },
      }),
    ],
  ];
  for (const [what, translate] of rubbish) {
    it(`have their own words when translate ${what}`, () => {
      const reply = answer(missing, { translate: translate as never }, call({ 'accept-language': 'zh' }));
      expect(reply.body).to.include({ title: 'User not found', detail: 'No user 42' });
      expect(reply.headers).to.include({ 'content-language': 'en' });
    });
  }

  it('refuse options that say nothing', () => {
    const bad: readonly (readonly [object, RegExp])[] = [
      [{ format: 'xml' }, /format: "?'?xml.*Use problem, micro, plain/],
      [{ challenge: 'Bearer\r\nx: y' }, /challenge/],
      [{ language: '中文' }, /language/],
      [{ show: ['password'] }, /show/],
      [{ translate: {} }, /translate/],
      [{ formt: 'micro' }, /Did you mean format/],
    ];
    for (const [options, message] of bad) expect(() => checked(options), JSON.stringify(options)).to.throw(TypeError, message);
    expect(() => translations({ zh: { A: {} } })).to.throw(TypeError, /translations zh A/);
  });
});

describe('details of a problem', () => {
  it('are there when the error is exposed, and stay below the cap together with everything else', () => {
    class Detailed extends ServiceError {
      override get details(): never {
        return { id: 7n, text: '\u0001'.repeat(100_000), list: Array.from({ length: 500 }, () => '\u0001'.repeat(500)) } as never;
      }
    }
    const long = '\u0001'.repeat(100_000);
    const errors = Array.from({ length: 500 }, () => ({ pointer: long, detail: long }));
    const body = answer(new Detailed('INVALID_ARGUMENT', long, { errors, title: long, type: long }), {}).body as Problem;
    expect(body.details).to.include({ id: '7' });
    expect(Buffer.byteLength(JSON.stringify(body))).to.be.at.most(16_384);
    expect(answer(new Detailed('INTERNAL', 'x'), {}).body).to.not.have.property('details');
  });

  it('are left out when their getter throws', () => {
    class Broken extends ServiceError {
      override get details(): never {
        throw new Error('trap');
      }
    }
    expect(answer(new Broken('NOT_FOUND', 'gone'), {}).body)
      .to.include({ status: 404, detail: 'gone' })
      .and.not.have.property('details');
  });

  it('are made of any value: what cannot serialise is left out', () => {
    const cycle: Record<string, unknown> = { ok: true };
    cycle['self'] = cycle;
    expect(safeValue(cycle)).to.deep.equal({ ok: true });
    expect(safeValue({ a: new Date(NaN), b: new Date(0), c: Symbol('x'), d: () => 1, e: NaN, f: undefined })).to.deep.equal({
      b: '1970-01-01T00:00:00.000Z',
    });
    expect(safeValue({ toJSON: () => ({}).toString.call(null), ok: 1 })).to.deep.equal({ ok: 1 });
    expect(safeValue(JSON.parse('{"__proto__":{"x":1},"constructor":1,"stack":"s","*":1,"ok":1}'))).to.deep.equal({ ok: 1 });
    expect(safeValue(10n ** 5_000n)).to.equal(undefined);
    expect(safeValue(Proxy.revocable({}, {}).proxy)).to.deep.equal({});
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    expect(safeValue(revoked.proxy)).to.equal(undefined);
    const trap = {
      ok: 1,
      get bad(): never {
        throw new Error('trap');
      },
    };
    expect(safeValue(trap)).to.deep.equal({ ok: 1 });
  });

  it('are bounded whatever the value (property)', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withSparseArray: true, maxDepth: 8 }), (value) => {
        const text = JSON.stringify(safeValue(value) ?? null);
        expect(Buffer.byteLength(text)).to.be.below(8_192);
      }),
      { seed: 8, numRuns: 2_000 },
    );
  });
});

describe('whatever is thrown', () => {
  const secret = 'hunter2';
  const member = fc.constantFrom(
    ...[
      'status',
      'statusCode',
      'headers',
      'response',
      'config',
      'output',
      'isBoom',
      'code',
      'reason',
      'number',
      'type',
      'title',
      'details',
      'errors',
      'cause',
      'name',
      'stack',
    ],
  );
  const value = fc.oneof(
    fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true }),
    fc.constant(secret),
    fc.integer({ min: 0, max: 20_000 }),
  );
  const thrown = fc.oneof(
    fc.anything({ withBigInt: true, withNullPrototype: true }),
    fc.dictionary(member, value).map((members) => forged(new Error(secret), members)),
    fc.dictionary(member, value).map((members) => forged(new ServiceError('INTERNAL', secret), members)),
  );
  for (const format of ['problem', 'micro', 'plain'] as const) {
    it(`is an answer in the form ${format} that can be sent, and tells no secret (property)`, () => {
      const toReply = replyMapping([], 'users', { format, challenge: 'Bearer' });
      fc.assert(
        fc.property(thrown, (error) => {
          const { status, body, headers } = toReply(error, call());
          const text = JSON.stringify(body);
          expect(status).to.be.within(400, 599);
          expect(Buffer.byteLength(text)).to.be.at.most(16_384);
          for (const field of Object.values(headers)) expect(String(field)).to.match(/^[\t\x20-\x7e]{1,1024}$/);
          if (status >= 500) expect(text + Object.values(headers).join()).to.not.contain(secret);
        }),
        { seed: 8, numRuns: 7_000 },
      );
    }).timeout(60_000);
  }

  /** The type, title and reason of an error are those of its kind, and meant to be seen: they are no place for a secret. */
  function forged(error: Error, members: Readonly<Record<string, unknown>>): Error {
    for (const [name, given] of Object.entries(members)) {
      if (given !== secret || !['type', 'title', 'reason'].includes(name)) Reflect.set(error, name, given);
    }
    return error;
  }
});

describe('Accept-Language', () => {
  const table: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    ['zh-CN,zh;q=0.9,en;q=0.8', ['zh-CN', 'zh', 'en']],
    ['en;q=0.1, zh;q=1.0 , de ; q=0.5', ['zh', 'de', 'en']],
    ['en;q=0, *;q=0.5, fr', ['fr']],
    ['en;q=2, de;q=-1, fr;q=0.12345, it;x=1, es', ['es']],
    ['../../etc, <script>, en_US, zh', ['zh']],
  ];
  for (const [header, expected] of table)
    it(`${header} is ${expected.join(' ') || 'nothing'}`, () => expect(acceptedLanguages(header)).to.deep.equal(expected));

  it('is read as far as 1024 characters and 16 ranges', () => {
    expect(acceptedLanguages(Array.from({ length: 1_000 }, () => 'en').join())).to.have.length(16);
    expect(acceptedLanguages(`${'x'.repeat(1_000_000)},zh`)).to.deep.equal([]);
  });
});

describe('gRPC statuses', () => {
  it('are the numbers of google.rpc.Code, there and back', () => {
    for (const [index, code] of CODES.entries()) {
      expect(grpcStatusOf(new ServiceError(code, 'x'))).to.equal(index + 1);
      expect(codeOfGrpcStatus(index + 1)).to.equal(code);
    }
    const known: readonly (readonly [Code, number])[] = [
      ['CANCELLED', 1],
      ['NOT_FOUND', 5],
      ['UNAVAILABLE', 14],
      ['UNAUTHENTICATED', 16],
    ];
    for (const [code, number] of known) expect(grpcStatusOf(code)).to.equal(number);
    expect(codeOfGrpcStatus(0)).to.equal(undefined);
    for (const number of [17, -1, 1.5, NaN]) expect(codeOfGrpcStatus(number)).to.equal('UNKNOWN');
    for (const thrown of [undefined, 'text', new Error('x')]) expect(grpcStatusOf(thrown)).to.equal(2);
  });
});

function checked(options: object): unknown {
  return problemAnswers(options);
}
