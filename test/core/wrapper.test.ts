import { expect } from 'chai';
import { Call, Reply, compose, fromMiddleware, timeout } from '@ferrule/core';
import type { Handler, Wrapper } from '@ferrule/core';
import { named, traitsOf } from '@ferrule/core/adapter';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const call = (): Call => new Call({ side: 'server', operation: OPERATION });
const answer: Handler = async () => new Reply(200, 'answer');

describe('compose', () => {
  const noting =
    (log: string[], name: string): Wrapper =>
    (next) =>
    async (given) => {
      log.push(`${name} in`);
      const reply = await next(given);
      log.push(`${name} out`);
      return reply;
    };

  it('puts the first wrapper outermost', async () => {
    const log: string[] = [];
    await compose(noting(log, 'a'), noting(log, 'b'))(answer)(call());
    expect(log).to.deep.equal(['a in', 'b in', 'b out', 'a out']);
  });

  it('of nothing gives the handler itself', () => {
    expect(compose()(answer)).to.equal(answer);
  });

  it('nests: composing composed wrappers changes nothing', async () => {
    const log: string[] = [];
    await compose(compose(noting(log, 'a'), noting(log, 'b')), compose(noting(log, 'c')))(answer)(call());
    expect(log.slice(0, 3)).to.deep.equal(['a in', 'b in', 'c in']);
  });

  it('runs the outer part of a wrapper once, however many calls there are', async () => {
    let built = 0;
    const handler = compose((next) => (built++, next))(answer);
    for (let count = 0; count < 3; count++) await handler(call());
    expect(built).to.equal(1);
  });

  it('lets a wrapper call next as often as it likes', async () => {
    let asked = 0;
    const twice: Wrapper = (next) => async (given) => (await next(given), next(given));
    await compose(twice)(async () => (asked++, new Reply(200)))(call());
    expect(asked).to.equal(2);
  });

  it('refuses what is no wrapper, naming its place', () => {
    expect(() => compose(timeout(5), undefined as unknown as Wrapper)).to.throw(TypeError, 'compose: argument 1 is undefined, not a wrapper');
    expect(() => compose(null as unknown as Wrapper)).to.throw(TypeError, 'compose: argument 0 is null');
  });

  it('refuses a wrapper that gives no handler, naming it', () => {
    const broken = named<Wrapper>({ name: 'broken' }, () => undefined as unknown as Handler);
    expect(() => compose(broken)(answer)).to.throw(TypeError, 'Wrapper broken gave undefined where (call) => Promise<Reply> was expected');
  });
});

describe('fromMiddleware', () => {
  it('makes a wrapper from a Koa-style function, which may hand another call on', async () => {
    const wrapper = fromMiddleware(async function addTenant(given, next) {
      const reply = await next(given.derive({ headers: { ...given.headers, 'x-tenant': 'a' } }));
      return reply.with({ headers: { 'x-seen': '1' } });
    });
    expect(traitsOf(wrapper).name).to.equal('addTenant');
    const reply = await wrapper(async (given) => new Reply(200, given.header('x-tenant')))(call());
    expect(reply).to.deep.include({ body: 'a', headers: { 'x-seen': '1' } });
  });

  it('hands the same call on when next is given none', async () => {
    const given = call();
    let seen: Call | undefined;
    await fromMiddleware((_call, next) => next())(async (handed) => ((seen = handed), new Reply(200)))(given);
    expect(seen === given).to.equal(true);
  });

  it('fails a call that a middleware left without a reply, naming the middleware', async () => {
    const wrapper = fromMiddleware(async function forgetful(_call, next) {
      await next();
      return undefined as unknown as Reply;
    });
    expect(await wrapper(answer)(call()).catch((error: Error) => error.message)).to.match(/^Middleware forgetful gave no Reply/);
  });
});

describe('traitsOf', () => {
  it('falls back to the function’s name', () => {
    const mine: Wrapper = (next) => next;
    expect(traitsOf(mine)).to.deep.equal({ name: 'mine' });
    expect(traitsOf((next) => next)).to.deep.equal({ name: 'anonymous' });
  });
});
