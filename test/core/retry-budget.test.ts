import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { REASONS, ServiceError, retryBudget, tokenThrottle } from '@ferrule/core';
import type { RetryBudget } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';

function handClock(): Clock & { ms: number } {
  return {
    ms: 0,
    now() {
      return this.ms;
    },
    wallTime: () => 0,
    schedule: () => expect.fail('a budget has no timers'),
  };
}

function spendAll(budget: RetryBudget): number {
  let spent = 0;
  for (; budget.allows(undefined); spent++) budget.spend();
  return spent;
}

describe('retryBudget', () => {
  it('allows the reserve of 1/s to a client that has made no call yet', () => {
    expect(spendAll(retryBudget({ clock: handClock() }))).to.equal(10);
  });

  it('allows 10 % of the calls of the last 10 s beside the reserve', () => {
    const budget = retryBudget({ clock: handClock() });
    for (let call = 0; call < 1000; call++) budget.began();
    expect(spendAll(budget)).to.equal(110);
  });

  it('forgets calls and retries after 10 s', () => {
    const clock = handClock();
    const budget = retryBudget({ clock });
    for (let call = 0; call < 1000; call++) budget.began();
    spendAll(budget);
    clock.ms = 9_999;
    expect(spendAll(budget)).to.equal(0);
    clock.ms = 10_000;
    expect(spendAll(budget)).to.equal(10);
  });

  it('never allows more than its share in any window, whatever the order of calls, retries and time', () => {
    const event = fc.oneof(fc.constant('call' as const), fc.constant('retry' as const), fc.integer({ min: 1, max: 4000 }));
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const clock = handClock();
        const budget = retryBudget({ clock });
        const calls: number[] = [];
        const retries: number[] = [];
        for (const one of events) {
          if (typeof one === 'number') clock.ms += one;
          else if (one === 'call') {
            budget.began();
            calls.push(Math.floor(clock.ms / 1000));
          } else {
            const recent = (bucket: number): boolean => bucket > Math.floor(clock.ms / 1000) - 10;
            const allowed = retries.filter(recent).length + 1 <= 10 + 0.1 * calls.filter(recent).length;
            expect(budget.allows(undefined)).to.equal(allowed);
            if (allowed) {
              budget.spend();
              retries.push(Math.floor(clock.ms / 1000));
            }
          }
        }
      }),
    );
  });

  for (const [options, message] of [
    [{ ratio: -0.1 }, 'retryBudget ratio: -0.1'],
    [{ ratio: 2 }, 'retryBudget ratio: 2'],
    [{ ratio: Number.NaN }, 'retryBudget ratio: NaN'],
    [{ perSecond: Number.NaN }, 'retryBudget perSecond: NaN'],
    [{ window: 0 }, 'retryBudget window: 0'],
  ] as const) {
    it(`refuses ${message}`, () => {
      expect(() => retryBudget(options)).to.throw(TypeError, message);
    });
  }
});

const overload = new ServiceError('UNAVAILABLE', 'busy');

describe('tokenThrottle', () => {
  it('allows while more than half of the tokens are left: of ten, off with the fifth failure in a row', () => {
    const throttle = tokenThrottle({ maxTokens: 10 });
    const allowed: boolean[] = [];
    for (let failure = 0; failure < 6; failure++) {
      throttle.failed(overload);
      allowed.push(throttle.allows(overload));
    }
    expect(allowed).to.deep.equal([true, true, true, true, false, false]);
  });

  it('comes back with successes, five to a failure, and never holds more than it began with', () => {
    const throttle = tokenThrottle({ maxTokens: 10 });
    for (let success = 0; success < 1000; success++) throttle.succeeded();
    for (let failure = 0; failure < 5; failure++) throttle.failed(overload);
    expect(throttle.allows(overload)).to.equal(false);
    throttle.succeeded();
    expect(throttle.allows(overload)).to.equal(true);
  });

  it('stays on at 16 % failures and goes off at 17 %, for ever: sums of 0.2 do not drift', () => {
    for (const [percent, expected] of [
      [16, true],
      [17, false],
    ] as const) {
      const throttle = tokenThrottle();
      let on = true;
      for (let call = 0; call < 100_000; call++) {
        if ((call * percent) % 100 < percent) throttle.failed(overload);
        else throttle.succeeded();
        on &&= throttle.allows(overload);
      }
      expect(on, `${percent} %`).to.equal(expected);
    }
  });

  it('has a hundred tokens by default, so that a burst of failures does not switch it off: off with the fiftieth in a row', () => {
    const throttle = tokenThrottle();
    for (let failure = 0; failure < 49; failure++) throttle.failed(overload);
    expect(throttle.allows(overload)).to.equal(true);
    throttle.failed(overload);
    expect(throttle.allows(overload)).to.equal(false);
  });

  // Killing one of two instances failed every call that it held, and the throttle let four of them be tried again.
  for (const [what, error] of [
    ['a refused connection', new ServiceError('UNAVAILABLE', 'x', { reason: REASONS.connectFailed, unsent: true })],
    ['a lost connection', new ServiceError('UNAVAILABLE', 'x', { reason: REASONS.connectionLost })],
    ["Node's ECONNREFUSED", Object.assign(new Error('x'), { code: 'ECONNREFUSED' })],
    ["Node's ECONNRESET", Object.assign(new Error('x'), { code: 'ECONNRESET' })],
  ] as const) {
    it(`neither counts nor refuses ${what}: it tells of one process, not of load`, () => {
      const throttle = tokenThrottle({ maxTokens: 10 });
      for (let failure = 0; failure < 100; failure++) throttle.failed(error);
      expect(throttle.allows(overload)).to.equal(true);
      for (let failure = 0; failure < 100; failure++) throttle.failed(overload);
      expect([throttle.allows(overload), throttle.allows(error)]).to.deep.equal([false, true]);
    });
  }

  it('refuses amounts that are none', () => {
    expect(() => tokenThrottle({ maxTokens: -1 })).to.throw(TypeError, 'tokenThrottle maxTokens: -1');
    expect(() => tokenThrottle({ perSuccess: Infinity })).to.throw(TypeError, 'tokenThrottle perSuccess: Infinity');
    expect(() => tokenThrottle({ perSuccess: 0.0004 })).to.throw(TypeError, 'tokenThrottle perSuccess: 0.0004 is counted as nothing');
  });
});
