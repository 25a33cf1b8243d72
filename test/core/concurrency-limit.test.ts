import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, Reply, ServiceError, concurrencyLimit, guard, timeout } from '@ferrule/core';
import type { ConcurrencyLimitEvent, ConcurrencyLimitOptions, Policy } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import { simulate } from './concurrency-limit-simulation.js';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const callWith = (deadline?: number): Call => new Call({ side: 'server', operation: OPERATION, deadline });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const CAPACITY = 800;
const none: Policy = (next) => next;

describe('concurrencyLimit', () => {
  for (const times of [1.5, 3]) {
    it(`at ${times} times what the server can do keeps at least 97 % of it going, within 100 ms for 99 of 100`, async () => {
      const { goodput, p99 } = await simulate((clock) => concurrencyLimit({ min: 16, clock }), { perSecond: times * CAPACITY, seconds: 40 });
      expect(goodput).to.be.at.least(0.97);
      expect(p99).to.be.at.most(100);
    });

    it(`without it nothing comes in time at ${times} times (negative control)`, async () => {
      const { goodput } = await simulate(() => none, { perSecond: times * CAPACITY, seconds: 10 });
      expect(goodput).to.be.below(0.01);
    });
  }

  it('at 0.7 times refuses next to nothing', async () => {
    const { goodput, rejected } = await simulate((clock) => concurrencyLimit({ min: 16, clock }), { perSecond: 0.7 * CAPACITY, seconds: 40 });
    expect(rejected).to.be.at.most(0.002);
    expect(goodput).to.be.at.least(0.995);
  });

  it('does not take the latency of a lasting overload for the usual one', async function () {
    this.timeout(20_000);
    const load = { perSecond: 1.2 * CAPACITY, warmUpSeconds: 500, seconds: 60 };
    const { goodput, p99 } = await simulate((clock) => concurrencyLimit({ min: 16, clock }), load);
    expect(goodput).to.be.at.least(0.97);
    expect(p99).to.be.at.most(100);
  });

  it('learns that the work itself has become slower, and lets in what that needs', async function () {
    this.timeout(20_000);
    const slower = { workers: 1000, serviceMs: (now: number) => (now < 60_000 ? 10 : 40), patienceMs: 10_000, perSecond: 1000 };
    const during = await simulate((clock) => concurrencyLimit({ min: 4, clock }), { ...slower, warmUpSeconds: 65, seconds: 20 });
    expect(during.rejected).to.be.above(0.3);
    const after = await simulate((clock) => concurrencyLimit({ min: 4, clock }), { ...slower, warmUpSeconds: 240, seconds: 30 });
    expect(after.rejected).to.be.below(0.01);
  });

  for (const [algorithm, goodputAtLeast] of [
    ['vegas', 0.97],
    ['aimd', 0.9],
  ] as const) {
    it(`${algorithm} keeps ${goodputAtLeast * 100} % going at 1.5 times`, async () => {
      const { goodput } = await simulate((clock) => concurrencyLimit({ algorithm, min: 16, clock, random: () => 0.5 }), {
        perSecond: 1.5 * CAPACITY,
        seconds: 30,
      });
      expect(goodput).to.be.at.least(goodputAtLeast);
    });
  }

  it('refuses with 503, a reason and when to come back, without a stack trace, and counts it', async () => {
    const policy = concurrencyLimit({ min: 1, initial: 1 });
    const handler = policy<Call, Reply>(() => new Promise(() => {}));
    void callWith().run(handler);
    const error = await callWith()
      .run(handler)
      .catch((thrown: ServiceError) => thrown);
    expect(error).to.include({ code: 'UNAVAILABLE', status: 503, reason: 'CONCURRENCY_LIMITED', retryAfterMs: 1000 });
    expect((error as ServiceError).stack).to.not.match(/\n\s+at /);
    expect(policy.stats()).to.deep.equal({ active: 1, queued: 0, limit: 1, admitted: 1, rejected: 1, expired: 0, longMs: 0 });
  });

  it('lets as many wait as its queue says, in calls for each of the limit', async () => {
    const policy = concurrencyLimit({ min: 1, initial: 2, queue: 1.5 });
    const handler = policy<Call, Reply>(() => new Promise(() => {}));
    const refused: unknown[] = [];
    for (let call = 0; call < 7; call++)
      void callWith()
        .run(handler)
        .catch((error: ServiceError) => refused.push(error.reason));
    await turn();
    expect(policy.stats()).to.include({ active: 2, queued: 3, rejected: 2 });
    expect(refused).to.deep.equal(['CONCURRENCY_LIMITED', 'CONCURRENCY_LIMITED']);
  });

  /** Windows of ten calls that are open together, each with the latency and the outcome given. */
  async function windows(options: ConcurrencyLimitOptions, latencies: readonly (readonly [ms: number, outcome?: Error | 'abort'])[]) {
    const clock = manualClock();
    const events: ConcurrencyLimitEvent[] = [];
    const policy = concurrencyLimit({ min: 1, max: 100, initial: 10, clock, on: (event) => events.push(event), ...options });
    for (const [ms, outcome] of latencies) {
      const settle: (() => void)[] = [];
      const calls = Array.from({ length: 10 }, () => callWith());
      const handler = policy<Call, Reply>(
        () => new Promise((resolve, reject) => settle.push(() => (outcome instanceof Error ? reject(outcome) : resolve(new Reply(200))))),
      );
      const replies = calls.map((call) => call.run(handler).catch(() => {}));
      await clock.advance(ms);
      if (outcome === 'abort') for (const call of calls) call.abort(new ServiceError('CANCELLED', 'gone'));
      for (const one of settle) one();
      await Promise.all(replies);
      await clock.advance(Math.max(0, 1001 - ms));
    }
    return { policy, events };
  }

  it('tells of each change of the limit, with the latencies that made it', async () => {
    const { events, policy } = await windows({}, [[50], [50], [50], [50], [50], [50]]);
    const changes = events.filter(({ kind }) => kind === 'limit');
    expect(changes[0]).to.deep.equal({ kind: 'limit', from: 10, to: 11, latencyMs: 50, longMs: 50 });
    expect(policy.stats().longMs).to.equal(50);
  });

  it('takes a timeout for a latency, a failure of the server for none, and a client error for an answer', async () => {
    const longMs = async (outcome: Error): Promise<number> =>
      (
        await windows({}, [
          [40, outcome],
          [40, outcome],
        ])
      ).policy.stats().longMs;
    expect(await longMs(new ServiceError('DEADLINE_EXCEEDED', 'late'))).to.equal(40);
    expect(await longMs(new ServiceError('INTERNAL', 'broken'))).to.equal(0);
    expect(await longMs(new ServiceError('UNAVAILABLE', 'its database refuses'))).to.equal(0);
    expect(await longMs(new ServiceError('NOT_FOUND', 'no such order'))).to.equal(40);
  });

  it('aimd shrinks by a tenth for refusals of what the work depends on', async () => {
    const lost = new ServiceError('UNAVAILABLE', 'its database refuses');
    const { policy } = await windows({ algorithm: 'aimd' }, [
      [40, lost],
      [40, lost],
    ]);
    expect(policy.stats().limit).to.equal(9);
  });

  it('keeps a permit until a streamed body has been moved and timed-out work has ended', async () => {
    const clock = manualClock();
    const policy = concurrencyLimit({ min: 1, clock });
    const body = new PassThrough();
    await callWith().run(policy<Call, Reply>(() => Promise.resolve(new Reply(200, body))));
    expect(policy.stats().active).to.equal(1);
    body.resume().end('last');
    await new Promise((resolve) => body.once('close', resolve));
    expect(policy.stats().active).to.equal(0);
    let finish = (): void => {};
    const work = timeout({ limit: 10, clock })(policy<Call, Reply>(() => new Promise((resolve) => (finish = () => resolve(new Reply(200))))));
    const failed = callWith()
      .run(work)
      .catch((error: ServiceError) => error.reason);
    await clock.advance(10);
    expect(await failed).to.equal('TIMEOUT');
    expect(policy.stats().active).to.equal(1);
    finish();
    await turn();
    expect(policy.stats().active).to.equal(0);
  });

  it('never leaks a permit nor leaves its bounds, whatever is opened, ended, aborted, failed, and wherever the clock jumps', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('open' as const), deadline: fc.option(fc.integer({ min: 0, max: 5000 })) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(), fails: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('jump' as const), ms: fc.integer({ min: -5000, max: 5000 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('gradient2' as const, 'vegas' as const, 'aimd' as const),
        fc.integer({ min: 0, max: 2 }),
        fc.array(step, { maxLength: 120 }),
        async (algorithm, queue, steps) => {
          let now = 10_000;
          const clock = { ...manualClock(), now: () => now };
          const policy = concurrencyLimit({ algorithm, min: 1, initial: 2, max: 4, queue, window: 100, clock, random: () => 0.5 });
          const open: ((fails: boolean) => void)[] = [];
          const calls: Call[] = [];
          const settled: Promise<unknown>[] = [];
          const handler = policy<Call, Reply>(
            () =>
              new Promise((resolve, reject) =>
                open.push((fails) => (fails ? reject(new ServiceError('UNAVAILABLE', 'away')) : resolve(new Reply(200)))),
              ),
          );
          for (const one of steps) {
            if (one.do === 'open') {
              const call = callWith(one.deadline === null ? undefined : now + one.deadline);
              calls.push(call);
              settled.push(call.run(handler).catch(() => {}));
            } else if (one.do === 'end' && open.length > 0) open.splice(one.which % open.length, 1)[0]!(one.fails);
            else if (one.do === 'abort' && calls.length > 0) calls[one.which % calls.length]!.abort(new Error('gone'));
            else if (one.do === 'jump') now += one.ms;
            await turn();
            const { active, limit, queued } = policy.stats();
            expect(active).to.equal(open.length);
            expect(limit).to.be.within(1, 4);
            expect(queued).to.be.at.most(queue * 4);
            if (queued > 0) expect(active).to.be.at.least(limit);
          }
          while (open.length > 0) {
            open.pop()!(false);
            await turn();
          }
          await Promise.all(settled);
          expect(policy.stats()).to.include({ active: 0, queued: 0 });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leaves no timer behind after 10,000 calls', async () => {
    const clock = manualClock();
    const limited = guard(() => 'ok', concurrencyLimit({ clock, queue: 1, maxWait: '1s' }));
    for (let call = 0; call < 10_000; call++) await limited();
    expect(clock.pending).to.equal(0);
  });

  for (const [options, message] of [
    [{ min: 10, max: 5 }, 'concurrencyLimit min: 10 is above max, which is 5'],
    [{ min: 10, initial: 5 }, 'concurrencyLimit initial: 5 is not between min and max'],
    [{ algorithm: 'bbr' }, 'concurrencyLimit algorithm: "bbr" is unknown'],
    [{ tolerance: 0.5 }, 'concurrencyLimit tolerance: 0.5'],
    [{ queue: -1 }, 'concurrencyLimit queue: -1'],
    [{ maxWait: '1s' }, 'concurrencyLimit maxWait: nobody waits without a queue'],
    [{ window: 0 }, 'concurrencyLimit window: 0'],
    [{ limit: 5 }, 'concurrencyLimit: there is no option "limit"'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(() => concurrencyLimit(options as ConcurrencyLimitOptions)).to.throw(TypeError, message);
    });
  }
});
