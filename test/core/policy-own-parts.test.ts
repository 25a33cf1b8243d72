import { expect } from 'chai';
import { Call, Reply, ServiceError, concurrencyLimit, fallback, guard, hedge, replyCache, retry, retryBudget, timeout } from '@ferrule/core';
import type { RetryBudget } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';

const broken = (): never => {
  throw new Error('a bug of the application');
};
const BROKEN: RetryBudget = { began: broken, succeeded: broken, failed: broken, allows: broken, spend: broken };
const away = new ServiceError('UNAVAILABLE', 'away');
const failing = async (): Promise<string> => {
  throw away;
};
const caught = (result: Promise<unknown>): Promise<unknown> =>
  result.then(
    () => 'no error',
    (error: unknown) => error,
  );

describe('what the application gives to policies', () => {
  it('a budget that throws forbids a hedge of what failed, and its caller gets that failure', async () => {
    expect(await caught(guard(failing, hedge({ ratio: 1, budgets: [BROKEN], clock: manualClock() }))())).to.equal(away);
  });

  it('a budget that throws forbids a hedge of what is late, and the timers of others go on', async () => {
    const clock = manualClock();
    const slow = guard(
      () => new Promise<string>((resolve) => clock.schedule(100, () => resolve('slow'))),
      hedge({ ratio: 1, delay: 10, budgets: [BROKEN], clock }),
    );
    const answer = slow();
    await clock.advance(100);
    expect(await answer).to.equal('slow');
  });

  it('an `eligible` that throws leaves the call without a hedge, a `when` of fallback without a substitute', async () => {
    expect(await guard(async () => 'done', hedge({ eligible: broken }))()).to.equal('done');
    expect(await caught(guard(failing, fallback('instead', { when: broken }))())).to.equal(away);
  });

  it('a Retry-After that is no number is no wait', async () => {
    const clock = manualClock();
    let made = 0;
    const work = async (): Promise<string> => {
      if (++made === 1) throw new ServiceError('UNAVAILABLE', 'away', { retryAfterMs: Number.NaN });
      return 'done';
    };
    expect(await guard(work, retry({ clock }))()).to.equal('done');
    expect(clock.pending).to.equal(0);
  });

  it('a listener that begins a call when it hears that another was admitted gets no permit above the limit', async () => {
    const clock = manualClock();
    let most = 0;
    const begun: Promise<unknown>[] = [];
    const limit = concurrencyLimit({
      algorithm: 'aimd',
      initial: 2,
      min: 1,
      max: 10,
      queue: 20,
      window: 10,
      clock,
      on({ kind }) {
        if (kind === 'admitted' && begun.length < 100) begun.push(work().catch(() => {}));
      },
    });
    const work = guard(async () => {
      const { active, limit: now } = limit.stats();
      most = Math.max(most, active - now);
      await new Promise<void>((resolve) => clock.schedule(2, resolve));
    }, limit);
    for (let index = 0; index < 40; index++) begun.push(work().catch(() => {}));
    for (let turn = 0; turn < 60; turn++) await clock.advance(2);
    await Promise.all(begun);
    expect(most).to.equal(0);
  });

  it('an aborted call is not fetched for, and waits for nothing', async () => {
    const clock = manualClock();
    const call = new Call({
      side: 'client',
      operation: { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true },
      deadline: clock.now() + 5_000,
    });
    const gone = new Error('gone');
    call.abort(gone);
    let fetched = 0;
    const handle = replyCache({ ttl: '1s', clock })(async () => new Reply(200, ++fetched));
    expect(await caught(handle(call))).to.equal(gone);
    expect(fetched).to.equal(0);
    expect(clock.pending).to.equal(0);
  });

  for (const [what, make, message] of [
    ['hedge budgets', () => hedge({ budgets: [{ allows: () => true } as unknown as RetryBudget] }), /^hedge budgets/],
    ['guard idempotent', () => guard({ idempotent: 'no' as unknown as boolean }, failing), /^guard idempotent: "no"/],
    ['timeout clock', () => timeout({ limit: 1, clock: {} as never }), /^timeout clock/],
    ['retryBudget clock', () => retryBudget({ clock: {} as never }), /^retryBudget clock/],
  ] as const) {
    it(`is refused at construction when it cannot serve: ${what}`, () => expect(make).to.throw(TypeError, message));
  }
});
