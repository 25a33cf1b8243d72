import { Readable } from 'node:stream';
import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, Reply, ServiceError, chaos, circuitBreaker, createSelector, guard, retry, timeout } from '@ferrule/core';
import type { ChaosEvent, ChaosOptions } from '@ferrule/core';
import { balance, operation, outcomeOf, traitsOf } from '@ferrule/core/adapter';
import { manualClock, seededRandom } from '@ferrule/testing';
import { ScriptedDirectory, instances } from './selection-fixtures.js';

const read = (): Call => new Call({ side: 'client', operation: operation('orders', 'GET', '/orders') });
const write = (): Call => new Call({ side: 'client', operation: operation('orders', 'POST', '/orders') });
const ok = async (): Promise<Reply> => new Reply(200);
const failureOf = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    () => expect.fail('did not fail'),
    (error: ServiceError) => error,
  );

describe('chaos', () => {
  it('has to be enabled in code: nothing that JSON can say but true, which a configuration has no place for', () => {
    for (const enabled of [false, undefined, 'true', 1, {}]) {
      expect(() => chaos({ enabled } as never)).to.throw(TypeError, 'chaos enabled:');
    }
    expect(chaos({ enabled: true }).enabled).to.equal(true);
    let on = false;
    const switched = chaos({ enabled: () => on, error: { rate: 1 } });
    expect(switched.enabled).to.equal(false);
    on = true;
    expect(switched.enabled).to.equal(true);
    expect(switched.stats()).to.deep.equal({ injected: 0, state: 'enabled' });
  });

  it('shows what it is, so that health details and describe() can say so', () => {
    expect(traitsOf(chaos({ enabled: true }))).to.deep.equal({ name: 'chaos', injects: true });
    expect(chaos({ enabled: true, abort: { rate: 0.1 } }).faults).to.deep.equal({ abort: { rate: 0.1 } });
  });

  it('does nothing while its function says no, or throws', async () => {
    for (const enabled of [
      () => false,
      () => {
        throw new Error('bug');
      },
    ]) {
      const policy = chaos({ enabled, error: { rate: 1 } });
      expect((await policy(ok)(read())).status).to.equal(200);
      expect(policy.stats()).to.deep.equal({ injected: 0, state: 'disabled' });
    }
  });

  it('makes calls wait, for a time or for any time in a span, and stops waiting with the call', async () => {
    const clock = manualClock();
    const events: ChaosEvent[] = [];
    const policy = chaos({
      enabled: true,
      latency: { rate: 1, ms: ['100ms', '200ms'] },
      clock,
      random: () => 0.5,
      on: (event) => void events.push(event),
    });
    policy.inject({ latency: { rate: 0.6, ms: ['100ms', '200ms'] } });
    let done = false;
    const answer = policy(ok)(read()).then(() => (done = true));
    await clock.advance(149);
    expect(done).to.equal(false);
    await clock.advance(1);
    await answer;
    expect(events).to.deep.equal([{ kind: 'latency', label: 'GET /orders', delayMs: 150 }]);

    const call = read();
    const failed = failureOf(call.run(policy(ok)));
    call.abort(new ServiceError('CANCELLED', 'gone'));
    expect((await failed).code).to.equal('CANCELLED');
    expect(clock.pending).to.equal(0);
  });

  for (const [what, error, status, code] of [
    ['503 by default', {}, 503, 'UNAVAILABLE'],
    ['a status', { status: 500 }, 500, 'INTERNAL'],
    ['a code', { code: 'RESOURCE_EXHAUSTED' }, 429, 'RESOURCE_EXHAUSTED'],
    ['both', { code: 'UNAVAILABLE', status: 502 }, 502, 'UNAVAILABLE'],
  ] as const) {
    it(`makes calls fail with ${what}, unmade`, async () => {
      let made = 0;
      const policy = chaos({ enabled: true, error: { rate: 1, ...error } });
      const failure = await failureOf(
        policy(async () => {
          made++;
          return new Reply(200);
        })(read()),
      );
      expect(failure).to.include({ status, code, reason: 'CHAOS', unsent: false });
      expect(made).to.equal(0);
    });
  }

  it('loses the answers of calls that were made, and closes what they held', async () => {
    let made = 0;
    const body = Readable.from(['x']);
    const policy = chaos({ enabled: true, abort: { rate: 1 } });
    const failure = await failureOf(
      policy(async () => {
        made++;
        return new Reply(200, body);
      })(write()),
    );
    expect(failure).to.include({ code: 'UNAVAILABLE', reason: 'CONNECTION_LOST', unsent: false });
    expect(made).to.equal(1);
    expect(body.destroyed).to.equal(true);
    const own = new Error('own');
    expect(await failureOf(policy(() => Promise.reject(own))(write()))).to.equal(own);
  });

  it('is met as a real fault by what stands around it: retry, breaker, timeout and the lease of an endpoint', async () => {
    const clock = manualClock();
    const failing = chaos({ enabled: true, error: { rate: 1 }, clock });
    let attempts = 0;
    const counted = (call: Call): Promise<Reply> => {
      attempts++;
      return failing(ok)(call);
    };
    await failureOf(retry({ clock, random: () => 0, budgets: [] })(counted)(read()));
    expect(attempts).to.equal(3);
    attempts = 0;
    await failureOf(retry({ clock, random: () => 0, budgets: [] })(counted)(write()));
    expect(attempts, 'a write may have been done').to.equal(1);

    const breaker = circuitBreaker({ minimumCalls: 5, clock });
    for (let call = 0; call < 5; call++) await failureOf(breaker(failing(ok))(read()));
    expect(breaker.state).to.equal('open');

    const slow = chaos({ enabled: true, latency: { rate: 1, ms: '1m' }, clock });
    const late = failureOf(timeout({ limit: 100, clock })(slow(ok))(read()));
    await clock.advance(100);
    expect((await late).code).to.equal('DEADLINE_EXCEEDED');

    const selector = createSelector({ service: 'orders', directory: new ScriptedDirectory(instances(1)), clock });
    await failureOf(read().run(balance(selector)(failing(ok))));
    expect(selector.endpoints()[0]!.success).to.be.below(1);
    const lost = await failureOf(chaos({ enabled: true, abort: { rate: 1 } })(ok)(read()));
    expect(outcomeOf(lost, undefined, read())).to.deep.equal({ kind: 'transport' });
  });

  it('takes other rates at run time, all at once: what is left out is off', async () => {
    const policy = chaos({ enabled: true, error: { rate: 1 } });
    const work = guard(async () => 'done', policy);
    await failureOf(work());
    policy.inject({ abort: { rate: 0 } });
    expect(await work()).to.equal('done');
    expect(() => policy.inject({ error: { rate: 2 } })).to.throw(TypeError, 'chaos error rate: 2 is no share');
    expect(policy.faults).to.deep.equal({ abort: { rate: 0 } });
    expect(policy.stats().injected).to.equal(1);
  });

  it('disturbs the share of the calls that it was told to, each fault drawn by itself, and the same ones for a seed', async () => {
    const rate = fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10);
    await fc.assert(
      fc.asyncProperty(rate, rate, fc.integer(), async (error, abort, seed) => {
        const run = async (): Promise<{ error: number; abort: number; log: string }> => {
          const seen = { error: 0, abort: 0, log: '' };
          const policy = chaos({
            enabled: true,
            error: { rate: error },
            abort: { rate: abort },
            random: seededRandom(seed),
            on: ({ kind }) => {
              seen[kind as 'error' | 'abort']++;
              seen.log += kind[0];
            },
          });
          const handler = policy(ok);
          for (let call = 0; call < 1_000; call++) await handler(read()).catch(() => {});
          expect(policy.stats().injected).to.equal(seen.error + seen.abort);
          return seen;
        };
        const first = await run();
        expect(first.error).to.be.within(1_000 * error - 80, 1_000 * error + 80);
        const expected = 1_000 * (1 - error) * abort;
        expect(first.abort).to.be.within(expected - 80, expected + 80);
        expect((await run()).log).to.equal(first.log);
      }),
      { numRuns: 12 },
    );
  }).timeout(10_000);

  it('leaves nothing behind after 10,000 calls', async () => {
    const clock = manualClock();
    const policy = chaos({
      enabled: true,
      latency: { rate: 0.5, ms: [1, 9] },
      error: { rate: 0.1 },
      abort: { rate: 0.1 },
      clock,
      random: seededRandom(3),
    });
    const handler = policy(ok);
    for (let batch = 0; batch < 10; batch++) {
      const calls = Array.from({ length: 1_000 }, read);
      const answers = calls.map((call) => call.run(handler).catch(() => {}));
      for (let index = 0; index < calls.length; index += 7) calls[index]!.abort(new Error('gone'));
      await clock.advance(10);
      await Promise.all(answers);
      expect(calls.every((call) => call.ended)).to.equal(true);
    }
    expect(clock.pending).to.equal(0);
  });

  for (const [options, message] of [
    [{ latency: { rate: 0.5 } }, 'chaos latency ms: undefined is no duration'],
    [{ latency: { rate: 0.5, ms: [9, 1] } }, 'chaos latency ms: [9, 1] is no span'],
    [{ latency: { ms: 5 } }, 'chaos latency rate: undefined is no share'],
    [{ error: { rate: 0.5, status: 200 } }, 'chaos error status: 200 is no error status'],
    [{ error: { rate: 0.5, code: 'OK' } }, 'chaos error code: "OK" is unknown'],
    [{ abort: { rate: -1 } }, 'chaos abort rate: -1 is no share'],
    [{ latency: null }, 'chaos latency: null is no options object'],
    [{ error: false }, 'chaos error: false is no options object'],
    [{ abort: 0 }, 'chaos abort: 0 is no options object'],
    [{ rate: 1 }, 'chaos: there is no option "rate"'],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      expect(() => chaos({ enabled: true, ...options } as unknown as ChaosOptions)).to.throw(TypeError, message);
    });
  }
});
