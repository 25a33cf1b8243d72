import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, ServiceError, backoff, guardAttempt, retry, timeout } from '@ferrule/core';
import type { Attempt, Policy } from '@ferrule/core';
import { runInContext } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

/** What one attempt does: it settles after `ms`; a deaf one does not mind an abort, as work that has no use for a signal. */
interface Step {
  readonly outcome: 'ok' | 'away' | 'final';
  readonly ms: number;
  readonly deaf: boolean;
}

interface Story {
  /** The last one stands for all that follow. */
  readonly steps: readonly Step[];
  /** When the time of the request is over, and when its client leaves. */
  readonly deadline: number | undefined;
  readonly abortAt: number | undefined;
}

interface Settings {
  readonly retries: number;
  readonly waitMs: number;
  readonly limitMs: number;
  readonly maxElapsedMs: number | undefined;
}

interface Outcome {
  readonly result: string;
  readonly at: number;
  readonly startedAt: readonly number[];
}

/** What has to come of a story, worked out step by step; undefined when two things happen in one ms, of which either may be first. */
function expected({ steps, deadline = Infinity, abortAt = Infinity }: Story, settings: Settings): Outcome | undefined {
  const { retries, waitMs, limitMs, maxElapsedMs = Infinity } = settings;
  const startedAt: number[] = [];
  const endsAt = Math.min(deadline, maxElapsedMs);
  let now = 0;
  for (let tried = 1; ; tried++) {
    let failure = 'timeout';
    if (deadline > now) {
      startedAt.push(now);
      const step = steps[Math.min(tried, steps.length) - 1]!;
      const limit = Math.min(now + limitMs, deadline);
      const settles = now + step.ms;
      if ([limit, settles].includes(abortAt) || settles === limit) return undefined;
      if (abortAt < limit && abortAt < settles) {
        if (!step.deaf) return { result: 'gone', at: abortAt, startedAt };
        const at = Math.min(settles, limit);
        if (settles > limit) return { result: 'timeout', at, startedAt };
        return { result: step.outcome, at, startedAt };
      }
      now = Math.min(settles, limit);
      if (settles < limit && step.outcome !== 'away') return { result: step.outcome, at: now, startedAt };
      if (settles < limit) failure = 'away';
    }
    if (tried > retries || now + waitMs >= endsAt) return { result: failure, at: now, startedAt };
    if (abortAt === now + waitMs) return undefined;
    if (abortAt < now + waitMs) return { result: 'gone', at: abortAt, startedAt };
    now += waitMs;
  }
}

const gone = new Error('the client left');

/** Runs stories side by side under one set of policies; counts what they leave. */
function stage(settings: Settings): {
  run(story: Story): Promise<Outcome>;
  clock: ReturnType<typeof manualClock>;
  left(): { listeners: number; works: number; timers: number };
} {
  const clock = manualClock();
  const count = { listeners: 0, works: 0 };
  /** As a bulkhead does: taken until what is below it has really ended. */
  const permit: Policy = (next) => (attempt) => {
    count.works++;
    attempt.onEnd(() => count.works--);
    return next(attempt);
  };
  const policies = [
    permit,
    retry({
      clock,
      retries: settings.retries,
      immediate: false,
      backoff: backoff.fixed(settings.waitMs),
      budgets: [],
      ...(settings.maxElapsedMs !== undefined && { maxElapsed: settings.maxElapsedMs }),
    }),
    permit,
    timeout({ limit: settings.limitMs, clock }),
  ];

  function work(attempt: Attempt, step: Step): Promise<string> {
    count.works++;
    attempt.onEnd(() => count.works--);
    return new Promise((resolve, reject) => {
      let takeBack = (): void => {};
      const timer = clock.schedule(step.ms, () => {
        takeBack();
        if (step.outcome === 'ok') resolve('ok');
        else if (step.outcome === 'away') reject(new ServiceError('UNAVAILABLE', 'away'));
        else reject(new ServiceError('NOT_FOUND', 'none'));
      });
      if (step.deaf) return;
      count.listeners++;
      const forget = attempt.onAbort((reason) => {
        count.listeners--;
        timer.cancel();
        reject(reason);
      });
      takeBack = () => {
        count.listeners--;
        forget();
      };
    });
  }

  return {
    clock,
    left: () => ({ ...count, timers: clock.pending }),
    async run({ steps, deadline, abortAt }) {
      const begun = clock.now();
      const startedAt: number[] = [];
      const request = new Call({
        side: 'server',
        operation: { service: 'shop', name: 'GET /', method: 'GET', path: '/', idempotent: true },
        deadline: deadline === undefined ? undefined : begun + deadline,
      });
      const leaves = abortAt === undefined ? undefined : clock.schedule(abortAt, () => request.abort(gone));
      const guarded = guardAttempt(
        { label: 'work' },
        (attempt) => {
          expect(attempt.attempt).to.equal(startedAt.length + 1);
          startedAt.push(clock.now() - begun);
          return work(attempt, steps[Math.min(startedAt.length, steps.length) - 1]!);
        },
        ...policies,
      );
      const result = await runInContext(request, () => guarded()).catch((error: unknown) => {
        if (error === gone) return 'gone';
        const { code } = error as ServiceError;
        return { UNAVAILABLE: 'away', NOT_FOUND: 'final', DEADLINE_EXCEEDED: 'timeout' }[code as 'UNAVAILABLE'];
      });
      leaves?.cancel();
      return { result, at: clock.now() - begun, startedAt };
    },
  };
}

const step = fc.record({ outcome: fc.constantFrom('ok', 'away', 'away', 'final'), ms: fc.integer({ min: 1, max: 60 }), deaf: fc.boolean() });
const story = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 4 }),
  deadline: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
  abortAt: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
});
const settings = fc.record({
  retries: fc.integer({ min: 0, max: 4 }),
  waitMs: fc.integer({ min: 1, max: 30 }),
  limitMs: fc.integer({ min: 1, max: 40 }),
  maxElapsedMs: fc.option(fc.integer({ min: 1, max: 150 }), { nil: undefined }),
});

describe('retry around timeout, against a model', () => {
  it('for any work, limits, deadline and abort at any point: the right result, at the right time, after the right attempts, and nothing left', async () => {
    let checked = 0;
    await fc.assert(
      fc.asyncProperty(story, settings, async (one, rules) => {
        const wanted = expected(one, rules);
        fc.pre(wanted !== undefined);
        checked++;
        const { run, clock, left } = stage(rules);
        const outcome = run(one);
        await clock.advance(1000);
        expect(await outcome).to.deep.equal(wanted);
        expect(left()).to.deep.equal({ listeners: 0, works: 0, timers: 0 });
      }),
      { numRuns: 400 },
    );
    expect(checked).to.be.greaterThan(100);
  });

  it('1,000 callers side by side each get what they would get alone, though they share timers and used waits', async () => {
    const rules: Settings = { retries: 2, waitMs: 7, limitMs: 30, maxElapsedMs: undefined };
    const stories = fc.sample(story, { numRuns: 4000, seed: 7 }).filter((one) => expected(one, rules) !== undefined);
    const { run, clock, left } = stage(rules);
    for (let round = 0; round < 3; round++) {
      const some = stories.slice(round * 1000, (round + 1) * 1000);
      expect(some).to.have.length(1000);
      const outcomes = some.map((one) => run(one));
      await clock.advance(1000);
      expect(await Promise.all(outcomes)).to.deep.equal(some.map((one) => expected(one, rules)));
      expect(left()).to.deep.equal({ listeners: 0, works: 0, timers: 0 });
    }
  });

  it('10,000 calls one after the other leave nothing behind', async () => {
    const rules: Settings = { retries: 2, waitMs: 3, limitMs: 20, maxElapsedMs: undefined };
    const stories = fc.sample(story, { numRuns: 500, seed: 11 });
    const { run, clock, left } = stage(rules);
    for (let batch = 0; batch < 20; batch++) {
      const outcomes = stories.map((one) => run(one));
      await clock.advance(500);
      await Promise.all(outcomes);
    }
    expect(left()).to.deep.equal({ listeners: 0, works: 0, timers: 0 });
  });
});

/** A clock whose time can be set forward or back between its timers, as no clock should do. */
function jumpingClock(): Clock & { jump(ms: number): void; advance(ms: number): Promise<void>; readonly pending: number } {
  const steady = manualClock({ now: 1_000_000 });
  let offset = 0;
  return {
    now: () => steady.now() + offset,
    wallTime: () => steady.wallTime() + offset,
    schedule: steady.schedule,
    advance: steady.advance,
    get pending() {
      return steady.pending;
    },
    jump: (ms) => void (offset += ms),
  };
}

const HOUR = 3_600_000;

describe('when the clock jumps', () => {
  const away = (): Promise<never> => Promise.reject(new ServiceError('UNAVAILABLE', 'away'));
  const hangs = (): Promise<never> => new Promise(() => {});

  it('forward by an hour while retry waits, it makes no attempt for which the time is over', async () => {
    const clock = jumpingClock();
    let attempts = 0;
    const request = new Call({
      side: 'server',
      operation: { service: 'shop', name: 'GET /', method: 'GET', path: '/', idempotent: true },
      deadline: clock.now() + 1000,
    });
    const guarded = guardAttempt(() => (attempts++, away()), retry({ clock, immediate: false, backoff: backoff.fixed(100) }));
    const failed = runInContext(request, () => guarded()).catch((error: ServiceError) => error.code);
    await clock.advance(50);
    clock.jump(HOUR);
    await clock.advance(100);
    expect(await failed).to.equal('UNAVAILABLE');
    expect(attempts).to.equal(1);
    expect(clock.pending).to.equal(0);
  });

  it('back by an hour while retry waits, it tries again when its wait is over', async () => {
    const clock = jumpingClock();
    let attempts = 0;
    const guarded = guardAttempt(
      async () => (++attempts === 1 ? away() : 'ok'),
      retry({ clock, immediate: false, backoff: backoff.fixed(100), maxElapsed: '1s' }),
    );
    const result = guarded();
    await clock.advance(50);
    clock.jump(-HOUR);
    await clock.advance(50);
    expect(await result).to.equal('ok');
  });

  it('forward by an hour, a timeout ends what it limits with its next timer', async () => {
    const clock = jumpingClock();
    const failed = guardAttempt(hangs, timeout({ limit: 100, clock }))().catch((error: ServiceError) => error.code);
    clock.jump(HOUR);
    await clock.advance(100);
    expect(await failed).to.equal('DEADLINE_EXCEEDED');
    expect(clock.pending).to.equal(0);
  });

  it('back by an hour, a timeout takes no more than twice its time, for those who wait and for those who come', async () => {
    const clock = jumpingClock();
    const limited = guardAttempt(hangs, timeout({ limit: 100, clock }));
    let settled = 0;
    const count = (): void => void settled++;
    limited().catch(count);
    await clock.advance(50);
    clock.jump(-HOUR);
    limited().catch(count);
    await clock.advance(150);
    expect(settled).to.equal(2);
    expect(clock.pending).to.equal(0);
  });
});
