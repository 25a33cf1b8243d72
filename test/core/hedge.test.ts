import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import {
  Call,
  REASONS,
  Reply,
  ServiceError,
  bulkhead,
  client,
  createSelector,
  guard,
  guardAttempt,
  hedge,
  retry,
  retryBudget,
  roundRobin,
  staticRegistry,
  timeout,
} from '@ferrule/core';
import type { Attempt, HedgeEvent, HedgeOptions } from '@ferrule/core';
import { balance, traitsOf, verdictOn } from '@ferrule/core/adapter';
import { answers, manualClock, scriptedUpstream } from '@ferrule/testing';
import type { ManualClock } from '@ferrule/testing';
import { ScriptedDirectory, instances, outbound } from './selection-fixtures.js';

const operation = (method: string, name = `${method} /orders`) => ({
  service: 'orders',
  name,
  method,
  path: '/orders',
  idempotent: method === 'GET',
});
const read = (change: { deadline?: number; name?: string; body?: unknown } = {}): Call =>
  new Call({ side: 'client', operation: operation('GET', change.name), deadline: change.deadline, body: change.body });
const write = (headers = {}): Call => new Call({ side: 'client', operation: operation('POST'), headers });
const unavailable = (options = {}): ServiceError => new ServiceError('UNAVAILABLE', 'away', options);

/** Budgets that never forbid, so that a single call can be hedged. */
const FREE: HedgeOptions = { ratio: 1 };

interface Step {
  readonly ms: number;
  /** What it fails with; undefined: it answers with its number. */
  readonly error?: unknown;
  /** Whether it goes on although it was aborted. */
  readonly deaf?: boolean;
}

/** Work whose attempts go as the steps say, one after the other. */
function scripted(
  clock: ManualClock,
  ...steps: readonly Step[]
): { next: (attempt: Attempt) => Promise<Reply>; attempts: Attempt[]; starts: number[] } {
  const attempts: Attempt[] = [];
  const starts: number[] = [];
  return {
    attempts,
    starts,
    next(attempt) {
      const { ms, error, deaf = false } = steps[attempts.length] ?? { ms: 1e6 };
      attempts.push(attempt);
      starts.push(clock.now());
      const number = attempts.length;
      return new Promise((resolve, reject) => {
        const timer = clock.schedule(ms, () => {
          forget();
          if (error === undefined) resolve(new Reply(200, number));
          else reject(error);
        });
        const forget = deaf
          ? () => {}
          : attempt.onAbort((reason) => {
              timer.cancel();
              reject(reason);
            });
      });
    },
  };
}

/** Gives the budget its share: so many calls that were in time. */
async function warm(handler: (call: Call) => Promise<unknown>, calls: number, name?: string): Promise<void> {
  for (let call = 0; call < calls; call++) await read(name === undefined ? {} : { name }).run(handler);
}

describe('hedge', () => {
  it('makes no second attempt when the first answers in time, and leaves nothing behind', async () => {
    const clock = manualClock();
    const { next, attempts } = scripted(clock, { ms: 9 });
    const policy = hedge({ ...FREE, delay: 10, clock });
    const call = read();
    const answer = call.run(policy(next));
    await clock.advance(9);
    expect((await answer).body).to.equal(1);
    await clock.advance(100);
    expect(attempts).to.have.length(1);
    expect(clock.pending).to.equal(0);
    expect(call.ended).to.equal(true);
    expect(policy.stats()).to.deep.equal({ hedged: 0, won: 0, forbidden: 0 });
  });

  it('makes one when it is late, takes what comes first, and aborts the other as cancelled', async () => {
    const clock = manualClock();
    const { next, attempts, starts } = scripted(clock, { ms: 100 }, { ms: 5 });
    const events: HedgeEvent[] = [];
    const policy = hedge({ ...FREE, delay: 10, clock, on: (event) => void events.push(event) });
    const call = read();
    const answer = call.run(policy(next));
    await clock.advance(15);
    expect((await answer).body).to.equal(2);
    expect(starts).to.deep.equal([0, 10]);
    expect(attempts.map(({ attempt }) => attempt)).to.deep.equal([1, 2]);
    const [loser] = attempts;
    expect(loser!.aborted).to.equal(true);
    expect(loser!.reason).to.include({ code: 'CANCELLED', reason: REASONS.hedgeLost });
    expect(verdictOn(loser!.reason, loser!)).to.equal('nothing');
    expect(call.aborted).to.equal(false);
    expect(call.ended).to.equal(true);
    expect(policy.stats()).to.deep.equal({ hedged: 1, won: 1, forbidden: 0 });
    expect(events.map(({ kind, attempt, afterMs }) => [kind, attempt, afterMs])).to.deep.equal([
      ['hedge', 2, 10],
      ['won', 2, 15],
    ]);
  });

  it('takes the first attempt when that answers before the second', async () => {
    const clock = manualClock();
    const { next, attempts } = scripted(clock, { ms: 12 }, { ms: 50 });
    const policy = hedge({ ...FREE, delay: 10, clock });
    const answer = policy(next)(read());
    await clock.advance(12);
    expect((await answer).body).to.equal(1);
    expect(attempts[1]!.aborted).to.equal(true);
    expect(policy.stats()).to.deep.equal({ hedged: 1, won: 0, forbidden: 0 });
  });

  it('makes up to `max` more, each after the delay', async () => {
    const clock = manualClock();
    const { next, starts } = scripted(clock);
    const call = read();
    const answer = call.run(hedge({ ...FREE, ratio: 1, delay: 10, max: 3, clock, budgets: [] })(next)).catch((error: unknown) => error);
    await clock.advance(1_000);
    // One call allows one hedge with a ratio of 1: the budget forbids the others.
    expect(starts).to.deep.equal([0, 10]);
    call.abort(new Error('enough'));
    await answer;

    const more = scripted(clock);
    const policy = hedge({ ...FREE, delay: 10, max: 3, clock });
    const handler = policy(more.next);
    const calls = [read(), read(), read()];
    const answers = calls.map((one) => one.run(handler).catch(() => {}));
    await clock.advance(1_000);
    expect(more.starts).to.have.length(6);
    for (const one of calls) one.abort(new Error('enough'));
    await Promise.all(answers);
    expect(calls.every((one) => one.ended)).to.equal(true);
  });

  describe('the delay', () => {
    it('is what 95 % of the last 512 calls of the operation took', async () => {
      const clock = manualClock();
      let ms = 0;
      const starts: number[] = [];
      const next = (attempt: Attempt): Promise<number> => {
        starts.push(clock.now());
        if (attempt.attempt > 1) return Promise.resolve(2);
        return new Promise((resolve) => clock.schedule(ms, () => resolve(1)));
      };
      const policy = hedge({ clock });
      const handler = policy(next);
      for (let call = 1; call <= 600; call++) {
        ms = call % 100;
        const answer = read().run(handler);
        await clock.advance(100);
        await answer;
      }
      await clock.advance(10_000); // the budget has forgotten its spending
      for (let call = 0; call < 40; call++) {
        ms = 0;
        const answer = read().run(handler);
        await clock.advance(1);
        await answer;
      }
      starts.length = 0;
      ms = 5_000;
      const began = clock.now();
      const late = read().run(handler);
      await clock.advance(200);
      expect(await late).to.equal(2);
      // 472 samples of 0 to 99, and 40 of 0: the 487th of 512 in order.
      expect(starts[1]! - began).to.be.within(92, 96);
    });

    it('is `initialDelay` while fewer than 20 are known, and never below 1 ms', async () => {
      const clock = manualClock();
      const { next, starts } = scripted(clock, { ms: 1e5 }, { ms: 1 });
      const answer = hedge({ ...FREE, initialDelay: 70, clock })(next)(read());
      await clock.advance(71);
      expect((await answer).body).to.equal(2);
      expect(starts).to.deep.equal([0, 70]);

      const quick = hedge({ ...FREE, clock });
      let first = true;
      const second: number[] = [];
      const handler = quick((attempt: Attempt) => {
        if (!first && attempt.attempt === 1) return new Promise<void>(() => {});
        second.push(clock.now());
        return Promise.resolve();
      });
      await warm(handler, 40);
      first = false;
      const began = clock.now();
      const done = handler(read());
      await clock.advance(1);
      await done;
      expect(second.at(-1)! - began).to.equal(1);
    });

    it('is known for each operation by itself: a slow one does not make a fast one wait', async () => {
      const clock = manualClock();
      let hang = false;
      const starts: number[] = [];
      const handler = hedge({ clock, ratio: 1 })((attempt: Attempt) => {
        starts.push(clock.now());
        if (attempt.attempt > 1) return Promise.resolve();
        const ms = hang ? 1e6 : attempt.label === 'slow' ? 500 : 4;
        return new Promise<void>((resolve) => clock.schedule(ms, resolve));
      });
      for (let call = 0; call < 25; call++) {
        const answers = [read({ name: 'slow' }).run(handler), read({ name: 'fast' }).run(handler)];
        await clock.advance(600);
        await Promise.all(answers);
      }
      await clock.advance(2_000);
      hang = true;
      starts.length = 0;
      const began = clock.now();
      const late = read({ name: 'fast' }).run(handler);
      await clock.advance(600);
      await late;
      expect(starts[1]! - began).to.equal(4);
    });
  });

  describe('budgets', () => {
    it('hedges 5 % of the calls at most, however late all of them are', async () => {
      const clock = manualClock();
      const policy = hedge({ delay: 5, clock });
      const handler = policy((attempt: Attempt) => new Promise<number>((resolve) => clock.schedule(50, () => resolve(attempt.attempt))));
      const answers: Promise<number>[] = [];
      for (let burst = 0; burst < 100; burst++) {
        for (let call = 0; call < 20; call++) answers.push(read().run(handler));
        await clock.advance(20);
      }
      await clock.advance(100);
      await Promise.all(answers);
      const { hedged, forbidden } = policy.stats();
      expect(hedged).to.be.within(95, 100);
      expect(forbidden).to.be.within(1_900, 2_000); // some were made later
    });

    it('without calls there is no reserve: a lone call is not hedged', async () => {
      const clock = manualClock();
      const { next, starts } = scripted(clock, { ms: 100 });
      const policy = hedge({ delay: 10, clock });
      const answer = policy(next)(read());
      await clock.advance(100);
      await answer;
      expect(starts).to.have.length(1);
      expect(policy.stats()).to.deep.equal({ hedged: 0, won: 0, forbidden: 1 });
    });

    it('a burst of late calls does not spend what later ones need: a slow call gets the next hedge that is earned', async () => {
      const clock = manualClock();
      const policy = hedge({ delay: 5, clock });
      let takes = 1;
      const tries: number[] = [];
      const handler = policy((attempt: Attempt) => {
        tries.push(attempt.attempt);
        return new Promise<number>((resolve) => clock.schedule(attempt.attempt > 1 ? 1 : takes, () => resolve(attempt.attempt)));
      });
      const answers: Promise<number>[] = [];
      const calls = async (count: number): Promise<void> => {
        for (let call = 0; call < count; call++) answers.push(read().run(handler));
        await clock.advance(1);
      };
      await calls(1_000);
      takes = 8; // all are a little late, as after a pause
      await calls(100);
      await clock.advance(10);
      expect(policy.stats(), 'ten are saved up').to.include({ hedged: 10, forbidden: 90 });

      takes = 1_000;
      const slow = [read().run(handler), read().run(handler)];
      await clock.advance(6);
      takes = 1;
      await calls(17);
      expect(policy.stats().hedged, '19 calls since').to.equal(10);
      await calls(1);
      expect(policy.stats().hedged).to.equal(11);
      await clock.advance(1);
      expect(await slow[0], 'the one that waits longer').to.equal(2);
      await calls(20);
      await clock.advance(1);
      expect(await slow[1]).to.equal(2);
      await Promise.all(answers);

      const before = tries.length;
      await calls(100);
      expect(tries.length - before, 'whoever has ended waits for none').to.equal(100);
      expect(policy.stats().hedged).to.equal(12);
      await clock.advance(2_000);
      expect(clock.pending).to.equal(0);
    });

    it('a call that was given up while it waits gets no hedge', async () => {
      const clock = manualClock();
      const { next, starts } = scripted(clock, { ms: 100 }, ...Array.from({ length: 60 }, () => ({ ms: 1 })));
      const policy = hedge({ delay: 10, clock });
      const handler = policy(next);
      const call = read();
      const gone = call.run(handler).catch((error: unknown) => error);
      await clock.advance(20);
      expect(policy.stats().forbidden).to.equal(1);
      call.abort(new Error('gone'));
      await gone;
      const others = Array.from({ length: 40 }, () => read().run(handler));
      await clock.advance(1);
      await Promise.all(others);
      expect(starts).to.have.length(41);
      expect(policy.stats().hedged).to.equal(0);
    });

    it('asks and charges those of the retry, and tells them of failures that were mended', async () => {
      const clock = manualClock();
      const told: string[] = [];
      let allow = true;
      const budget = {
        began: () => void told.push('began'),
        succeeded: () => void told.push('succeeded'),
        failed: () => void told.push('failed'),
        allows: () => allow,
        spend: () => void told.push('spend'),
      };
      const mended = scripted(clock, { ms: 1, error: unavailable() }, { ms: 1 });
      const answer = hedge({ ...FREE, delay: 10, clock, budgets: [budget] })(mended.next)(read());
      await clock.advance(2);
      expect((await answer).body).to.equal(2);
      expect(told).to.deep.equal(['spend', 'failed']);

      allow = false;
      const policy = hedge({ ...FREE, delay: 10, clock, budgets: [budget] });
      const late = scripted(clock, { ms: 100 });
      const alone = policy(late.next)(read());
      await clock.advance(100);
      await alone;
      expect(policy.stats().forbidden).to.equal(1);
    });
  });

  describe('failures', () => {
    it('starts the next attempt at once when another may do better', async () => {
      const clock = manualClock();
      const { next, starts } = scripted(clock, { ms: 3, error: unavailable() }, { ms: 4 });
      const answer = hedge({ ...FREE, delay: 100, clock })(next)(read());
      await clock.advance(7);
      expect((await answer).body).to.equal(2);
      expect(starts).to.deep.equal([0, 3]);
    });

    it('waits for the attempt under way, and throws the last failure when all fail', async () => {
      const clock = manualClock();
      const last = unavailable();
      const { next, starts } = scripted(clock, { ms: 15, error: unavailable() }, { ms: 40, error: last });
      const call = read();
      const failed = call.run(hedge({ ...FREE, delay: 10, clock })(next)).catch((error: unknown) => error);
      await clock.advance(50);
      expect(await failed).to.equal(last);
      expect(starts).to.have.length(2);
      expect(call.ended).to.equal(true);
      expect(clock.pending).to.equal(0);
    });

    it('ends at once with a failure that no other attempt would mend', async () => {
      const clock = manualClock();
      const none = new ServiceError('NOT_FOUND', 'none');
      const { next, attempts } = scripted(clock, { ms: 1e5 }, { ms: 5, error: none });
      const failed = hedge({ ...FREE, delay: 10, clock })(next)(read()).catch((error: unknown) => error);
      await clock.advance(15);
      expect(await failed).to.equal(none);
      expect(attempts[0]!.aborted).to.equal(true);
    });

    it('leaves a Retry-After to the retry around it', async () => {
      const clock = manualClock();
      const busy = unavailable({ retryAfterMs: 2_000 });
      const { next, starts } = scripted(clock, { ms: 3, error: busy });
      const failed = hedge({ ...FREE, delay: 100, clock })(next)(read()).catch((error: unknown) => error);
      await clock.advance(3);
      expect(await failed).to.equal(busy);
      expect(starts).to.have.length(1);
    });

    it('with a `when` that throws, throws what the call failed with', async () => {
      const clock = manualClock();
      const error = unavailable();
      const { next } = scripted(clock, { ms: 1, error });
      const broken = (): boolean => {
        throw new Error('bug');
      };
      const failed = hedge({ ...FREE, delay: 10, clock, when: broken })(next)(read()).catch((thrown: unknown) => thrown);
      await clock.advance(1);
      expect(await failed).to.equal(error);
    });
  });

  describe('is not for', () => {
    for (const [what, call, times] of [
      ['a write', () => write(), 1],
      ['a stream as body', () => read({ body: Readable.from(['x']) }), 1],
      ['a call whose time is over', () => read({ deadline: 8 }), 1],
      ['but for a write with an idempotency key', () => write({ 'idempotency-key': '"8e03"' }), 2],
      ['but for a body of bytes', () => read({ body: Buffer.from('x') }), 2],
    ] as const) {
      it(what, async () => {
        const clock = manualClock();
        const { next, starts } = scripted(clock, { ms: 50 }, { ms: 50 });
        const answer = hedge({ ...FREE, delay: 10, clock })(next)(call());
        await clock.advance(60);
        await answer;
        expect(starts).to.have.length(times);
      });
    }

    it('calls that `eligible` leaves out, and when there is nowhere else to go', async () => {
      const clock = manualClock();
      for (const options of [
        { eligible: () => false },
        { elsewhere: () => false },
        {
          elsewhere: () => {
            throw new Error('bug');
          },
        },
      ] satisfies HedgeOptions[]) {
        const { next, starts } = scripted(clock, { ms: 50 });
        const policy = hedge({ ...FREE, delay: 10, clock, ...options });
        const answer = policy(next)(read());
        await clock.advance(50);
        await answer;
        expect(starts).to.have.length(1);
        expect(policy.stats()).to.deep.equal({ hedged: 0, won: 0, forbidden: 0 });
      }
    });

    it('a caller who has left', async () => {
      const clock = manualClock();
      const gone = new Error('gone');
      const { next, starts } = scripted(clock, { ms: 20, deaf: true });
      const call = read();
      const answer = call.run(hedge({ ...FREE, delay: 10, clock })(next));
      await clock.advance(5);
      call.abort(gone);
      await clock.advance(20);
      await answer;
      expect(starts).to.have.length(1);
    });
  });

  it('keeps the permit of the call until the attempt that lost has really ended', async () => {
    const clock = manualClock();
    const limit = bulkhead(1);
    const { next } = scripted(clock, { ms: 100, deaf: true }, { ms: 1 });
    const call = read();
    const answer = call.run(limit(hedge({ ...FREE, delay: 10, clock })(next)));
    await clock.advance(11);
    await answer;
    expect(limit.active).to.equal(1);
    await clock.advance(100);
    expect(limit.active).to.equal(0);
  });

  it('closes a stream that comes too late', async () => {
    const clock = manualClock();
    const late = Readable.from(['late']);
    const handler = hedge({ ...FREE, delay: 10, clock })((attempt: Attempt) =>
      attempt.attempt === 1
        ? new Promise<Reply>((resolve) => clock.schedule(50, () => resolve(new Reply(200, late))))
        : Promise.resolve(new Reply(200, 'second')),
    );
    const call = read();
    const answer = call.run(handler);
    await clock.advance(10);
    expect((await answer).body).to.equal('second');
    await clock.advance(40);
    expect(late.destroyed).to.equal(true);
    expect(call.ended).to.equal(true);
  });

  it('makes a hedge in the context of its call, not of whoever set the timer', async () => {
    const clock = manualClock();
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const handler = hedge({ ...FREE, delay: 10, clock })(() => {
      seen.push(storage.getStore());
      return new Promise<void>((resolve) => clock.schedule(50, resolve));
    });
    const answers = ['a', 'b'].map((who) => storage.run(who, () => read().run(handler)));
    await clock.advance(50);
    await Promise.all(answers);
    expect(seen).to.deep.equal(['a', 'b', 'a', 'b']);
  });

  it('guards functions too, which see the signal of their attempt', async () => {
    const clock = manualClock();
    const aborted: number[] = [];
    const work = guardAttempt(
      (attempt, ms: number) =>
        new Promise<number>((resolve) => {
          attempt.signal.addEventListener('abort', () => void aborted.push(attempt.attempt));
          clock.schedule(attempt.attempt === 1 ? ms : 1, () => resolve(attempt.attempt));
        }),
      hedge({ ...FREE, delay: 10, clock }),
    );
    const answer = work(100);
    await clock.advance(11);
    expect(await answer).to.equal(2);
    expect(aborted).to.deep.equal([1]);
    await clock.advance(100);
    expect(await guard(() => 5, hedge())()).to.equal(5);
  });

  it('composes with retry and timeout: a retry begins when all attempts have failed, and no number comes twice', async () => {
    const clock = manualClock();
    const { next, attempts } = scripted(clock, { ms: 20, error: unavailable() }, { ms: 20, error: unavailable() }, { ms: 1e6 }, { ms: 2 });
    const budgets = [retryBudget({ ratio: 1, clock })];
    const handler = retry({ clock, budgets })(hedge({ ratio: 1, delay: 10, clock, budgets })(timeout({ limit: 500, clock })(next)));
    const call = read();
    const answer = call.run(handler);
    await clock.advance(60);
    expect((await answer).body).to.equal(4);
    expect(attempts.map(({ attempt }) => attempt)).to.deep.equal([1, 2, 3, 4]);
    expect(call.ended).to.equal(true);
    await clock.advance(600);
    expect(clock.pending).to.equal(0);
  });

  describe('with a balancer', () => {
    const balanced = (clock: ManualClock, count: number) => {
      const selector = createSelector({ service: 'orders', directory: new ScriptedDirectory(instances(count)), clock });
      const policy = hedge({ ...FREE, delay: 10, clock });
      return { selector, policy, around: (next: (call: Call) => Promise<Reply>) => policy(balance(selector)(next)) };
    };

    it('goes to an endpoint where no attempt is under way, and the one that lost is no failure of its endpoint', async () => {
      const clock = manualClock();
      const { selector, around } = balanced(clock, 2);
      for (let round = 0; round < 40; round++) {
        const where: string[] = [];
        const handler = around((call) => {
          where.push(call.endpoint!.id);
          const ms = call.attempt === 1 ? 100 : 5;
          return new Promise((resolve, reject) => {
            const timer = clock.schedule(ms, () => resolve(new Reply(200, ms)));
            call.onAbort((reason) => {
              timer.cancel();
              reject(reason);
            });
          });
        });
        const answer = outbound().run(handler);
        await clock.advance(20);
        expect((await answer).body).to.equal(5);
        expect(new Set(where)).to.have.length(2);
      }
      for (const { state, success, waiting, open } of selector.endpoints())
        expect({ state, success, waiting, open }).to.deep.equal({ state: 'ready', success: 1, waiting: 0, open: 0 });
    });

    it('makes no hedge when there is one endpoint, or all others are ejected', async () => {
      const clock = manualClock();
      const { policy, around } = balanced(clock, 1);
      let attempts = 0;
      const handler = around(async () => {
        attempts++;
        await new Promise<void>((resolve) => clock.schedule(100, resolve));
        return new Reply(200);
      });
      const answer = outbound().run(handler);
      await clock.advance(100);
      await answer;
      expect(attempts).to.equal(1);
      expect(policy.stats()).to.deep.equal({ hedged: 0, won: 0, forbidden: 0 });
    });
  });

  it('on real sockets: an instance that hangs costs the delay, and is no failure of that instance', async () => {
    await using hanging = await scriptedUpstream();
    await using quick = await scriptedUpstream();
    hanging.otherwise(answers.hang());
    quick.otherwise(answers.ok({ by: 'quick' }));
    const policy = hedge({ ratio: 1, delay: 5 });
    const registry = staticRegistry({ orders: [hanging.origin, quick.origin] });
    await using orders = client('orders', { registry, balancer: roundRobin(), retry: false, wrappers: [{ wrapper: policy, after: 'retry' }] });
    expect(orders.describe().indexOf('hedge')).to.equal(orders.describe().indexOf('balance') - 1);
    for (let round = 0; round < 6; round++) expect(await orders.get('/orders')).to.deep.equal({ by: 'quick' });
    const { hedged, won } = policy.stats();
    expect(won).to.be.within(1, hedged);
    expect(hanging.requests).to.have.length.within(1, 6);
    await Promise.all(hanging.requests.map(({ finished }) => finished));
    for (const { state, success, open } of orders.endpoints())
      expect({ state, success, open }).to.deep.equal({ state: 'ready', success: 1, open: 0 });
    expect(quick.requests.map(({ headers }) => headers['x-attempt-count'])).to.include('2');
  });

  it('does as its rule says, however two attempts and an abort interleave', async () => {
    const kinds = ['ok', 'mendable', 'fatal'] as const;
    const step = fc.record({ ms: fc.integer({ min: 1, max: 12 }).map((tens) => tens * 10), kind: fc.constantFrom(...kinds), deaf: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(step, step, fc.integer({ min: 0, max: 11 }), fc.option(fc.integer({ min: 0, max: 24 })), async (one, two, delay, leave) => {
        const clock = manualClock();
        const delayMs = delay * 10 + 5;
        const leaveAt = leave === null ? Infinity : leave * 10 + 2;
        const errors = [one, two].map(({ kind }) =>
          kind === 'ok' ? undefined : kind === 'fatal' ? new ServiceError('NOT_FOUND', 'none') : unavailable(),
        );
        const gone = new Error('gone');
        const { next, attempts, starts } = scripted(
          clock,
          ...[one, two].map(({ ms, deaf }, index) => ({ ms, deaf, ...(errors[index] !== undefined && { error: errors[index] }) })),
        );
        const policy = hedge({ ...FREE, delay: delayMs, clock });
        const call = read();
        let settledAt = -1;
        const outcome = call
          .run(policy(next))
          .then(
            ({ body }): unknown => body,
            (error: unknown) => error,
          )
          .finally(() => (settledAt = clock.now()));
        if (leaveAt < Infinity) clock.schedule(leaveAt, () => call.abort(gone));
        await clock.advance(1_000);

        // The rule, written down once more without promises.
        const secondAt = one.ms < delayMs ? (one.kind === 'mendable' ? one.ms : Infinity) : delayMs;
        const hedged = secondAt < Infinity && secondAt < leaveAt;
        const ends = [{ at: one.ms, index: 0 }, ...(hedged ? [{ at: secondAt + two.ms, index: 1 }] : [])].map((end) =>
          [one, two][end.index]!.deaf ? { ...end, left: false } : { ...end, left: leaveAt < end.at, at: Math.min(end.at, leaveAt) },
        );
        ends.sort((a, b) => a.at - b.at);
        let expected: { at: number; what: unknown } = { at: -1, what: undefined };
        for (const { at, index, left } of ends) {
          const error = left ? gone : errors[index];
          expected = { at, what: error ?? index + 1 };
          const settles = error === undefined || at >= leaveAt || [one, two][index]!.kind === 'fatal';
          if (settles) break;
        }
        expect(await outcome).to.equal(expected.what);
        expect(settledAt).to.equal(expected.at);
        expect(starts).to.deep.equal(hedged ? [0, secondAt] : [0]);
        expect(policy.stats().hedged).to.equal(hedged ? 1 : 0);
        expect(policy.stats().won).to.equal(expected.what === 2 ? 1 : 0);
        expect(
          attempts.every((attempt) => !attempt.aborted || attempt.reason === gone || (attempt.reason as ServiceError).code === 'CANCELLED'),
        ).to.equal(true);
        expect(call.ended).to.equal(true);
        expect(clock.pending).to.equal(0);
      }),
      { numRuns: 250 },
    );
  }).timeout(20_000);

  it('leaves nothing behind after 10,000 calls, of which 1,000 are under way at a time, many hedged or aborted', async () => {
    const clock = manualClock();
    const policy = hedge({ ratio: 1, delay: 10, clock });
    let listeners = 0;
    const handler = policy((attempt: Attempt) => {
      return new Promise<void>((resolve, reject) => {
        const timer = clock.schedule(attempt.attempt === 1 ? 20 : 5, () => {
          listeners--;
          forget();
          resolve();
        });
        listeners++;
        const forget = attempt.onAbort((reason) => {
          listeners--;
          timer.cancel();
          reject(reason);
        });
      });
    });
    for (let batch = 0; batch < 10; batch++) {
      const calls = Array.from({ length: 1_000 }, () => read());
      const answers = calls.map((call) => call.run(handler).catch(() => {}));
      await clock.advance(7);
      for (let index = 0; index < calls.length; index += 3) calls[index]!.abort(new Error('gone'));
      await clock.advance(50);
      await Promise.all(answers);
      expect(calls.every((call) => call.ended)).to.equal(true);
    }
    expect(listeners).to.equal(0);
    await clock.advance(1_000);
    expect(clock.pending).to.equal(0);
    expect(policy.stats().hedged).to.be.above(6_000);
  }).timeout(20_000);

  it('hedges none of the calls whose replies came while the event loop stood still', async () => {
    // Timers run before what has arrived is read, so that after a pause every call looks late.
    const seen = new Int32Array(new SharedArrayBuffer(4));
    const source = `
      const { parentPort, workerData: seen } = require('node:worker_threads');
      parentPort.on('message', (number) => {
        parentPort.postMessage(number);
        Atomics.add(seen, 0, 1);
        Atomics.notify(seen, 0);
      });`;
    const upstream = new Worker(source, { eval: true, workerData: seen });
    try {
      const waiting = new Map<number, () => void>();
      upstream.on('message', (number: number) => waiting.get(number)?.());
      await once(upstream, 'online');
      const policy = hedge({ ratio: 1, delay: 10 });
      let sent = 0;
      const handler = policy(async (_attempt: Attempt) => {
        const number = sent++;
        const reply = new Promise<void>((resolve) => waiting.set(number, resolve));
        upstream.postMessage(number);
        await reply;
      });
      await nextTurn(); // next in the loop are timers
      const answers = Array.from({ length: 50 }, () => read().run(handler));
      const until = performance.now() + 30;
      for (let count = 0; count < 50; count = Atomics.load(seen, 0)) Atomics.wait(seen, 0, count);
      while (performance.now() < until); // the pause
      await Promise.all(answers);
      expect(policy.stats().hedged).to.equal(0);
    } finally {
      await upstream.terminate();
    }
  });

  it('bears a clock that jumps', async () => {
    const clock = manualClock();
    let offset = 0;
    const jumping = { ...clock, now: () => clock.now() + offset, schedule: clock.schedule.bind(clock) };
    const policy = hedge({ ratio: 1, clock: jumping });
    const handler = policy(async () => {
      offset += offset > 0 ? -7_000 : 7_000;
    });
    for (let call = 0; call < 1_000; call++) await read().run(handler);
    await clock.advance(100_000);
    expect(clock.pending).to.equal(0);
  });

  it('says that it runs the handler again, so that it is refused on native routes', () => {
    expect(traitsOf(hedge())).to.deep.equal({ name: 'hedge', replays: true });
  });

  for (const [options, message] of [
    [{ delay: 0 }, 'hedge delay: 0 is no time at all'],
    [{ percentile: 1 }, 'hedge percentile: 1 is no such share'],
    [{ max: 4 }, 'hedge max: 4 is no number of extra attempts'],
    [{ ratio: 0 }, 'hedge ratio: 0 is no share'],
    [{ budgets: [{}] }, 'hedge budgets'],
    [{ when: true }, 'hedge when: true is no function'],
    [{ after: 10 }, 'hedge: there is no option "after"'],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      expect(() => hedge(options as never)).to.throw(TypeError, message);
    });
  }
});
