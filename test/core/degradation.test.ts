import { expect } from 'chai';
import fc from 'fast-check';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Call,
  Reply,
  adaptiveScore,
  bulkhead,
  compose,
  degradation,
  guard,
  healthLevels,
  healthSource,
  levelsSource,
  monitor,
  pressureSource,
  replyCache,
  scoreSource,
  webhook,
  whenDegraded,
} from '@ferrule/core';
import type { Alert, DegradationMode, DegradationRule, Instance } from '@ferrule/core';
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

  it('follows the model with rules and plans that fail now and then: what is in force is what degraded and was not taken back', async () => {
    const pass = fc.record({
      asked: fc.constantFrom<DegradationMode>('normal', 'partial', 'full'),
      degrades: fc.boolean(),
      takesBack: fc.boolean(),
      planWorks: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(pass, { maxLength: 40 }), async (passes) => {
        let now = { asked: 'normal' as DegradationMode, degrades: true, takesBack: true, planWorks: true };
        const unless = (works: boolean): void => {
          if (!works) throw new Error('not now');
        };
        const really = new Set<string>();
        const fickle = (name: string, priority: number): DegradationRule => ({
          name,
          priority,
          degrade() {
            really.add(name); // also one that fails half-way has done something
            unless(now.degrades);
          },
          rollback() {
            unless(now.takesBack);
            really.delete(name);
          },
        });
        const part = degradation({
          sources: [() => now.asked],
          rules: [fickle('low', 1), fickle('high', 10)],
          rollbackPlan: { steps: [{ name: 'plan', execute: () => unless(now.planWorks) }], maxRetries: 0 },
          leaveAfter: 1,
          clock: manualClock(),
        });
        for (now of passes) {
          const before = part.mode;
          const hasTakenBack = now.takesBack || part.active.length === 0;
          await part.evaluate();
          expect(new Set(part.active)).to.deep.equal(really);
          if (now.asked !== 'normal') expect(part.mode).to.equal(now.asked);
          else if (before !== 'normal') expect(part.mode).to.equal(hasTakenBack && now.planWorks ? 'normal' : before);
          if (part.mode === 'normal') expect(part.active).to.deep.equal([]);
          if (now.asked === 'full' && now.degrades) expect(part.active).to.deep.equal(['high', 'low']);
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

  it('hears of pressure from a bulkhead: how full it is, and the share that it has refused since it was asked', async () => {
    const places = bulkhead(2);
    const source = pressureSource(places, { minimumCalls: 4 });
    const ask = (): unknown => source(new AbortController().signal);
    const quick = places(async () => new Reply(200));
    const ends: (() => void)[] = [];
    const open = places(() => new Promise<Reply>((resolve) => ends.push(() => resolve(new Reply(200)))));
    expect(ask()).to.equal('normal');
    const held = [open(call()), open(call())];
    expect(ask()).to.equal('partial');
    await rejection(quick(call())); // one call says nothing
    expect(ask()).to.equal('partial');
    for (let count = 0; count < 4; count++) await rejection(quick(call()));
    expect(ask()).to.equal('full');
    expect(ask()).to.equal('partial');
    for (const end of ends) end();
    await Promise.all(held);
  });

  it('follows a score and levels', async () => {
    const { signal } = new AbortController();
    for (const [level, mode] of [
      ['healthy', 'normal'],
      ['degraded', 'partial'],
      ['warning', 'partial'],
      ['critical', 'full'],
    ] as const)
      expect(scoreSource({ level })(signal), level).to.equal(mode);
    let status: 'pass' | 'warn' | 'fail' = 'pass';
    using levels = healthLevels({ application: [{ name: 'app', cacheFor: 0, run: () => ({ status }) }] });
    const source = levelsSource(levels);
    expect(await source(signal)).to.equal('normal');
    status = 'warn';
    expect(await source(signal)).to.equal('partial');
    status = 'fail';
    expect(await source(signal)).to.equal('full');
  });

  it('rolls a rule back again whose degrade ended after its time, and does not begin it anew before', async () => {
    const clock = manualClock();
    const log: string[] = [];
    let end = (): void => {};
    let isOn = false;
    const degrade = async (): Promise<void> => {
      log.push('begun');
      await new Promise<void>((resolve) => (end = resolve));
      isOn = true;
    };
    const rollback = (): void => {
      isOn = false;
      log.push('back');
    };
    const part = degradation({ sources: [() => 'full'], rules: [{ name: 'late', degrade, rollback, timeout: 100 }], clock });
    const pass = part.evaluate();
    await clock.advance(100);
    await pass;
    await part.evaluate();
    expect(log).to.deep.equal(['begun', 'back']);
    const again = new Promise((resolve) => part.on(({ kind }) => kind === 'rolled-back' && resolve(undefined)));
    end();
    await again;
    expect([isOn, log, part.active]).to.deep.equal([false, ['begun', 'back', 'back'], []]);
    const last = part.evaluate();
    await clock.advance(1);
    end();
    await last;
    expect([isOn, part.active]).to.deep.equal([true, ['late']]);
  });

  it('keeps the last answer of a source that throws, is late or says nonsense', async () => {
    const clock = manualClock();
    let answer: () => DegradationMode | Promise<DegradationMode> = () => 'full';
    const part = degradation({ sources: [() => answer()], rules: [], leaveAfter: 1, sourceTimeout: 100, clock });
    await part.evaluate();
    answer = () => JSON.parse('') as DegradationMode;
    await part.evaluate();
    answer = () => 'broken' as DegradationMode;
    await part.evaluate();
    answer = () => new Promise(() => {});
    const pass = part.evaluate();
    await clock.advance(100);
    await pass;
    expect(part.mode).to.equal('full');
    expect(part.history.map(({ kind }) => kind)).to.deep.equal(['mode', 'source-failed', 'source-failed', 'source-failed']);
  });

  it('tries a rollback again that fails, and is normal once it succeeds', async () => {
    const clock = manualClock();
    let asked: DegradationMode = 'full';
    let failures = 2;
    const rollback = (): void => {
      if (failures-- > 0) throw new Error('not yet');
    };
    const part = degradation({
      sources: [() => asked],
      rules: [rule('stubborn', 1, [], { rollback })],
      rollbackPlan: { checkInterval: 100 },
      leaveAfter: 1,
      clock,
    });
    await part.evaluate();
    asked = 'normal';
    const pass = part.evaluate();
    await clock.advance(100);
    await clock.advance(200);
    await pass;
    expect([part.mode, part.active]).to.deep.equal(['normal', []]);
    expect(part.history.filter(({ kind }) => kind === 'rollback-failed')).to.have.length(2);
  });

  it('stops in the middle of a recovery, aborting what runs, and stays as it is', async () => {
    const clock = manualClock();
    let asked: DegradationMode = 'full';
    let signal: AbortSignal | undefined;
    const execute = (given: AbortSignal): Promise<void> => {
      signal = given;
      return new Promise(() => {});
    };
    const part = degradation({ sources: [() => asked], rules: [], rollbackPlan: { steps: [{ name: 'hangs', execute }] }, leaveAfter: 1, clock });
    await part.evaluate();
    asked = 'normal';
    const pass = part.evaluate();
    while (signal === undefined) await Promise.resolve();
    await part.stop();
    await pass;
    expect([signal.aborted, part.mode]).to.deep.equal([true, 'full']);
    expect(() => part.start()).to.throw('was stopped');
  });

  it('enters only after enterAfter passes in a row', async () => {
    let asked: DegradationMode = 'full';
    const part = degradation({ sources: [() => asked], rules: [], enterAfter: 3, clock: manualClock() });
    const modes: DegradationMode[] = [];
    for (asked of ['full', 'full', 'normal', 'full', 'partial', 'full'] as const) {
      await part.evaluate();
      modes.push(part.mode);
    }
    expect(modes).to.deep.equal(['normal', 'normal', 'normal', 'normal', 'normal', 'full']);
  });

  it('keeps the newest events of its history', async () => {
    let asked: DegradationMode = 'normal';
    const part = degradation({ sources: [() => asked], rules: [], leaveAfter: 1, history: 3, clock: manualClock() });
    for (let count = 0; count < 10; count++) {
      asked = count % 2 === 0 ? 'full' : 'partial';
      await part.evaluate();
    }
    expect(part.history.map(({ mode }) => mode)).to.deep.equal(['partial', 'full', 'partial']);
  });

  it('alerts through a webhook', async () => {
    const bodies: unknown[] = [];
    const both = new Promise<void>((resolve) => {
      server.on('request', (request, response) => {
        let text = '';
        request.setEncoding('utf8').on('data', (part: string) => (text += part));
        request.on('end', () => {
          response.end();
          if (bodies.push(JSON.parse(text)) === 2) resolve();
        });
      });
    });
    const hook = webhook({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
    let asked: DegradationMode = 'full';
    const part = degradation({ sources: [() => asked], rules: [], leaveAfter: 1, alerts: hook });
    await part.evaluate();
    asked = 'normal';
    await part.evaluate();
    await both;
    expect(JSON.stringify(bodies)).to.match(/raised.*degradation: full mode.*resolved/);
    await hook.close();
  });
  const server = createServer();
  before((done) => void server.listen(0, '127.0.0.1', done));
  after((done) => void server.close(() => done()));

  const sources = [(): DegradationMode => 'normal'];
  const fine = { name: 'r', degrade: () => {}, rollback: () => {} };
  for (const [options, message] of [
    [{ sources: [], rules: [] }, 'degradation sources: there is none. Give'],
    [{ sources: ['x'], rules: [] }, 'degradation sources[0]'],
    [{ sources }, 'degradation rules: there are none. Give'],
    [{ sources, rules: [fine, fine] }, 'name: "r" is taken. Each'],
    [{ sources, rules: [{ ...fine, priority: NaN }] }, 'priority: NaN is no number. Give'],
    [{ sources, rules: [{ ...fine, rollback: undefined }] }, 'degradation rules[0] rollback'],
    [{ sources, rules: [{ ...fine, timeout: 0 }] }, 'degradation rules[0] timeout: 0'],
    [{ sources, rules: [], interval: 0 }, 'degradation interval: 0'],
    [{ sources, rules: [], enterAfter: 0 }, 'degradation enterAfter: 0'],
    [{ sources, rules: [], leaveAfter: 1.5 }, 'degradation leaveAfter: 1.5'],
    [{ sources, rules: [], history: -1 }, 'degradation history: -1'],
    [{ sources, rules: [], rollbackPlan: { maxRetries: -1 } }, 'degradation rollbackPlan maxRetries: -1'],
    [{ sources, rules: [], every: 3 }, 'every'],
  ] as const) {
    it(`refuses ${message}`, () => {
      expect(() => degradation(options as never)).to.throw(TypeError, message);
    });
  }

  for (const [options, message] of [
    [{ partial: 0 }, 'pressureSource partial: 0 is no share. Give'],
    [{ full: 0.001 }, 'pressureSource full: 0.001 is below partial'],
    [{ minimumCalls: 0 }, 'pressureSource minimumCalls: 0'],
    [{ refusals: 1 }, 'refusals'],
  ] as const) {
    it(`refuses ${message}`, () => {
      expect(() => pressureSource(bulkhead(1), options as never)).to.throw(TypeError, message);
    });
  }

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

  it('is scaling when the newer half of the window has more than twice the calls, and forgets what the window has left', async () => {
    const clock = manualClock();
    const score = adaptiveScore({ service: 'orders', sampleSize: 1, gracePeriod: 0, windowSize: 1000, clock });
    const answer = async (status: number, count: number): Promise<void> => {
      for (let done = 0; done < count; done++) await score(async () => new Reply(status))(call());
    };
    await answer(200, 4);
    await clock.advance(600);
    await answer(200, 8);
    expect(score.state).to.equal('healthy');
    await answer(200, 1);
    expect(score.state).to.equal('scaling');
    await answer(500, 20);
    expect([score.state, score.stats().consecutiveFailures]).to.deep.equal(['critical', 20]);
    await clock.advance(600);
    expect(score.stats()).to.include({ requests: 29, level: 'critical' });
    await clock.advance(500);
    expect(score.stats()).to.include({ requests: 0, level: 'healthy', state: 'sampling', score: 100, consecutiveFailures: 0 });
  });

  const endpoint = (id: string): { id: string; origin: string } => ({ id, origin: `http://${id}:80` });
  const instance = (id: string): Instance => ({ id, service: 'orders', host: id, port: 80 });
  it('is a health source: a critical instance fails until it scores better, or a window without calls is over', async () => {
    const clock = manualClock();
    const score = adaptiveScore({ service: 'orders', sampleSize: 3, windowSize: 1000, clock });
    const changes: string[] = [];
    const end = score.onChange((service, id) => changes.push(`${service} ${id}`));
    const answer = async (id: string, status: number, count: number): Promise<void> => {
      for (let done = 0; done < count; done++) await score(async () => new Reply(status))(call().derive({ endpoint: endpoint(id) }));
    };
    await answer('good', 200, 20);
    await answer('bad', 500, 2);
    expect(score.healthOf(instance('bad'))).to.equal(undefined);
    await answer('bad', 500, 1);
    expect(score.healthOf(instance('bad'))).to.equal(false);
    expect(score.healthOf(instance('good'))).to.equal(undefined);
    expect(score.healthOf({ ...instance('bad'), service: 'users' })).to.equal(undefined);
    expect(score.healthOf({ ...instance('bad'), port: 81 })).to.equal(undefined);
    expect(score.instances().map(({ id, level, isFailing }) => [id, level, isFailing])).to.deep.equal([
      ['good', 'healthy', false],
      ['bad', 'critical', true],
    ]);
    expect(score.stats().failing).to.equal(1);
    await clock.advance(1000);
    expect(score.healthOf(instance('bad'))).to.equal(undefined);
    await answer('bad', 500, 3);
    await answer('bad', 200, 60);
    expect(score.healthOf(instance('bad'))).to.equal(undefined);
    expect(changes).to.deep.equal(Array.from({ length: 4 }, () => 'orders bad'));
    end();
    await answer('bad', 500, 100);
    expect(changes).to.have.length(4);
  });

  it('keeps so many instances and no more, and tells of a failing one that it forgets', async () => {
    const score = adaptiveScore({ service: 'orders', sampleSize: 1, maxInstances: 2, clock: manualClock() });
    const changes: string[] = [];
    score.onChange((_, id) => changes.push(id));
    for (const id of ['a', 'b', 'c', 'd']) await score(async () => new Reply(500))(call().derive({ endpoint: endpoint(id) }));
    expect(score.instances().map(({ id }) => id)).to.deep.equal(['c', 'd']);
    expect(changes).to.deep.equal(['a', 'b', 'a', 'c', 'b', 'd']);
  });

  for (const [options, message] of [
    [{}, 'adaptiveScore service'],
    [{ service: 'x', sampleSize: 0 }, 'adaptiveScore sampleSize: 0'],
    [{ service: 'x', windowSize: 0 }, 'adaptiveScore windowSize: 0'],
    [{ service: 'x', margin: 11 }, 'adaptiveScore margin: 11 is no margin. Give'],
    [{ service: 'x', maxInstances: -1 }, 'adaptiveScore maxInstances: -1'],
    [{ service: 'x', thresholds: { successRate: 2 } }, 'adaptiveScore thresholds successRate: 2'],
    [{ service: 'x', thresholds: { latency: 0 } }, 'adaptiveScore thresholds latency: 0'],
    [{ service: 'x', rampUpPeriod: 1 }, 'rampUpPeriod'],
  ] as const) {
    it(`refuses ${message}`, () => {
      expect(() => adaptiveScore(options as never)).to.throw(TypeError, message);
    });
  }

  const off = { successRate: 1e-9, latency: '1h', errorRate: 1, consecutiveFailures: 1e6 };
  /** Of 20 calls so many are as bad; every other threshold is out of reach. */
  for (const [input, thresholds, status, latency] of [
    ['success rate', { ...off, successRate: 0.9 }, 404, () => 1],
    ['latency', { ...off, latency: 100 }, 200, (bad: number) => 20 + bad * 37],
    ['error rate', { ...off, errorRate: 0.1 }, 500, () => 1],
    ['consecutive failures', { ...off, consecutiveFailures: 2 }, 500, () => 1],
  ] as const) {
    it(`never rises with a worse ${input} alone, and falls in the end`, async () => {
      const scores: number[] = [];
      for (let bad = 0; bad <= 20; bad++) {
        const clock = manualClock();
        const score = adaptiveScore({ service: 'orders', sampleSize: 1, windowSize: '1h', thresholds, clock });
        for (let done = 0; done < 20; done++) {
          await score(async () => {
            await clock.advance(latency(bad));
            return new Reply(done < 20 - bad ? 200 : status);
          })(call());
        }
        scores.push(score.score);
      }
      expect(scores).to.deep.equal(scores.toSorted((one, other) => other - one));
      expect([scores[0], scores[20]! < 71]).to.deep.equal([100, true]);
    });
  }

  it('refuses to be a check of liveness', () => {
    expect(() => adaptiveScore({ service: 'orders' }).check({ groups: ['live'] })).to.throw(TypeError, 'live');
  });
});
