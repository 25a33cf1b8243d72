import { expect } from 'chai';
import fc from 'fast-check';
import {
  Call,
  Reply,
  adaptiveScore,
  bulkhead,
  compose,
  degradation,
  guard,
  healthSource,
  monitor,
  pressureSource,
  replyCache,
  whenDegraded,
} from '@ferrule/core';
import type { Alert, DegradationMode, DegradationRule } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const call = (): Call => new Call({ side: 'client', operation: OPERATION });
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('degradation', () => {
  const rule = (name: string, priority: number, log: string[], more: Partial<DegradationRule> = {}): DegradationRule => ({
    name,
    priority,
    degrade: () => log.push(`+${name}`),
    rollback: () => log.push(`-${name}`),
    ...more,
  });

  it('follows a model: partial has the rules of 10 and more, full all, and less is given up only after leaveAfter passes', async () => {
    const modes = fc.array(fc.constantFrom<DegradationMode>('normal', 'partial', 'full'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(modes, fc.integer({ min: 1, max: 3 }), async (wanted, leaveAfter) => {
        const rank = { normal: 0, partial: 1, full: 2 };
        let asked: DegradationMode = 'normal';
        let model: DegradationMode = 'normal';
        let milder = 0;
        const part = degradation({ sources: [() => asked], rules: [rule('low', 1, []), rule('high', 10, [])], leaveAfter, clock: manualClock() });
        for (asked of wanted) {
          await part.evaluate();
          milder = rank[asked] < rank[model] ? milder + 1 : 0;
          if (rank[asked] > rank[model] || milder >= leaveAfter) {
            model = asked;
            milder = 0;
          }
          expect(part.mode).to.equal(model);
          expect(part.active).to.deep.equal({ normal: [], partial: ['high'], full: ['high', 'low'] }[model]);
        }
      }),
      { seed: 7 },
    );
  });

  it('rolls back a rule that runs out of time, and one that throws harms no other', async () => {
    const clock = manualClock();
    const log: string[] = [];
    const hangs = rule('hangs', 3, log, { degrade: () => new Promise(() => {}), timeout: 100 });
    const throws = rule('throws', 2, log, {
      degrade: () => {
        throw new Error('no');
      },
    });
    const part = degradation({ sources: [() => 'full'], rules: [rule('last', 1, log), throws, hangs], clock });
    const pass = part.evaluate();
    expect(part.evaluate()).to.equal(pass);
    await clock.advance(100);
    await pass;
    expect(log).to.deep.equal(['-hangs', '-throws', '+last']);
    expect(part.active).to.deep.equal(['last']);
  });

  it('stays degraded and alerts when the plan fails after its retries, and resolves both alerts once it succeeds', async () => {
    const clock = manualClock();
    const alerts: Alert[] = [];
    let asked: DegradationMode = 'full';
    let isValid = false;
    let executed = 0;
    const part = degradation({
      sources: [() => asked],
      rules: [],
      rollbackPlan: { steps: [{ name: 'warm', execute: () => executed++, validate: () => isValid }], checkInterval: 100, maxRetries: 2 },
      leaveAfter: 1,
      alerts: (alert) => alerts.push(alert),
      clock,
    });
    await part.evaluate();
    asked = 'normal';
    const pass = part.evaluate();
    await clock.advance(100);
    await clock.advance(200);
    await pass;
    expect([part.mode, executed]).to.deep.equal(['full', 3]);
    isValid = true;
    await part.evaluate();
    expect(part.mode).to.equal('normal');
    expect(alerts.map(({ kind, subject }) => `${kind} ${subject}`)).to.deep.equal([
      'raised degradation',
      'raised degradation recovery',
      'resolved degradation',
      'resolved degradation recovery',
    ]);
  });

  it('is a warning to readiness, never a failure, and its own warning does not keep it degraded', async () => {
    const health = monitor();
    let isDown = true;
    health.add({ name: 'db', run: () => !isDown, cacheFor: 0 });
    const part = degradation({ sources: [healthSource(health)], rules: [], leaveAfter: 1, clock: manualClock() });
    health.add(part.check);
    await part.evaluate();
    isDown = false;
    expect([part.mode, (await health.ready()).status, (await health.live()).status]).to.deep.equal(['full', 'warn', 'pass']);
    await part.evaluate();
    expect(part.mode).to.equal('normal');
    health.close();
  });

  it('hears of pressure from a bulkhead', async () => {
    const places = bulkhead(1);
    const source = pressureSource(places);
    const work = places(() => new Promise<Reply>(() => {}));
    void work(call());
    expect(source(new AbortController().signal)).to.equal('partial');
    await rejection(work(call()));
    expect(source(new AbortController().signal)).to.equal('full');
  });

  it('runs by its interval until it is stopped', async () => {
    const clock = manualClock();
    let passes = 0;
    const part = degradation({
      sources: [
        () => {
          passes++;
          return 'normal';
        },
      ],
      rules: [],
      interval: 1000,
      clock,
    });
    part.start();
    await part.evaluate();
    await clock.advance(1000);
    expect(passes).to.equal(2);
    await part.stop();
    await clock.advance(5000);
    expect(passes).to.equal(2);
  });
});

describe('whenDegraded', () => {
  it('refuses with 503 and Retry-After, or answers, from its mode on', async () => {
    const state: { mode: DegradationMode } = { mode: 'normal' };
    const work = guard(async () => 'fresh', whenDegraded(state, { mode: 'full', answer: 'cached' }));
    const refusing = guard(async () => 'fresh', whenDegraded(state, { retryAfter: '3s' }));
    expect([await work(), await refusing()]).to.deep.equal(['fresh', 'fresh']);
    state.mode = 'partial';
    expect(await work()).to.equal('fresh');
    expect(await rejection(refusing())).to.include({ code: 'UNAVAILABLE', reason: 'DEGRADED', retryAfterMs: 3000 });
    state.mode = 'full';
    expect(await work()).to.equal('cached');
  });

  it('has a reply cache above it give out what is stale', async () => {
    const clock = manualClock();
    const state: { mode: DegradationMode } = { mode: 'normal' };
    let served = 0;
    const handler = compose(replyCache({ ttl: 100, staleIfError: '1m', clock }), whenDegraded(state))(async () => new Reply(200, ++served));
    expect((await handler(call())).body).to.equal(1);
    state.mode = 'partial';
    await clock.advance(200);
    expect((await handler(call())).body).to.equal(1);
    expect(served).to.equal(1);
  });
});

describe('adaptiveScore', () => {
  it('stays within 0 and 100, and follows the formula', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(200, 404, 500), fc.integer({ min: 0, max: 3000 })), { minLength: 1, maxLength: 20 }),
        async (calls) => {
          const clock = manualClock();
          const score = adaptiveScore({ service: 'orders', sampleSize: 1, windowSize: '1h', clock });
          for (const [status, latency] of calls) {
            await score(async () => {
              await clock.advance(latency);
              return new Reply(status);
            })(call());
          }
          const { successRate, errorRate, latencyMs, consecutiveFailures } = score.stats();
          const slow = latencyMs > 500 ? Math.min(latencyMs / 50, 30) : 0;
          const penalty =
            Math.max(0, 0.95 - successRate) * 100 + slow + Math.max(0, errorRate - 0.05) * 50 + Math.max(0, consecutiveFailures - 3) * 15;
          expect(score.score)
            .to.be.closeTo(Math.max(0, 100 - penalty), 1e-9)
            .and.to.be.within(0, 100);
        },
      ),
      { seed: 7 },
    );
  });

  it('is sampling, then warming, then healthy; and critical after failures', async () => {
    const clock = manualClock();
    const score = adaptiveScore({ service: 'orders', sampleSize: 2, gracePeriod: 1000, clock });
    const answer = (status: number): Promise<Reply> => score(async () => new Reply(status))(call());
    await answer(200);
    expect(score.state).to.equal('sampling');
    await answer(200);
    expect(score.state).to.equal('warming');
    await clock.advance(1000);
    expect(score.state).to.equal('healthy');
    for (let count = 0; count < 8; count++) await answer(500);
    expect([score.state, score.score]).to.deep.equal(['critical', 0]);
  });

  for (const [name, latency, statuses, expected] of [
    ['all well', 10, [200, 200], 100],
    ['slow', 1000, [200, 200], 80],
    ['very slow: 30 points at most', 9000, [200, 200], 70],
    ['half of the calls answered with 404', 10, [200, 404], 55],
    ['half of the calls failed', 10, [200, 500], 32.5],
    ['all failed', 10, [500, 500], 0],
  ] as const) {
    it(`scores ${name}: ${expected}`, async () => {
      const clock = manualClock();
      const score = adaptiveScore({ service: 'orders', sampleSize: 1, windowSize: '1h', clock });
      for (const status of statuses) {
        await score(async () => {
          await clock.advance(latency);
          return new Reply(status);
        })(call());
      }
      expect(score.score).to.be.closeTo(expected, 1e-9);
    });
  }

  it('changes its level only by more than the margin, in both directions', async () => {
    const score = adaptiveScore({ service: 'orders', sampleSize: 1, margin: 2, thresholds: { successRate: 1 }, clock: manualClock() });
    const answer = async (status: number, count: number): Promise<void> => {
      for (let done = 0; done < count; done++) await score(async () => new Reply(status))(call());
    };
    await answer(200, 90);
    expect(score.level).to.equal('healthy');
    await answer(404, 11); // 89.1
    expect([score.score < 90, score.level]).to.deep.equal([true, 'healthy']);
    await answer(404, 3); // 86.5
    expect(score.level).to.equal('degraded');
    await answer(200, 40); // 90.3
    expect([score.score >= 90, score.level]).to.deep.equal([true, 'degraded']);
    await answer(200, 60); // 93.1
    expect(score.level).to.equal('healthy');
  });

  it('never rises with more latency or with more failures', async () => {
    const scored = async (latency: number, failures: number): Promise<number> => {
      const clock = manualClock();
      const score = adaptiveScore({ service: 'orders', sampleSize: 1, windowSize: '1h', clock });
      for (let done = 0; done < 20; done++) {
        await score(async () => {
          await clock.advance(latency);
          return new Reply(done < 20 - failures ? 200 : 500);
        })(call());
      }
      return score.score;
    };
    const latencies = fc.integer({ min: 0, max: 3000 });
    const failures = fc.integer({ min: 0, max: 20 });
    await fc.assert(
      fc.asyncProperty(latencies, latencies, failures, failures, async (slow, more, failed, further) => {
        expect(await scored(slow + more, failed)).to.be.at.most(await scored(slow, failed));
        expect(await scored(slow, Math.min(20, failed + further))).to.be.at.most(await scored(slow, failed));
      }),
      { seed: 7, numRuns: 30 },
    );
  });

  it('refuses to be a check of liveness', () => {
    expect(() => adaptiveScore({ service: 'orders' }).check({ groups: ['live'] })).to.throw(TypeError, 'live');
  });
});
