import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, PRINCIPAL, REASONS, Reply, ServiceError, Values, client, replyCache, serviceFetch, staticRegistry } from '@ferrule/core';
import type { Handler, ReplyCache, ReplyCacheEvent, ReplyCacheOptions } from '@ferrule/core';
import { operation, runInContext, traitsOf } from '@ferrule/core/adapter';
import { answers, manualClock, scriptedUpstream, seededRandom } from '@ferrule/testing';
import type { ManualClock } from '@ferrule/testing';

interface Asking {
  readonly method?: string;
  readonly path?: string;
  readonly params?: Record<string, string>;
  readonly query?: string;
  readonly headers?: Record<string, string>;
  readonly side?: 'client' | 'server';
  readonly user?: string;
  readonly deadline?: number;
  readonly body?: unknown;
}

function call({ method = 'GET', path = '/orders', user, side = 'client', ...rest }: Asking = {}): Call {
  const values = new Values();
  if (user !== undefined) values.set(PRINCIPAL, { id: user });
  return new Call({ side, operation: operation('orders', method, path), values, ...rest });
}

/** A handler that numbers its answers, and what was asked of it. */
function counting(headers: Record<string, string> = {}, bodyOf: (number: number, call: Call) => unknown = (number) => ({ number })) {
  const asked: Call[] = [];
  const handler: Handler = async (one) => {
    asked.push(one);
    return new Reply(200, bodyOf(asked.length, one), headers);
  };
  return { handler, asked };
}

/** A handler that answers when it is told to. */
function held() {
  const asked: { call: Call; answer: (reply: Reply) => void; fail: (error: unknown) => void }[] = [];
  const handler: Handler = (one) =>
    new Promise((resolve, reject) => {
      one.onAbort(reject);
      asked.push({ call: one, answer: resolve, fail: reject });
    });
  return { handler, asked };
}

const bodyOf = async (reply: Promise<Reply>): Promise<unknown> => (await reply).body;
const numberOf = async (reply: Promise<Reply>): Promise<number> => ((await reply).body as { number: number }).number;
const failureOf = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    () => expect.fail('did not fail'),
    (error: ServiceError) => error,
  );
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function made(options: ReplyCacheOptions = {}): { clock: ManualClock; cache: ReplyCache; events: string[] } {
  const clock = manualClock();
  const events: string[] = [];
  const on = (event: ReplyCacheEvent): void => void events.push(event.why === undefined ? event.kind : `${event.kind} ${event.why}`);
  return { clock, events, cache: replyCache({ ttl: '10s', clock, on, ...options }) };
}

describe('replyCache', () => {
  it('answers with the reply to an earlier call as long as it is fresh, and says how old it is', async () => {
    const { clock, cache, events } = made();
    const { handler, asked } = counting({ etag: '"a"' });
    const ask = cache(handler);
    const first = await ask(call());
    expect(first.body).to.deep.equal({ number: 1 });
    expect(first.headers).to.deep.equal({ etag: '"a"' });
    await clock.advance(9_999);
    const second = await ask(call());
    expect(second.body).to.deep.equal({ number: 1 });
    expect(second.headers).to.deep.equal({ etag: '"a"', age: '9' });
    await clock.advance(1);
    expect(await numberOf(ask(call()))).to.equal(2);
    expect(asked).to.have.length(2);
    expect(events).to.deep.equal(['stored', 'miss', 'hit', 'stored', 'miss']);
    expect(cache.stats()).to.include({ hits: 1, misses: 2, shared: 0, stale: 0, stored: 2, size: 1 });
  });

  it('gives each caller a copy of his own, of whatever kind the body is', async () => {
    const { cache } = made();
    const kinds: Record<string, () => unknown> = {
      json: () => ({ list: [1, 2] }),
      bytes: () => Buffer.from('bytes'),
      text: () => 'text',
      none: () => undefined,
      null: () => null,
    };
    const ask = cache(async (one) => new Reply(200, kinds[one.params['kind']!]!()));
    for (const kind of Object.keys(kinds)) {
      const bodies: unknown[] = [];
      for (let round = 0; round < 3; round++) {
        const { body } = await ask(call({ params: { kind } }));
        expect(body).to.deep.equal(kinds[kind]!());
        bodies.push(body);
        if (kind === 'json') (body as { list: number[] }).list.push(3);
        if (kind === 'bytes') (body as Buffer).fill(0);
      }
    }
    expect(cache.stats()).to.include({ hits: 10, misses: 5 });
  });

  describe('the key', () => {
    const others: readonly (readonly [string, Asking])[] = [
      ['another parameter', { params: { id: '2' } }],
      ['another query', { query: 'a=2' }],
      ['a query that only looks alike', { query: 'a=1%26b%3D2' }],
      ['another operation', { path: '/users' }],
      ['HEAD', { method: 'HEAD' }],
      ['another user', { user: 'bob' }],
      ['another authorization', { headers: { authorization: 'Bearer b' } }],
      ['another cookie', { headers: { cookie: 'sid=2' } }],
      ['another API key', { headers: { 'x-api-key': 'k' } }],
      ['a field that `vary` names', { headers: { 'x-tenant': 't2' } }],
    ];
    const usual: Asking = { params: { id: '1' }, query: 'a=1&b=2', user: 'alice', headers: { authorization: 'Bearer a', cookie: 'sid=1' } };
    for (const [what, change] of others) {
      it(`tells apart ${what}`, async () => {
        const { cache } = made({ vary: ['X-Tenant'] });
        const ask = cache(counting().handler);
        expect(await numberOf(ask(call(usual)))).to.equal(1);
        expect(await numberOf(ask(call({ ...usual, ...change, headers: { ...usual.headers, ...change.headers } })))).to.equal(2);
        expect(await numberOf(ask(call(usual)))).to.equal(1);
      });
    }

    it('does not tell apart the order of query and parameters, and fields of no meaning', async () => {
      const { cache } = made();
      const ask = cache(counting().handler);
      await ask(call({ query: 'a=1&b=2', params: { x: '1', y: '2' }, headers: { 'x-request-id': '1' } }));
      expect(await numberOf(ask(call({ query: 'b=2&a=1', params: { y: '2', x: '1' }, headers: { 'x-request-id': '2' } })))).to.equal(1);
    });

    it('tells apart hosts of an inbound call, and handlers', async () => {
      const { cache } = made();
      const { handler } = counting();
      const ask = cache(handler);
      const other = cache(handler);
      expect(await numberOf(ask(call({ side: 'server', headers: { host: 'a' } })))).to.equal(1);
      expect(await numberOf(ask(call({ side: 'server', headers: { host: 'b' } })))).to.equal(2);
      expect(await numberOf(other(call({ side: 'server', headers: { host: 'a' } })))).to.equal(3);
    });

    it('knows the user of the request that an outbound call is made for, though the call does not say', async () => {
      const { cache } = made();
      const ask = cache(counting().handler);
      const as = (user: string): Promise<Reply> => runInContext(call({ side: 'server', user }), () => ask(call()));
      const withToken = (token: string): Promise<Reply> =>
        runInContext(call({ side: 'server', headers: { authorization: token } }), () => ask(call()));
      expect(await numberOf(as('alice'))).to.equal(1);
      expect(await numberOf(as('bob'))).to.equal(2);
      expect(await numberOf(withToken('a'))).to.equal(3);
      expect(await numberOf(withToken('b'))).to.equal(4);
      expect(await numberOf(as('alice'))).to.equal(1);
    });

    it('is not made for a principal that cannot be told, nor for what `identity` and `key` leave out', async () => {
      const cyclic = { id: 'a' } as { id: string; self?: unknown };
      cyclic.self = cyclic;
      const unknown = call();
      unknown.values.set(PRINCIPAL, cyclic);
      for (const options of [{}, { identity: () => undefined }, { key: () => undefined }] satisfies ReplyCacheOptions[]) {
        const { cache } = made(options);
        const ask = cache(counting().handler);
        await ask(unknown);
        expect(await numberOf(ask(unknown))).to.equal(2);
        expect(cache.stats().size).to.equal(0);
      }
    });

    it('is what `key` and `identity` say', async () => {
      const { cache } = made({ key: (one) => one.params['id'], identity: (one) => one.header('x-user') ?? '' });
      const ask = cache(counting().handler);
      await ask(call({ params: { id: '1' }, query: 'noise=1', headers: { 'x-user': 'a', authorization: 'x' } }));
      expect(await numberOf(ask(call({ params: { id: '1' }, query: 'noise=2', headers: { 'x-user': 'a', authorization: 'y' } })))).to.equal(1);
      expect(await numberOf(ask(call({ params: { id: '1' }, headers: { 'x-user': 'b' } })))).to.equal(2);
    });

    it('never gives the reply of one user to another, whatever they ask in whatever order', async () => {
      const users = ['', 'alice', 'bob', 'carol'];
      const asking = fc.record({
        user: fc.constantFrom(...users),
        by: fc.constantFrom('principal', 'authorization', 'cookie', 'request'),
        id: fc.constantFrom('1', '2'),
        waits: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(asking, { minLength: 2, maxLength: 30 }), async (all) => {
          const { cache } = made({ staleIfError: '1m', staleWhileRevalidate: '1m' });
          const ask = cache(async (one) => {
            await turn();
            return new Reply(200, one.headers['x-truth']);
          });
          const pending: Promise<void>[] = [];
          for (const { user, by, id, waits } of all) {
            const truth = `${by} ${user} ${id}`;
            const headers = { 'x-truth': truth, ...(by !== 'principal' && by !== 'request' && { [by]: user }) };
            const one = call({ params: { id }, headers, ...(by === 'principal' && { user }) });
            const answer = by === 'request' ? runInContext(call({ side: 'server', user }), () => ask(one)) : ask(one);
            // The principal of a call and that of its request are one user: only then may they share.
            const expected = by === 'principal' || by === 'request' ? [`principal ${user} ${id}`, `request ${user} ${id}`] : [truth];
            const checked = answer.then(({ body }) => expect(body).to.be.oneOf(expected));
            pending.push(checked as unknown as Promise<void>);
            if (waits) await checked;
          }
          await Promise.all(pending);
        }),
        { numRuns: 60 },
      );
    }).timeout(10_000);
  });

  describe('shared', () => {
    it('gives one caller the reply of another', async () => {
      const { cache } = made({ shared: true });
      const ask = cache(counting().handler);
      await ask(call({ user: 'alice', headers: { cookie: 'a' } }));
      expect(await numberOf(ask(call({ user: 'bob', headers: { cookie: 'b' } })))).to.equal(1);
    });

    for (const [control, authorized, kept] of [
      ['private', false, false],
      ['max-age=5', true, false],
      ['max-age=5, public', true, true],
      ['s-maxage=5', true, true],
      ['max-age=5, must-revalidate', true, true],
      ['private="set-cookie"', false, false],
    ] as const) {
      it(`${control}${authorized ? ' for a call with authorization' : ''}: is ${kept ? '' : 'not '}kept`, async () => {
        const { cache } = made({ shared: true });
        const ask = cache(counting({ 'cache-control': control }).handler);
        const headers = authorized ? { authorization: 'Bearer a' } : {};
        await ask(call({ headers }));
        expect(await numberOf(ask(call({ headers })))).to.equal(kept ? 1 : 2);
      });
    }

    it('does not hand on to those who wait what turns out to be private', async () => {
      const { cache } = made({ shared: true });
      const { handler, asked } = held();
      const ask = cache(handler);
      const answers = [ask(call({ user: 'alice' })), ask(call({ user: 'bob' }))];
      expect(asked).to.have.length(1);
      asked[0]!.answer(new Reply(200, 'for alice', { 'cache-control': 'private' }));
      await turn();
      expect(asked).to.have.length(2);
      asked[1]!.answer(new Reply(200, 'for bob', { 'cache-control': 'private' }));
      expect(await Promise.all(answers.map(bodyOf))).to.deep.equal(['for alice', 'for bob']);
      // The next ones do not wait for each other any more.
      void ask(call({ user: 'alice' }));
      void ask(call({ user: 'bob' }));
      expect(asked).to.have.length(4);
    });
  });

  describe('Cache-Control and its kin', () => {
    const date = 'Wed, 01 Jan 2026 00:00:00 GMT';
    const replies: readonly (readonly [string, Record<string, string>, ReplyCacheOptions, number])[] = [
      ['max-age counts more than the ttl', { 'cache-control': 'max-age=3' }, {}, 3_000],
      ['max-age alone', { 'cache-control': 'public, Max-Age="4"' }, { ttl: 0 }, 4_000],
      ['s-maxage is for shared caches', { 'cache-control': 's-maxage=2, max-age=3' }, {}, 3_000],
      ['s-maxage in a shared cache', { 'cache-control': 's-maxage=2, max-age=3' }, { shared: true }, 2_000],
      ['of two, the shorter', { 'cache-control': 'max-age=9, max-age=2' }, {}, 2_000],
      ['what is no number is no time', { 'cache-control': 'max-age=soon' }, {}, 0],
      ['Expires, from the Date beside it', { date, expires: 'Wed, 01 Jan 2026 00:00:05 GMT' }, {}, 5_000],
      ['an Expires that is no date lies in the past', { expires: '0' }, {}, 0],
      ['less the Age that it came with', { 'cache-control': 'max-age=10', age: '7' }, {}, 3_000],
      ['no-cache', { 'cache-control': 'no-cache, max-age=10' }, {}, 0],
      ['no-store', { 'cache-control': 'no-store' }, {}, 0],
      ['private, in a private cache', { 'cache-control': 'private' }, {}, 10_000],
      ['without cacheControl, the ttl', { 'cache-control': 'max-age=3' }, { cacheControl: false }, 10_000],
      ['but no-store, always', { 'cache-control': 'no-store' }, { cacheControl: false }, 0],
      ['Vary: *', { vary: 'accept, *' }, {}, 0],
      ['Set-Cookie', { 'Set-Cookie': 'sid=1' }, {}, 0],
    ];
    for (const [what, headers, options, freshMs] of replies) {
      it(`${what}: fresh for ${freshMs / 1_000} s`, async () => {
        const { clock, cache } = made(options);
        const ask = cache(counting(headers).handler);
        await ask(call());
        if (freshMs > 0) {
          await clock.advance(freshMs - 1);
          expect(await numberOf(ask(call())), 'fresh').to.equal(1);
          await clock.advance(1);
        }
        expect(await numberOf(ask(call())), 'not fresh').to.equal(2);
      });
    }

    it('obeys those of an outbound call, and not those of an inbound one', async () => {
      const { clock, cache } = made();
      const ask = cache(counting().handler);
      const asking = (control: string, side: 'client' | 'server' = 'client'): Promise<number> =>
        numberOf(ask(call({ side, headers: { 'cache-control': control } })));
      expect(await asking('')).to.equal(1);
      await clock.advance(5_000);
      expect(await asking('max-age=5')).to.equal(1);
      expect(await asking('max-age=4')).to.equal(2);
      expect(await asking('min-fresh=9')).to.equal(2);
      await clock.advance(5_000);
      expect(await asking('min-fresh=9')).to.equal(3);
      expect(await asking('no-cache')).to.equal(4);
      expect(await asking('no-store')).to.equal(5);
      expect(await asking('only-if-cached')).to.equal(4);
      const refused = await failureOf(ask(call({ params: { id: '9' }, headers: { 'cache-control': 'only-if-cached' } })));
      expect(refused).to.include({ status: 504, reason: REASONS.notCached, retryable: false });
      expect(await asking('no-cache', 'server')).to.equal(4);
      expect(await asking('no-store', 'server')).to.equal(4);
    });

    it('keeps a reply for each combination of what Vary names', async () => {
      const { cache } = made();
      const ask = cache(counting({ vary: 'Accept-Language, x-kind' }).handler);
      const asking = (language: string, kind = 'a'): Promise<number> =>
        numberOf(ask(call({ headers: { 'accept-language': language, 'x-kind': kind } })));
      expect(await asking('de')).to.equal(1);
      expect(await asking('en')).to.equal(2);
      expect(await asking('de')).to.equal(1);
      expect(await asking('de', 'b')).to.equal(3);
      expect(await asking('en')).to.equal(2);
      expect(await numberOf(ask(call()))).to.equal(4);
      expect(cache.stats().size).to.equal(4);
    });

    it('shares a fetch only among those who agree in what Vary names', async () => {
      const { cache } = made();
      const { handler, asked } = held();
      const ask = cache(handler);
      const languages = ['de', 'en', 'de', 'en', 'fr'];
      const answers = languages.map((language) => bodyOf(ask(call({ headers: { 'accept-language': language } }))));
      for (let at = 0; at < 3; at++) {
        await turn();
        const { call: one, answer } = asked[at]!;
        answer(new Reply(200, one.header('accept-language'), { vary: 'accept-language' }));
      }
      expect(await Promise.all(answers)).to.deep.equal(languages);
      expect(asked).to.have.length(3);
    });
  });

  describe('does not keep', () => {
    const cases: readonly (readonly [string, Asking, Reply])[] = [
      ['a write', { method: 'POST' }, new Reply(200, 'x')],
      ['OPTIONS', { method: 'OPTIONS' }, new Reply(200, 'x')],
      ['a part', { headers: { range: 'bytes=0-1' } }, new Reply(206, 'x')],
      ['a call with a body', { body: { q: 1 } }, new Reply(200, 'x')],
      ['a question that only the other side can answer', { headers: { 'if-modified-since': 'x' } }, new Reply(200, 'x')],
      ['302', {}, new Reply(302, undefined, { location: '/' })],
      ['an error reply', {}, new Reply(500, 'x')],
      ['404', {}, new Reply(404, 'x')],
      ['a body that is too large', {}, new Reply(200, 'x'.repeat(101))],
      ['bytes that are too many', {}, new Reply(200, new Uint8Array(101))],
      ['what has no JSON', {}, new Reply(200, new Map([[1, 2]]))],
      ['what cannot be JSON', {}, new Reply(200, { big: 1n })],
      ['what was answered already', {}, new Reply(200, undefined, {}, { sent: true })],
    ];
    for (const [what, asking, reply] of cases) {
      it(what, async () => {
        const { cache } = made({ maxBodyBytes: 100 });
        let times = 0;
        const ask = cache(async () => {
          times++;
          return reply;
        });
        expect(await ask(call(asking))).to.equal(reply);
        expect(await ask(call(asking))).to.equal(reply);
        expect(times).to.equal(2);
        expect(cache.stats().size).to.equal(0);
      });
    }

    it('a stream that does not say that it is short, and hands it on to its caller alone', async () => {
      const { cache } = made({ maxBodyBytes: 100 });
      for (const headers of [{}, { 'content-length': '101' }]) {
        const ask = cache(async () => new Reply(200, Readable.from(['a', 'b']), headers));
        const both = await Promise.all([ask(call()), ask(call())]);
        expect(await Promise.all(both.map(({ body }) => text(body as Readable)))).to.deep.equal(['ab', 'ab']);
      }
      expect(cache.stats().size).to.equal(0);
    });

    it('a part of a reply, which is not handed to those who wait either', async () => {
      const { cache } = made();
      const { handler, asked } = held();
      const ask = cache(handler);
      const first = bodyOf(ask(call()));
      const second = bodyOf(ask(call()));
      await turn();
      expect(asked).to.have.length(1);
      asked[0]!.answer(new Reply(206, 'a part', { 'content-range': 'bytes 0-5/100' }));
      expect(await first).to.equal('a part');
      await turn();
      expect(asked, 'the other one asks for itself').to.have.length(2);
      asked[1]!.answer(new Reply(200, 'all'));
      expect(await second).to.equal('all');
      expect(cache.stats().stored).to.equal(0);
    });

    for (const [what, length, holds] of [
      ['more', 3, ['ab', 'cd', 'ef']],
      ['less', 7, ['ab', 'cd', 'ef']],
    ] as const) {
      it(`a stream that holds ${what} than it says, and hands all of it on to its caller alone`, async () => {
        const { cache } = made();
        const { handler, asked } = counting({ 'content-length': String(length) }, () => Readable.from(holds, { objectMode: false }));
        const ask = cache(handler);
        for (let round = 1; round <= 3; round++) {
          const { body, status } = await ask(call());
          expect(status).to.equal(200);
          expect(await text(body as Readable)).to.equal('abcdef');
          expect(asked).to.have.length(round);
        }
        expect(cache.stats()).to.include({ stored: 0, size: 0 });
      });
    }

    it('an endless stream that says it is short: it is read no further than that, and ends with its caller', async () => {
      const { cache } = made();
      let given = 0;
      const endless = new Readable({
        highWaterMark: 1,
        read() {
          given++;
          this.push('x');
        },
      });
      const { body } = await cache(async () => new Reply(200, endless, { 'content-length': '5' }))(call());
      expect(given).to.be.below(50);
      const closed = new Promise((resolve) => endless.once('close', resolve));
      (body as Readable).destroy();
      await closed;
      expect(endless.destroyed).to.equal(true);
    });

    it('a short stream that is awaited by nobody any more is closed', async () => {
      const { cache } = made();
      const slow = new Readable({ read() {} });
      const one = call();
      const reply = failureOf(cache(async () => new Reply(200, slow, { 'content-length': '5' }))(one));
      await turn();
      one.abort(new Error('gone'));
      expect((await reply).message).to.equal('gone');
      await turn();
      expect(slow.destroyed).to.equal(true);
    });

    it('but a stream that says so, of which each caller gets his own', async () => {
      const { cache } = made({ maxBodyBytes: 100 });
      let times = 0;
      const ask = cache(async () => {
        times++;
        return new Reply(200, Readable.from(['a', 'b']), { 'content-length': '2' });
      });
      for (let round = 0; round < 3; round++) {
        const one = call();
        const { body } = await one.run(ask);
        expect(await text(body as Readable)).to.equal('ab');
        await turn();
        expect(one.ended).to.equal(true);
      }
      expect(times).to.equal(1);
    });

    it('failures, unless they last and `errorTtl` says so', async () => {
      for (const [errorTtl, error, times] of [
        [0, new ServiceError('NOT_FOUND', 'none'), 2],
        ['5s', new ServiceError('NOT_FOUND', 'none'), 1],
        ['5s', new ServiceError('UNAVAILABLE', 'away'), 2],
        ['5s', new ServiceError('PERMISSION_DENIED', 'no'), 2],
      ] as const) {
        const { clock, cache } = made({ errorTtl });
        let asked = 0;
        const ask = cache(async () => {
          asked++;
          throw error;
        });
        expect(await failureOf(ask(call()))).to.equal(error);
        await clock.advance(4_999);
        expect(await failureOf(ask(call()))).to.equal(error);
        expect(asked).to.equal(times);
        await clock.advance(1);
        expect(await failureOf(ask(call()))).to.equal(error);
        expect(asked).to.equal(times + 1);
      }
      const { cache } = made({ errorTtl: '5s' });
      const ask = cache(async () => new Reply(404, 'none'));
      await ask(call());
      await ask(call());
      expect(cache.stats()).to.include({ hits: 1, misses: 1 });
    });
  });

  describe('one fetch for all', () => {
    it('who want the same at the same time', async () => {
      const { cache } = made({ ttl: 0 });
      const { handler, asked } = held();
      const ask = cache(handler);
      const answers = Array.from({ length: 10 }, () => bodyOf(ask(call())));
      expect(asked).to.have.length(1);
      const body = { list: [1] };
      asked[0]!.answer(new Reply(200, body));
      const bodies = await Promise.all(answers);
      expect(new Set(bodies)).to.have.length(10);
      for (const one of bodies) expect(one).to.deep.equal(body);
      expect(cache.stats()).to.include({ misses: 1, shared: 9, size: 0 });
    });

    it('fails for all of them', async () => {
      const { cache } = made();
      const { handler, asked } = held();
      const ask = cache(handler);
      const failures = Array.from({ length: 3 }, () => failureOf(ask(call())));
      const away = new ServiceError('UNAVAILABLE', 'away');
      asked[0]!.fail(away);
      expect(await Promise.all(failures)).to.deep.equal([away, away, away]);
      expect(asked).to.have.length(1);
    });

    it('goes on when the one who began it leaves, and is aborted when the last one does', async () => {
      const { cache } = made();
      const { handler, asked } = held();
      const ask = cache(handler);
      const calls = [call(), call(), call()];
      const answers = calls.map((one) => failureOf(one.run(ask)));
      const gone = new ServiceError('CANCELLED', 'gone');
      calls[0]!.abort(gone);
      expect(await answers[0]).to.equal(gone);
      calls[2]!.abort(gone);
      expect(await answers[2]).to.equal(gone);
      expect(asked[0]!.call.aborted).to.equal(false);
      calls[1]!.abort(gone);
      expect(await answers[1]).to.equal(gone);
      expect(asked[0]!.call.aborted).to.equal(true);
      await turn();
      expect(asked[0]!.call.ended).to.equal(true);
      expect(calls.every(({ ended }) => ended)).to.equal(true);
      void ask(call());
      expect(asked).to.have.length(2);
    });

    it('that was aborted is joined by nobody, although it does not hear of it', async () => {
      const { cache } = made();
      const asked: { call: Call; answer: (reply: Reply) => void }[] = [];
      const ask = cache((one) => new Promise((answer) => asked.push({ call: one, answer })));
      const leaving = call();
      const left = failureOf(leaving.run(ask));
      leaving.abort(new ServiceError('CANCELLED', 'gone'));
      await left;
      const next = bodyOf(ask(call()));
      expect(asked).to.have.length(2);
      asked[0]!.answer(new Reply(200, 'late'));
      await turn();
      const joining = bodyOf(ask(call()));
      asked[1]!.answer(new Reply(200, 'in time'));
      expect(await next).to.equal('in time');
      expect(await joining).to.equal('late');
    });

    it('ends for each at the end of his own time', async () => {
      const { clock, cache } = made();
      const { handler, asked } = held();
      const ask = cache(handler);
      const patient = bodyOf(ask(call()));
      const hurried = failureOf(ask(call({ deadline: 100 })));
      await clock.advance(101);
      expect(await hurried).to.include({ code: 'DEADLINE_EXCEEDED', reason: REASONS.timeout });
      asked[0]!.answer(new Reply(200, 'here'));
      expect(await patient).to.equal('here');
      expect(clock.pending).to.equal(0);
    });

    it('that failed at the end of the time of whoever began it is made again for those who have more', async () => {
      const { clock, cache } = made();
      const { handler, asked } = held();
      const ask = cache(handler);
      const hurried = failureOf(ask(call({ deadline: 100 })));
      const patient = bodyOf(ask(call({ deadline: 5_000 })));
      expect(asked[0]!.call.deadline).to.equal(100);
      asked[0]!.fail(new ServiceError('DEADLINE_EXCEEDED', 'late'));
      expect((await hurried).code).to.equal('DEADLINE_EXCEEDED');
      await turn();
      expect(asked[1]!.call.deadline).to.equal(5_000);
      asked[1]!.answer(new Reply(200, 'here'));
      expect(await patient).to.equal('here');
      await clock.advance(6_000);
      expect(clock.pending).to.equal(0);
    });

    it('runs for no request that may go away: its own calls inherit from the fetch', async () => {
      const { cache } = made();
      let seen: unknown = 'nothing';
      const { currentCall } = await import('@ferrule/core');
      const request = call({ side: 'server' });
      const ask = cache(async () => {
        seen = currentCall();
        return new Reply(200, 'x');
      });
      await runInContext(request, () => ask(call()));
      expect(seen).to.equal(undefined);
      const inbound = call({ side: 'server', params: { id: '2' } });
      await runInContext(inbound, () => ask(inbound));
      expect(seen).to.be.instanceOf(Call).and.not.equal(inbound);
    });

    it('with 1,000 callers at a time who leave at random points: as many fetches as keys, each caller served or gone, nothing left', async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 100 }), async (seed, keys, leaving) => {
          const random = seededRandom(seed);
          const { clock, cache } = made({ ttl: 0 });
          const lives: Call[] = [];
          let running = 0;
          const ask = cache((one) => {
            lives.push(one);
            running++;
            return new Promise<Reply>((resolve, reject) => {
              const timer = clock.schedule(50, () => {
                running--;
                forget();
                resolve(new Reply(200, one.params['id']));
              });
              const forget = one.onAbort((reason) => {
                running--;
                timer.cancel();
                reject(reason);
              });
            });
          });
          const gone = new ServiceError('CANCELLED', 'gone');
          const left = new Set<number>();
          const calls = Array.from({ length: 1_000 }, (_, index) =>
            call({ params: { id: String(index % keys) }, ...(index % 10 === 0 && { deadline: 10 + Math.floor(random() * 100) }) }),
          );
          const outcomes = calls.map((one) =>
            one.run(ask).then(
              ({ body }) => ({ body }),
              (error: unknown) => ({ error: error as ServiceError }),
            ),
          );
          for (const [index, one] of calls.entries()) {
            if (random() * 100 >= leaving) continue;
            left.add(index);
            clock.schedule(Math.floor(random() * 49), () => one.abort(gone));
          }
          await clock.advance(300);
          for (const [index, outcome] of (await Promise.all(outcomes)).entries()) {
            const one = calls[index]!;
            if ('body' in outcome) expect(outcome.body).to.equal(one.params['id']);
            else if (outcome.error !== gone) expect([outcome.error.code, one.deadline === undefined]).to.deep.equal(['DEADLINE_EXCEEDED', false]);
            else expect(left.has(index)).to.equal(true);
            if (!left.has(index) && one.deadline === undefined) expect(outcome).to.have.property('body');
          }
          expect(running).to.equal(0);
          expect(lives).to.have.length(keys);
          expect(lives.every(({ ended }) => ended)).to.equal(true);
          expect(calls.every(({ ended }) => ended)).to.equal(true);
          expect(clock.pending).to.equal(0);
        }),
        { numRuns: 15 },
      );
    }).timeout(20_000);
  });

  describe('beyond its time', () => {
    const away = new ServiceError('UNAVAILABLE', 'away');

    it('with staleWhileRevalidate answers at once and fetches anew, once, in the background', async () => {
      const { clock, cache, events } = made({ staleWhileRevalidate: '5s' });
      const { handler, asked } = held();
      const ask = cache(handler);
      const first = ask(call());
      asked[0]!.answer(new Reply(200, 'old'));
      await first;
      await clock.advance(12_000);
      const requests = [call(), call()];
      expect(await Promise.all(requests.map((one) => bodyOf(one.run(ask))))).to.deep.equal(['old', 'old']);
      expect(requests.every(({ ended }) => ended)).to.equal(true);
      expect(asked).to.have.length(2);
      asked[1]!.answer(new Reply(200, 'new'));
      await turn();
      expect(await bodyOf(ask(call()))).to.equal('new');
      expect(asked).to.have.length(2);
      expect(events).to.deep.equal(['stored', 'miss', 'stale revalidating', 'stale revalidating', 'stored', 'hit']);
      await clock.advance(15_001);
      void ask(call());
      expect(asked, 'too old to be given out').to.have.length(3);
    });

    it('a fetch in the background that fails is not made again for a second, and one that hangs ends', async () => {
      const { clock, cache } = made({ staleWhileRevalidate: '1h', refreshTimeout: '2s' });
      const { handler, asked } = held();
      const ask = cache(handler);
      const first = ask(call());
      asked[0]!.answer(new Reply(200, 'old'));
      await first;
      await clock.advance(10_000);
      await ask(call());
      asked[1]!.fail(away);
      await turn();
      await ask(call());
      expect(asked).to.have.length(2);
      await clock.advance(1_000);
      await ask(call());
      expect(asked).to.have.length(3);
      await clock.advance(2_001);
      expect(asked[2]!.call.aborted).to.equal(true);
      expect(await bodyOf(ask(call()))).to.equal('old');
      expect(asked).to.have.length(4);
    });

    it('with staleIfError answers when fetching fails for an outage, not for a failure that is an answer', async () => {
      for (const [error, helps] of [
        [away, true],
        [new Error('ECONNRESET'), true],
        [new ServiceError('DEADLINE_EXCEEDED', 'slow'), true],
        [new ServiceError('NOT_FOUND', 'gone for good'), false],
        [new ServiceError('PERMISSION_DENIED', 'no'), false],
        [new ServiceError('CANCELLED', 'given up'), false],
      ] as const) {
        const { clock, cache } = made({ staleIfError: '1m' });
        const { handler, asked } = held();
        const ask = cache(handler);
        const first = ask(call());
        asked[0]!.answer(new Reply(200, 'old'));
        await first;
        await clock.advance(30_000);
        const answer = ask(call()).catch((thrown: unknown) => thrown);
        asked[1]!.fail(error);
        if (helps) expect(await answer).to.have.property('body', 'old');
        else expect(await answer).to.equal(error);
        await clock.advance(60_000);
        const late = failureOf(ask(call()));
        asked[2]!.fail(error);
        expect(await late).to.equal(error);
      }
    });

    it('answers for a reply of 5xx too, and for a caller whose time is over', async () => {
      const { clock, cache } = made({ staleIfError: '1m' });
      const { handler, asked } = held();
      const ask = cache(handler);
      const first = ask(call());
      asked[0]!.answer(new Reply(200, 'old'));
      await first;
      await clock.advance(30_000);
      const broken = bodyOf(ask(call()));
      asked[1]!.answer(new Reply(503, 'no', { 'cache-control': 'no-store' }));
      expect(await broken).to.equal('old');
      const hurried = bodyOf(ask(call({ deadline: clock.now() + 10 })));
      await clock.advance(11);
      expect(await hurried).to.equal('old');
    });

    it('must-revalidate forbids both, and a reply that says more is obeyed', async () => {
      for (const [control, times] of [
        ['max-age=1, must-revalidate', 1],
        ['max-age=1, stale-if-error=2', 3],
      ] as const) {
        const { clock, cache } = made({ staleIfError: '1m', staleWhileRevalidate: 0 });
        let fails = false;
        const ask = cache(async () => {
          if (fails) throw away;
          return new Reply(200, 'old', { 'cache-control': control });
        });
        await ask(call());
        fails = true;
        await clock.advance(times * 1_000 - 1);
        expect(await bodyOf(ask(call()))).to.equal('old');
        await clock.advance(1);
        expect(await failureOf(ask(call()))).to.equal(away);
      }
    });
  });

  describe('validators', () => {
    it('asks whether what it has is still good, and renews it', async () => {
      const { clock, cache } = made({ ttl: '1s' });
      const conditions: unknown[] = [];
      let version = 'a';
      const ask = cache(async (one) => {
        conditions.push(one.headers['if-none-match']);
        if (one.headers['if-none-match'] === `"${version}"`) return new Reply(304, undefined, { etag: `"${version}"`, 'x-seen': 'again' });
        return new Reply(200, { version }, { etag: `"${version}"`, 'content-type': 'application/json' });
      });
      await ask(call());
      await clock.advance(1_000);
      const renewed = await ask(call());
      expect(renewed.status).to.equal(200);
      expect(renewed.body).to.deep.equal({ version: 'a' });
      expect(renewed.headers).to.include({ 'x-seen': 'again', 'content-type': 'application/json' });
      await clock.advance(999);
      expect((await ask(call())).body).to.deep.equal({ version: 'a' });
      await clock.advance(1);
      version = 'b';
      expect((await ask(call())).body).to.deep.equal({ version: 'b' });
      expect(conditions).to.deep.equal([undefined, '"a"', '"a"']);
    });

    it('answers the question of a caller itself, and asks for the whole reply', async () => {
      const { cache } = made();
      const { handler, asked } = counting({ etag: 'W/"a"', 'cache-control': 'max-age=5', 'content-type': 'text/plain' });
      const ask = cache(handler);
      const asking = (tags: string): Promise<Reply> => ask(call({ headers: { 'if-none-match': tags } }));
      expect((await asking('"a"')).status).to.equal(304);
      expect(asked[0]!.headers['if-none-match']).to.equal(undefined);
      const same = await asking('"x, y", W/"a"');
      expect([same.status, same.body]).to.deep.equal([304, undefined]);
      expect(same.headers).to.include({ etag: 'W/"a"', 'cache-control': 'max-age=5' });
      expect((await asking('*')).status).to.equal(304);
      expect((await asking('"b"')).status).to.equal(200);
      expect(asked).to.have.length(1);
    });
  });

  it('forgets a target that was written to, whatever came of it, and what was being fetched meanwhile', async () => {
    const { cache } = made();
    const { handler, asked } = held();
    const ask = cache(handler);
    const reading = (id: string): Promise<unknown> => bodyOf(ask(call({ params: { id }, user: 'alice' })));
    const first = [reading('1'), reading('2')];
    for (const one of asked) one.answer(new Reply(200, 'before'));
    await Promise.all(first);

    const writing = failureOf(ask(call({ method: 'PUT', params: { id: '1' }, user: 'bob' })));
    asked[2]!.fail(new ServiceError('UNAVAILABLE', 'lost'));
    await writing;
    expect(await reading('2')).to.equal('before');
    const again = reading('1');
    expect(asked).to.have.length(4);

    const patch = ask(call({ method: 'PATCH', params: { id: '1' } }));
    asked[4]!.answer(new Reply(204));
    await patch;
    asked[3]!.answer(new Reply(200, 'stale already'));
    expect(await again).to.equal('stale already');
    void reading('1');
    expect(asked).to.have.length(6);
  });

  it('forgets all, or an operation, when told to, and what is being fetched as well', async () => {
    const { cache } = made();
    const { handler, asked } = held();
    const ask = cache(handler);
    for (const path of ['/orders', '/users']) {
      const one = ask(call({ path }));
      asked.at(-1)!.answer(new Reply(200, path));
      await one;
    }
    expect(cache.purge('GET /users')).to.equal(1);
    expect(await bodyOf(ask(call({ path: '/orders' })))).to.equal('/orders');
    const flying = ask(call({ path: '/users' }));
    expect(cache.purge()).to.equal(1);
    asked.at(-1)!.answer(new Reply(200, 'old'));
    expect(await bodyOf(flying)).to.equal('old');
    expect(cache.stats()).to.include({ size: 0, bytes: 0 });
  });

  describe('bounds', () => {
    it('keeps so many replies, the ones used last', async () => {
      const { cache } = made({ maxEntries: 3 });
      const { handler, asked } = counting();
      const ask = cache(handler);
      const asking = (id: number): Promise<Reply> => ask(call({ params: { id: String(id) } }));
      for (const id of [1, 2, 3, 1, 4]) await asking(id);
      expect(asked).to.have.length(4);
      await asking(1);
      await asking(2);
      expect(asked).to.have.length(5);
      expect(cache.stats().size).to.equal(3);
    });

    it('holds no more than so many bytes, whatever comes in whatever order, and counts them right', async () => {
      const step = fc.oneof(
        fc.record({ id: fc.integer({ min: 0, max: 30 }), size: fc.integer({ min: 0, max: 3_000 }), vary: fc.boolean() }),
        fc.constant('purge' as const),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          const { cache } = made({ maxEntries: 12, maxBytes: 10_000, ttl: '1s' });
          for (const one of steps) {
            if (one === 'purge') cache.purge('GET /orders');
            else {
              const reply = new Reply(200, 'x'.repeat(one.size), one.vary ? { vary: 'x-a' } : {});
              const { body } = await cache(async () => reply)(call({ params: { id: String(one.id) }, headers: { 'x-a': String(one.size % 3) } }));
              expect(body).to.have.length(one.size);
            }
            const { size, bytes } = cache.stats();
            expect(bytes).to.be.at.most(10_000);
            expect(size).to.be.at.most(12);
            expect(bytes > 0).to.equal(size > 0 || bytes > 0);
          }
          cache.purge();
          expect(cache.stats()).to.include({ size: 0, bytes: 0 });
        }),
        { numRuns: 60 },
      );
    });
  });

  it('leaves nothing behind after 10,000 calls', async () => {
    const { clock, cache } = made({ ttl: 5, maxEntries: 50 });
    const ask = cache(async (one) => {
      await new Promise<void>((resolve) => clock.schedule(3, resolve));
      return new Reply(200, one.params['id']);
    });
    for (let batch = 0; batch < 10; batch++) {
      const calls = Array.from({ length: 1_000 }, (_, index) => call({ params: { id: String((index * 7) % 130) }, deadline: clock.now() + 50 }));
      const all = calls.map((one) => one.run(ask).catch(() => {}));
      for (let index = 0; index < calls.length; index += 7) calls[index]!.abort(new Error('gone'));
      await clock.advance(10);
      await Promise.all(all);
      expect(calls.every(({ ended }) => ended)).to.equal(true);
    }
    await clock.advance(1_000);
    expect(clock.pending).to.equal(0);
    expect(cache.stats().size).to.be.at.most(50);
  }).timeout(10_000);

  describe('of a client, on real sockets', () => {
    it('keeps apart targets, modes and addresses', async () => {
      await using upstream = await scriptedUpstream();
      let number = 0;
      upstream.otherwise(({ url }) => answers.ok({ url, number: ++number }));
      const cache = replyCache({ ttl: '1m' });
      await using orders = client(upstream.origin, { wrappers: [cache] });
      expect(await orders.get('/orders/:id', { params: { id: 1 } })).to.deep.equal({ url: '/orders/1', number: 1 });
      expect(await orders.get('/orders/:id', { params: { id: 2 } })).to.deep.equal({ url: '/orders/2', number: 2 });
      expect(await orders.get('/orders/:id', { params: { id: 1 } })).to.deep.equal({ url: '/orders/1', number: 1 });
      expect(await text(await orders.get('/orders/:id', { params: { id: 1 }, stream: true }))).to.equal('{"url":"/orders/1","number":3}');
      const pinned = { params: { id: 1 }, address: upstream.origin } as const;
      expect(await orders.get('/orders/:id', pinned)).to.deep.equal({ url: '/orders/1', number: 4 });
      expect(await orders.get('/orders/:id', pinned)).to.deep.equal({ url: '/orders/1', number: 4 });
    });

    it('tells the URLs of a fetch apart, which are in no operation', async () => {
      await using upstream = await scriptedUpstream();
      upstream.otherwise(({ url }) => answers.ok({ url }));
      const registry = staticRegistry({ orders: [upstream.origin] });
      await using find = serviceFetch({ registry, wrappers: [replyCache({ ttl: '1m' })] });
      for (const path of ['/a', '/b', '/a', '/a?x=1']) {
        const response = await find(`http://orders${path}`);
        expect(await response.json()).to.deep.equal({ url: path });
      }
    });

    it('aborts the request when the last caller leaves', async () => {
      await using upstream = await scriptedUpstream();
      upstream.otherwise(answers.hang());
      await using orders = client(upstream.origin, { wrappers: [replyCache({ ttl: '1m' })] });
      const leaving = [new AbortController(), new AbortController()];
      const failures = leaving.map(({ signal }) => failureOf(orders.get('/orders', { signal })));
      const { finished } = await upstream.received(1);
      leaving[0]!.abort();
      expect((await failures[0])!.code).to.equal('CANCELLED');
      leaving[1]!.abort();
      expect((await failures[1])!.code).to.equal('CANCELLED');
      expect(await finished).to.equal(false);
      expect(upstream.requests).to.have.length(1);
    });
  });

  it('says that it may answer in place of the handler, so that it is refused on native routes', () => {
    expect(traitsOf(replyCache())).to.deep.equal({ name: 'replyCache', replays: true });
  });

  for (const [options, message] of [
    [{ ttl: '10' }, 'replyCache ttl: "10" is no duration'],
    [{ maxEntries: 0 }, 'replyCache maxEntries: 0 is no count'],
    [{ shared: 'yes' }, 'replyCache shared: "yes" is neither true nor false'],
    [{ vary: ['x tenant'] }, 'replyCache vary: "x tenant" is no header name'],
    [{ vary: 'x-tenant' }, 'replyCache vary: "x-tenant" is no list'],
    [{ shared: true, identity: () => '' }, 'replyCache identity: a shared cache does not look at who asks'],
    [{ cacheControl: false }, 'replyCache ttl: without cacheControl nothing would ever be kept'],
    [{ max: 10 }, 'replyCache: there is no option "max"'],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      expect(() => replyCache(options as never)).to.throw(TypeError, message);
    });
  }
});
