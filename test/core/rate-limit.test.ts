import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, Reply, get, guard, rateLimit, silentLogger } from '@ferrule/core';
import type { RateLimitEvent, RateLimitOptions, ServiceError } from '@ferrule/core';
import { nativeHandler, withReplyHeaders } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import type { RawReply } from '@ferrule/testing';
import { bareServers } from './server-fixture.js';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const callOf = (tenant?: string): Call => new Call({ side: 'server', operation: OPERATION, headers: { 'x-tenant': tenant } });

function handClock(): Clock & { ms: number } {
  return {
    ms: 0,
    now() {
      return this.ms;
    },
    wallTime: () => 0,
    schedule: () => expect.fail('a rate limit has no timers'),
  };
}

const passed = (result: Promise<unknown>): Promise<boolean> =>
  result.then(
    () => true,
    () => false,
  );

describe('rateLimit', () => {
  it('lets a burst of its limit through, then one for each share of the time', async () => {
    const clock = handClock();
    const limited = guard(() => 'ok', rateLimit({ limit: 10, clock }));
    const through = async (count: number): Promise<number> => {
      let passing = 0;
      for (let call = 0; call < count; call++) if (await passed(limited())) passing++;
      return passing;
    };
    expect(await through(50)).to.equal(10);
    clock.ms = 100;
    expect(await through(50)).to.equal(1);
    clock.ms = 350;
    expect(await through(50)).to.equal(2);
    clock.ms = 60_000;
    expect(await through(50)).to.equal(10);
  });

  it('says when the next call will be let through, and means it', async () => {
    const clock = handClock();
    const limited = guard(() => 'ok', rateLimit({ limit: 3, per: '1m', burst: 1, clock }));
    await limited();
    clock.ms = 5000;
    const error = await limited().catch((thrown: ServiceError) => thrown);
    expect(error).to.include({ code: 'RESOURCE_EXHAUSTED', reason: 'RATE_LIMITED', status: 429, retryAfterMs: 15_000 });
    clock.ms = 19_999;
    expect(await passed(limited())).to.equal(false);
    clock.ms = 20_000;
    expect(await passed(limited())).to.equal(true);
  });

  it('has a bucket for each key, and none for calls without one', async () => {
    const handler = rateLimit({ limit: 1, per: '1h', key: (call) => call.header('x-tenant'), clock: handClock() })(async () => new Reply(200));
    expect(await passed(handler(callOf('a')))).to.equal(true);
    expect(await passed(handler(callOf('a')))).to.equal(false);
    expect(await passed(handler(callOf('b')))).to.equal(true);
    for (let call = 0; call < 5; call++) expect(await passed(handler(callOf()))).to.equal(true);
  });

  it('a key function that throws fails the call, not the process', async () => {
    const handler = rateLimit({
      limit: 1,
      key: () => {
        throw new Error('no tenant');
      },
      clock: handClock(),
    })(async () => new Reply(200));
    expect(await handler(callOf()).catch((error: Error) => error.message)).to.equal('no tenant');
  });

  it('remembers the keys in use and no more than it may, whatever callers send', async () => {
    const handler = rateLimit({ limit: 1, per: '1h', maxKeys: 10, key: (call) => call.header('x-tenant'), clock: handClock() })(
      async () => new Reply(200),
    );
    await handler(callOf('steady'));
    for (let call = 0; call < 1000; call++) {
      await handler(callOf(`stranger ${call}`));
      if (call % 3 === 0) expect(await passed(handler(callOf('steady'))), 'still limited').to.equal(false);
    }
    expect(await passed(handler(callOf('stranger 0'))), 'forgotten long ago').to.equal(true);
  });

  it('in any span of time lets through its burst and its rate at most, and never less when asked all the time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 100 }),
        async (limit, burst, pauses) => {
          const clock = handClock();
          const limited = guard(() => 'ok', rateLimit({ limit, burst, clock }));
          let tokens = burst; // the model: a bucket that drips
          for (const pause of pauses) {
            clock.ms += pause;
            tokens = Math.min(burst, tokens + (pause * limit) / 1000);
            const expected = tokens >= 1 - 1e-9;
            expect(await passed(limited())).to.equal(expected);
            if (expected) tokens -= 1;
          }
        },
      ),
    );
  });

  it('a sliding window never lets more than its limit through in any span, and says when there is room, within a tenth of the span', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 120 }),
        async (limit, per, pauses) => {
          const clock = handClock();
          const limited = guard(() => 'ok', rateLimit({ limit, per, algorithm: 'sliding-window', clock }));
          const times: number[] = [];
          for (const pause of pauses) {
            clock.ms += pause;
            const recent = times.filter((at) => at > clock.ms - per).length;
            const error = await limited().then(
              () => undefined,
              (thrown: ServiceError) => thrown,
            );
            if (error === undefined) {
              expect(recent).to.be.below(limit);
              times.push(clock.ms);
              continue;
            }
            const late = 2 * Math.max(1, Math.ceil(per / 10));
            expect(times.filter((at) => at > clock.ms - per - late).length, 'no refusal without need').to.be.at.least(limit);
            clock.ms += error.retryAfterMs!;
            expect(await passed(limited()), 'when it said').to.equal(true);
            times.push(clock.ms);
          }
        },
      ),
    );
  });

  for (const algorithm of ['token-bucket', 'sliding-window'] as const) {
    it(`${algorithm}: when the clock goes back, it is not shut for as long as that`, async () => {
      const clock = handClock();
      clock.ms = 10_000_000;
      const limited = guard(() => 'ok', rateLimit({ limit: 10, algorithm, clock }));
      for (let call = 0; call < 12; call++) await passed(limited());
      clock.ms = 5_000;
      const error = await limited().catch((thrown: ServiceError) => thrown);
      expect((error as ServiceError).retryAfterMs).to.be.at.most(1200);
      clock.ms += (error as ServiceError).retryAfterMs!;
      expect(await passed(limited())).to.equal(true);
      clock.ms += 1e9;
      let passing = 0;
      for (let call = 0; call < 50; call++) if (await passed(limited())) passing++;
      expect(passing).to.equal(10);
    });
  }

  it('counts what it refuses and the keys that it keeps, and tells of refusals without the key', async () => {
    const events: RateLimitEvent[] = [];
    const policy = rateLimit({ limit: 1, per: '1m', key: (call) => call.header('x-tenant'), clock: handClock(), on: (event) => events.push(event) });
    const handler = policy(async () => new Reply(200));
    for (const tenant of ['a', 'secret', 'a', 'b', 'secret']) await passed(handler(callOf(tenant)));
    expect(policy.stats()).to.deep.equal({ rejected: 2, keys: 3 });
    expect(events).to.deep.equal([
      { kind: 'rejected', label: 'GET /orders', retryAfterMs: 60_000 },
      { kind: 'rejected', label: 'GET /orders', retryAfterMs: 60_000 },
    ]);
  });

  it('keeps no more keys than it may', async () => {
    const policy = rateLimit({ limit: 1, maxKeys: 10, key: (call) => call.header('x-tenant'), clock: handClock() });
    const handler = policy(async () => new Reply(200));
    for (let call = 0; call < 100; call++) {
      await passed(handler(callOf(`stranger ${call % 37}`)));
      expect(policy.stats().keys).to.be.at.most(10);
    }
  });

  it('of 1,000 concurrent callers lets exactly its limit through', async () => {
    const limited = guard(() => 'ok', rateLimit({ limit: 100, clock: handClock() }));
    const results = await Promise.all(Array.from({ length: 1000 }, () => passed(limited())));
    expect(results.filter(Boolean)).to.have.length(100);
  });

  describe('on replies', () => {
    const servers = bareServers();
    afterEach(() => servers.close());
    const of = (reply: RawReply, ...names: string[]): unknown[] => names.map((name) => reply.header(name));

    it('tells of the limit on allowed and refused replies and on errors, and Retry-After is never before t', async () => {
      const clock = handClock();
      const limit = rateLimit({ limit: 3, per: '1m', name: 'per-client', clock });
      const { ask } = await servers.serve([get('/ok', () => 'ok'), get('/broken', () => Promise.reject(new Error('broken')))], {
        limits: [limit],
        logger: silentLogger,
      });
      const names = ['ratelimit-policy', 'ratelimit', 'retry-after', 'x-ratelimit-limit', 'ratelimit-limit'];
      const policy = '"per-client";q=3;w=60';
      expect(of(await ask('GET', '/ok'), ...names)).to.deep.equal([policy, '"per-client";r=2;t=20', undefined, undefined, undefined]);
      clock.ms = 5000;
      expect(of(await ask('GET', '/broken'), ...names)).to.deep.equal([policy, '"per-client";r=1;t=15', undefined, undefined, undefined]);
      await ask('GET', '/ok');
      const refused = await ask('GET', '/ok');
      expect(refused.status).to.equal(429);
      expect(of(refused, ...names)).to.deep.equal([policy, '"per-client";r=0;t=15', '15', undefined, undefined]);
    });

    it('makes one list of several limits, those of a route included, and never tells a key', async () => {
      const key = (call: Call): string | undefined => call.header('authorization');
      const { ask } = await servers.serve(
        [get('/ok', rateLimit({ limit: 5, per: '1h', name: 'route', key, algorithm: 'sliding-window', clock: handClock() }), () => 'ok')],
        { limits: [rateLimit({ limit: 100, per: '100ms', clock: handClock() })] },
      );
      const reply = await ask('GET', '/ok', { authorization: 'Bearer secret' });
      expect(of(reply, 'ratelimit-policy', 'ratelimit')).to.deep.equal([
        '"default";q=1000;w=1, "route";q=5;w=3600',
        '"default";r=99;t=1, "route";r=4;t=3960',
      ]);
      expect(JSON.stringify([...reply.fields])).to.not.include('secret');
      const refused = await Promise.all(Array.from({ length: 6 }, () => ask('GET', '/ok', { authorization: 'Bearer secret' })));
      expect(refused.some(({ status }) => status === 429)).to.equal(true);
      for (const one of refused) expect(JSON.stringify([...one.fields]) + one.text).to.not.include('secret');
    });

    it('is told on native routes too, and to old clients in the old way', async () => {
      const native = nativeHandler(({ res }) => void res.end('native'));
      const { ask } = await servers.serve([get('/native', rateLimit({ limit: 9, per: '1s', legacy: true, clock: handClock() }), native)]);
      expect(
        of(await ask('GET', '/native'), 'ratelimit-policy', 'ratelimit', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'),
      ).to.deep.equal(['"default";q=9;w=1', '"default";r=8;t=1', '9', '8', '1']);
    });

    it('is silent when headers are turned off', async () => {
      const { ask } = await servers.serve([get('/ok', rateLimit({ limit: 1, headers: false, clock: handClock() }), () => 'ok')]);
      for (const reply of [await ask('GET', '/ok'), await ask('GET', '/ok')])
        expect(of(reply, 'ratelimit-policy', 'ratelimit')).to.deep.equal([undefined, undefined]);
    });

    it('travels on the refusal where the framework makes the reply, and never on one of an outbound call', async () => {
      const handler = rateLimit({ limit: 1, per: '1m', clock: handClock() })(async () => new Reply(200));
      await handler(callOf());
      const refused = (call: Call): Promise<unknown> => handler(call).catch((error: unknown) => error);
      expect(await refused(callOf())).to.deep.include({ headers: { 'ratelimit-policy': '"default";q=1;w=60', ratelimit: '"default";r=0;t=60' } });
      expect(await refused(new Call({ side: 'client', operation: OPERATION }))).to.not.have.property('headers');
    });

    it('has no number that is too large for a structured field', async () => {
      const handler = rateLimit({ limit: Number.MAX_SAFE_INTEGER, per: 1, clock: handClock() })(async () => new Reply(200));
      const call = callOf();
      const { headers } = withReplyHeaders(await handler(call), call);
      expect([headers['ratelimit-policy'], headers['ratelimit']]).to.deep.equal([
        '"default";q=999999999999999;w=1',
        '"default";r=999999999999999;t=0',
      ]);
    });

    it('has an r that is true: so many pass at once, and after t seconds one more', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('token-bucket' as const, 'sliding-window' as const),
          fc.integer({ min: 1, max: 12 }),
          fc.integer({ min: 1, max: 20_000 }),
          fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 30 }),
          async (algorithm, limit, per, pauses) => {
            const clock = handClock();
            const handler = rateLimit({ limit, per, algorithm, clock })(async () => new Reply(200));
            let told = '';
            for (const pause of [0, ...pauses]) {
              clock.ms += pause;
              const call = callOf();
              await passed(handler(call));
              told = String(withReplyHeaders(new Reply(200), call).headers['ratelimit']);
            }
            const [, left, inSeconds] = /^"default";r=(\d+);t=(\d+)$/.exec(told)!.map(Number) as [number, number, number];
            clock.ms += inSeconds * 1000;
            let passing = 0;
            while (await passed(handler(callOf()))) passing++;
            expect(passing).to.be.at.least(Math.min(limit, left + 1));
            expect(inSeconds * 1000).to.be.at.most(per * 1.2 + 2000);
          },
        ),
      );
    });
  });

  for (const [options, message] of [
    [{ limit: 0 }, 'rateLimit limit: 0'],
    [{ limit: 10, per: 0 }, 'rateLimit per: 0'],
    [{ limit: 10, burst: 0 }, 'rateLimit burst: 0'],
    [{ limit: 10, algorithm: 'leaky' }, 'rateLimit algorithm: "leaky" is unknown'],
    [{ limit: 10, algorithm: 'sliding-window', burst: 5 }, 'rateLimit burst: a sliding window has none'],
    [{ limit: 10, name: 'a"b' }, 'rateLimit name: "a\\"b" does not fit into a header'],
    [{ limit: 10, maxKeys: 5 }, 'rateLimit maxKeys: there are no keys without key'],
    [{ limit: 10, headers: 'yes' }, 'rateLimit headers: "yes"'],
    [{ limit: 10, key: 'ip' }, 'rateLimit key: "ip" is no function'],
    [{ limit: 10, rate: 5 }, 'rateLimit: there is no option "rate"'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(() => rateLimit(options as RateLimitOptions)).to.throw(TypeError, message);
    });
  }
});
