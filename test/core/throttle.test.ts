import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, Reply, ServiceError, bulkhead, retry, throttle } from '@ferrule/core';
import type { ThrottleEvent, ThrottleOptions } from '@ferrule/core';
import { manualClock, seededRandom } from '@ferrule/testing';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const newCall = (): Call => new Call({ side: 'client', operation: OPERATION });
const away = (): Promise<Reply> => Promise.reject(new ServiceError('UNAVAILABLE', 'away'));
const ok = (): Promise<Reply> => Promise.resolve(new Reply(200));

/** A throttle that never refuses by chance, with what it has seen. */
async function seen(requests: number, accepts: number, options: ThrottleOptions = {}) {
  const policy = throttle({ clock: manualClock(), random: () => 1 - Number.EPSILON, minRequests: 1, ...options });
  for (let call = 0; call < requests; call++) {
    await newCall()
      .run(policy(call < accepts ? ok : away))
      .catch(() => {});
  }
  return policy;
}

describe('throttle', () => {
  for (const [requests, accepts, k, expected] of [
    [100, 0, 2, 100 / 101],
    [20, 0, 2, 20 / 21],
    [100, 50, 2, 0],
    [100, 100, 2, 0],
    [100, 25, 2, 50 / 101],
    [100, 50, 1, 50 / 101],
    [100, 25, 1.5, 62.5 / 101],
  ] as const) {
    it(`refuses with probability ${expected.toFixed(4)} after ${requests} requests of which ${accepts} were accepted, k = ${k}`, async () => {
      expect((await seen(requests, accepts, { k })).stats().probability).to.equal(expected);
    });
  }

  it('refuses nothing before there are 20 requests', async () => {
    expect((await seen(19, 0, { minRequests: 20 })).stats().probability).to.equal(0);
    expect((await seen(20, 0, { minRequests: 20 })).stats().probability).to.equal(20 / 21);
  });

  it('refuses with 503, a reason and when to come back, tells of it, and counts it as a request', async () => {
    const events: ThrottleEvent[] = [];
    let chance = 1 - Number.EPSILON;
    const policy = await seen(100, 25, { random: () => chance, on: (event) => events.push(event) });
    chance = 50 / 101 - 1e-9;
    const error = await newCall()
      .run(policy(() => expect.fail('it is not sent')))
      .catch((thrown: ServiceError) => thrown);
    expect(error).to.include({ code: 'UNAVAILABLE', status: 503, reason: 'THROTTLED', retryAfterMs: 1000 });
    expect((error as ServiceError).stack).to.not.match(/\n\s+at /);
    expect(events).to.deep.equal([{ kind: 'rejected', label: 'GET /orders', probability: 50 / 101 }]);
    expect(policy.stats()).to.deep.equal({ requests: 101, accepts: 25, rejected: 1, probability: 51 / 102 });
  });

  for (const [what, error, counts] of [
    ['a failure of its own', new ServiceError('INTERNAL', 'broken'), { requests: 1, accepts: 1 }],
    ['a client error', new ServiceError('NOT_FOUND', 'no such order'), { requests: 1, accepts: 1 }],
    ['overload', new ServiceError('UNAVAILABLE', 'away'), { requests: 1, accepts: 0 }],
    ['a limit over there', new ServiceError('RESOURCE_EXHAUSTED', 'slow down'), { requests: 1, accepts: 0 }],
    ['a timeout', new ServiceError('DEADLINE_EXCEEDED', 'late'), { requests: 1, accepts: 0 }],
    ['a cancellation', new ServiceError('CANCELLED', 'gone'), { requests: 0, accepts: 0 }],
  ] as const) {
    it(`${what} counts as ${counts.requests} requests and ${counts.accepts} accepted`, async () => {
      const policy = throttle();
      await newCall()
        .run(policy(() => Promise.reject(error)))
        .catch(() => {});
      expect(policy.stats()).to.include(counts);
    });
  }

  it('counts neither refusals of others in this process nor what was given up', async () => {
    const policy = throttle();
    const full = bulkhead(1);
    void newCall().run(full(() => new Promise<Reply>(() => {})));
    await newCall()
      .run(policy(full(ok)))
      .catch(() => {});
    const call = newCall();
    const given = call.run(policy<Call, Reply>((attempt) => new Promise((_, reject) => attempt.onAbort(reject)))).catch(() => {});
    call.abort(new Error('gone'));
    await given;
    expect(policy.stats()).to.include({ requests: 0, accepts: 0 });
  });

  it('lets 1,000 calls begin together, of which none has been refused yet', async () => {
    let sent = 0;
    const handler = throttle()<Call, Reply>(() => {
      sent++;
      return Promise.resolve(new Reply(200));
    });
    await Promise.all(Array.from({ length: 1000 }, () => newCall().run(handler)));
    expect(sent).to.equal(1000);
  });

  it('a refusal is not tried again', async () => {
    const policy = await seen(100, 0, { random: () => 0 });
    const before = policy.stats().rejected;
    await newCall()
      .run(retry({ budgets: [], immediate: true })(policy(ok)))
      .catch(() => {});
    expect(policy.stats().rejected - before).to.equal(1);
  });

  it('sends k times what is accepted, in the steady state, and all of it again once all is accepted', async () => {
    const clock = manualClock();
    const random = seededRandom(7);
    const policy = throttle({ clock, random });
    let sent = 0;
    let accepted = 0;
    let room = 20; // a second
    const handler = policy<Call, Reply>(() => {
      sent++;
      if (accepted >= room) return away();
      accepted++;
      return ok();
    });
    const second = async (): Promise<number> => {
      const before = sent;
      accepted = 0;
      for (let call = 0; call < 100; call++)
        await newCall()
          .run(handler)
          .catch(() => {});
      await clock.advance(1000);
      return sent - before;
    };
    for (let warm = 0; warm < 60; warm++) await second();
    let total = 0;
    for (let at = 0; at < 60; at++) total += await second();
    expect(total / 60).to.be.within(36, 44); // 2 × 20
    room = Infinity;
    for (let at = 0; at < 60; at++) await second();
    expect(await second()).to.equal(100);
    expect(policy.stats().probability).to.equal(0);
    expect(clock.pending).to.equal(0);
  });

  it('forgets what is older than its window', async () => {
    const clock = manualClock();
    const policy = await seen(50, 0, { clock });
    await clock.advance(30_000);
    expect(policy.stats()).to.include({ probability: 0, requests: 50 });
  });

  it('gives a probability from 0 to below 1 that is right by a plain count, wherever the clock jumps', async () => {
    const step = fc.record({ accepted: fc.boolean(), jump: fc.integer({ min: -4000, max: 4000 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        let now = 0;
        const policy = throttle({ clock: { ...manualClock(), now: () => now }, random: () => 1 - Number.EPSILON, minRequests: 1 });
        let isForward = true;
        const model: { bucket: number; accepted: boolean }[] = [];
        for (const { accepted, jump } of steps) {
          await newCall()
            .run(policy(accepted ? ok : away))
            .catch(() => {});
          model.push({ bucket: Math.floor(now / 3000), accepted });
          isForward &&= jump >= 0;
          now += jump;
          const { probability, requests, accepts } = policy.stats();
          expect(probability).to.be.within(0, 1 - 1e-9);
          expect({ requests, accepts }).to.deep.equal({ requests: model.length, accepts: model.filter((one) => one.accepted).length });
          if (!isForward) continue;
          const inside = model.filter(({ bucket }) => bucket > Math.floor(now / 3000) - 10);
          const good = inside.filter((one) => one.accepted).length;
          expect(probability).to.equal(inside.length === 0 ? 0 : Math.max(0, (inside.length - 2 * good) / (inside.length + 1)));
        }
      }),
    );
  });

  it('a listener that throws harms nothing', async () => {
    const policy = await seen(100, 0, {
      random: () => 0.5,
      on: () => {
        throw new Error('bad listener');
      },
    });
    expect(policy.stats().rejected).to.be.above(0);
  });

  for (const [options, message] of [
    [{ k: 0.5 }, 'throttle k: 0.5 is no such factor'],
    [{ window: 0 }, 'throttle window: 0'],
    [{ minRequests: 0 }, 'throttle minRequests: 0'],
    [{ failOn: [] }, 'throttle failOn: without a code nothing is ever refused'],
    [{ failOn: ['503'] }, 'throttle failOn: "503" is no canonical code'],
    [{ ratio: 2 }, 'throttle: there is no option "ratio"'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(() => throttle(options as unknown as ThrottleOptions)).to.throw(TypeError, message);
    });
  }
});
