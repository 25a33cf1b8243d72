import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { Call, Reply, bind, currentCall, detached, valueKey } from '@ferrule/core';
import { operation, runInContext } from '@ferrule/core/adapter';
import type { End } from '@ferrule/core/adapter';

const make = (init: Partial<ConstructorParameters<typeof Call>[0]> = {}): Call =>
  new Call({ side: 'client', operation: operation('orders', 'GET', '/orders/:id'), ...init });

describe('Call', () => {
  it('parses a raw query when it is first read', () => {
    expect({ ...make({ query: 'a=1&b=%20&a=2' }).query }).to.deep.equal({ a: ['1', '2'], b: ' ' });
    expect({ ...make().query }).to.deep.equal({});
  });

  it('has no key in its query that nobody sent', () => {
    const { query } = make({ query: '__proto__=x&constructor=y' });
    expect(Object.keys(query)).to.deep.equal(['__proto__', 'constructor']);
    expect(make({ query: 'a=1' }).query['constructor']).to.equal(undefined);
  });

  it('joins a repeated header', () => {
    const call = make({ headers: { accept: ['a', 'b'], host: 'x' } });
    expect(call.header('accept')).to.equal('a, b');
    expect(call.header('host')).to.equal('x');
    expect(call.header('missing')).to.equal(undefined);
    expect(call.header('constructor')).to.equal(undefined);
  });

  it('derives a changed copy that shares life and values', () => {
    const key = valueKey<string>('key');
    const call = make({ body: 1, headers: { a: 'b' } });
    const derived = call.derive({ attempt: 2, body: undefined });
    derived.values.set(key, 'seen');
    expect(derived.attempt).to.equal(2);
    expect(derived.body).to.equal(undefined);
    expect(derived.headers).to.equal(call.headers);
    expect(call.values.get(key)).to.equal('seen');
    derived.abort('why');
    expect(call.aborted).to.equal(true);
  });

  it('branches work that can be aborted alone', () => {
    const call = make();
    const branch = call.branch({ attempt: 2 });
    branch.abort('why');
    expect([call.aborted, branch.aborted, branch.signal.aborted]).to.deep.equal([false, true, true]);
  });

  it('is idempotent by method, by its operation, or with an idempotency key', () => {
    const post = operation('orders', 'POST', '/orders');
    expect(make().idempotent).to.equal(true);
    expect(make({ operation: post }).idempotent).to.equal(false);
    expect(make({ operation: operation('orders', 'POST', '/search', { idempotent: true }) }).idempotent).to.equal(true);
    expect(make({ operation: post, headers: { 'idempotency-key': '"k"' } }).idempotent).to.equal(true);
  });

  for (const [what, next, kind] of [
    ['a reply', async () => new Reply(200, 'x'), 'done'],
    ['a rejection', () => Promise.reject(new Error('x')), 'failed'],
    [
      'a synchronous throw',
      () => {
        throw new Error('x');
      },
      'failed',
    ],
  ] as const) {
    it(`ends what it runs after ${what}`, async () => {
      const branch = make().branch();
      const heard: End[] = [];
      branch.onEnd((end) => heard.push(end));
      await branch.run(next as () => Promise<unknown>).catch(() => {});
      expect(heard.map((end) => end.kind)).to.deep.equal([kind]);
    });
  }

  it('ends what it runs when a streamed body was moved, not before', async () => {
    const branch = make().branch();
    const body = new PassThrough();
    let ended = false;
    const ending = new Promise<void>((resolve) =>
      branch.onEnd(() => {
        ended = true;
        resolve();
      }),
    );
    await branch.run(async () => new Reply(200, body));
    expect(ended).to.equal(false);
    body.end('x');
    body.resume();
    await ending;
  });

  it('cannot be spread: the private fields make that a compile error', () => {
    // @ts-expect-error a spread copy is no Call
    const copy: Call = { ...make() };
    expect(copy).to.not.be.instanceOf(Call);
  });
});

describe('the context of a request', () => {
  it('finds the call that the code works for, also after await', async () => {
    const call = make();
    const seen = await runInContext(call, async () => {
      await Promise.resolve();
      return currentCall();
    });
    expect(seen).to.equal(call);
    expect(currentCall()).to.equal(undefined);
  });

  it('is carried by bind to where it would be lost, and left by detached', () => {
    const call = make();
    const [bound, free] = runInContext(call, () => [bind(() => currentCall()), () => detached(() => currentCall())] as const);
    expect(bound()).to.equal(call);
    expect(runInContext(call, free)).to.equal(undefined);
  });
});

describe('Reply', () => {
  for (const status of [0, 99, 101, 199, 600, 10001, 200.5, Number.NaN]) {
    it(`refuses ${status}, which is no final HTTP status`, () => {
      expect(() => new Reply(status)).to.throw(RangeError, String(status));
    });
  }

  it('copies with other parts, adding headers', () => {
    const error = new Error('x');
    const reply = new Reply(500, 'a', { a: '1', b: '1' }, { error }).with({ status: 503, headers: { b: '2' } });
    expect([reply.status, reply.body, reply.headers, reply.error]).to.deep.equal([503, 'a', { a: '1', b: '2' }, error]);
    expect(reply.with({ body: undefined }).body).to.equal(undefined);
  });
});
