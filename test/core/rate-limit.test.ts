import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, Reply, guard, rateLimit } from '@ferrule/core';
import type { RateLimitOptions, ServiceError } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';

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

  for (const [options, message] of [
    [{ limit: 0 }, 'rateLimit limit: 0'],
    [{ limit: 10, per: 0 }, 'rateLimit per: 0'],
    [{ limit: 10, burst: 0 }, 'rateLimit burst: 0'],
    [{ limit: 10, key: 'ip' }, 'rateLimit key: "ip" is no function'],
    [{ limit: 10, rate: 5 }, 'rateLimit: there is no option "rate"'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(() => rateLimit(options as RateLimitOptions)).to.throw(TypeError, message);
    });
  }
});
