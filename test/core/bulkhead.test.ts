import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, Reply, ServiceError, bulkhead, currentCall, retry, timeout } from '@ferrule/core';
import type { BulkheadOptions, PermitEvent } from '@ferrule/core';
import { runInContext } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const callWith = (deadline?: number): Call => new Call({ side: 'server', operation: OPERATION, deadline });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs calls through one handler; each waits to be finished by hand. */
function rig(options: BulkheadOptions) {
  const policy = bulkhead(options);
  const started: string[] = [];
  const finishers = new Map<string, () => void>();
  const outcomes = new Map<string, string>();
  return {
    policy,
    started,
    outcomes,
    open(name: string, call: Call = callWith()): Call {
      const handler = policy<Call, Reply>(() => {
        started.push(name);
        return new Promise((resolve) => finishers.set(name, () => resolve(new Reply(200))));
      });
      call.run(handler).then(
        () => outcomes.set(name, 'done'),
        (error: unknown) => outcomes.set(name, error instanceof ServiceError ? (error.reason ?? error.code) : String(error)),
      );
      return call;
    },
    async finish(name: string): Promise<void> {
      finishers.get(name)!();
      finishers.delete(name);
      await turn();
    },
    running: () => [...finishers.keys()],
  };
}

describe('bulkhead', () => {
  it('lets its limit of calls through and refuses the next at once, with when to come back', async () => {
    const handler = bulkhead(2)(() => new Promise(() => {}));
    void callWith().run(handler);
    void callWith().run(handler);
    const error = await callWith()
      .run(handler)
      .catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'UNAVAILABLE', reason: 'BULKHEAD_FULL', status: 503, retryAfterMs: 1000 });
    expect((error as ServiceError).message).to.equal('GET /orders: 2 calls are open, which is the limit');
    expect((error as ServiceError).stack).to.not.match(/\n\s+at /);
  });

  it('lets waiters in one by one, in the order in which they came', async () => {
    const { open, finish, started, policy } = rig({ limit: 1, queue: 3 });
    for (const name of ['a', 'b', 'c', 'd']) open(name);
    expect(policy).to.include({ active: 1, queued: 3 });
    await finish('a');
    expect(started).to.deep.equal(['a', 'b']);
    open('e');
    await finish('b');
    await finish('c');
    await finish('d');
    await finish('e');
    expect(started).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
    expect(policy).to.include({ active: 0, queued: 0 });
  });

  it('refuses when the queue is full too', async () => {
    const { open, outcomes } = rig({ limit: 1, queue: 1 });
    for (const name of ['a', 'b', 'c']) open(name);
    await turn();
    expect(Object.fromEntries(outcomes)).to.deep.equal({ c: 'BULKHEAD_FULL' });
  });

  it('an aborted waiter leaves at once, takes no permit and makes room (cockatiel #112)', async () => {
    const { open, finish, started, outcomes, policy } = rig({ limit: 1, queue: 2 });
    open('a');
    const waiting = open('b');
    open('c');
    waiting.abort(new Error('gone'));
    await turn();
    expect(outcomes.get('b')).to.equal('Error: gone');
    expect(policy.queued).to.equal(1);
    await finish('a');
    expect(started).to.deep.equal(['a', 'c']);
  });

  it('a waiter aborted in the very turn in which it got the permit gives it to the next', async () => {
    const { open, finish, started, policy } = rig({ limit: 1, queue: 2 });
    const first = open('a');
    const second = open('b');
    open('c');
    first.onEnd(() => second.abort(new Error('gone'))); // runs after the permit was handed over, before the waiter goes on
    await finish('a');
    await turn();
    expect(started).to.deep.equal(['a', 'c']);
    await finish('c');
    expect(policy.active).to.equal(0);
  });

  it('takes its listener back from a waiter that got its turn', async () => {
    const { open, finish } = rig({ limit: 1, queue: 1 });
    open('a');
    const call = callWith();
    let listening = 0;
    const onAbort = call.onAbort.bind(call);
    call.onAbort = (listener) => {
      listening++;
      const forget = onAbort(listener);
      return () => {
        listening--;
        forget();
      };
    };
    open('b', call);
    expect(listening).to.equal(1);
    await finish('a');
    expect(listening).to.equal(0);
  });

  it('does not start a waiter whose deadline has passed', async () => {
    const clock = manualClock();
    const { open, finish, started, outcomes, policy } = rig({ limit: 1, queue: 2, clock });
    open('a');
    open('b', callWith(100));
    await clock.advance(100);
    await finish('a');
    await turn();
    expect(started).to.deep.equal(['a']);
    expect(outcomes.get('b')).to.equal('TIMEOUT');
    expect(policy.active).to.equal(0);
  });

  it('does not queue a call that is aborted already', async () => {
    const { open, outcomes, policy } = rig({ limit: 1, queue: 2 });
    open('a');
    const call = callWith();
    call.abort(new Error('gone'));
    open('b', call);
    await turn();
    expect(outcomes.get('b')).to.equal('Error: gone');
    expect(policy.queued).to.equal(0);
  });

  it('keeps the permit until a streamed body has been moved', async () => {
    const policy = bulkhead(1);
    const body = new PassThrough();
    await callWith().run(policy<Call, Reply>(() => Promise.resolve(new Reply(200, body))));
    await turn();
    expect(policy.active).to.equal(1);
    body.resume().end('last');
    await new Promise((resolve) => body.once('close', resolve));
    expect(policy.active).to.equal(0);
  });

  it('keeps the permit of timed-out work until it has really ended', async () => {
    const clock = manualClock();
    const policy = bulkhead(1);
    let finish = (): void => {};
    const work = policy<Call, Reply>(() => new Promise((resolve) => (finish = () => resolve(new Reply(200)))));
    const failed = callWith()
      .run(timeout({ limit: 10, clock })(work))
      .catch((error: ServiceError) => error.reason);
    await clock.advance(10);
    expect(await failed).to.equal('TIMEOUT');
    expect(policy.active).to.equal(1);
    finish();
    await turn();
    expect(policy.active).to.equal(0);
  });

  it('gives the permit back when the work throws, at once or later', async () => {
    const policy = bulkhead(1);
    for (const broken of [
      () => Promise.reject(new Error('later')),
      () => {
        throw new Error('at once');
      },
    ]) {
      await callWith()
        .run(policy(broken))
        .catch(() => {});
      expect(policy.active).to.equal(0);
    }
  });

  it('around a retry takes one permit for all attempts', async () => {
    const policy = bulkhead(1);
    let most = 0;
    const handler = policy(
      retry({ budgets: [], immediate: true, retries: 1 })(async (call: Call) => {
        most = Math.max(most, policy.active);
        if (call.attempt === 1) throw new ServiceError('UNAVAILABLE', 'away');
        return new Reply(200);
      }),
    );
    await callWith().run(handler);
    expect(most).to.equal(1);
    expect(policy.active).to.equal(0);
  });

  it('starts a waiter in its own request context, not in that of the call that made room', async () => {
    const policy = bulkhead({ limit: 1, queue: 1 });
    const seen: (Call | undefined)[] = [];
    const finishers: (() => void)[] = [];
    const handler = policy<Call, Reply>(() => {
      seen.push(currentCall());
      return new Promise((resolve) => finishers.push(() => resolve(new Reply(200))));
    });
    const first = callWith();
    const second = callWith();
    const replies = [runInContext(first, () => first.run(handler)), runInContext(second, () => second.run(handler))];
    finishers[0]!();
    await turn();
    finishers[1]!();
    await Promise.all(replies);
    expect(seen[0] === first && seen[1] === second).to.equal(true);
  });

  it('never has more open than its limit nor more waiting than its queue, serves in order, and ends empty, whatever happens', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ do: 'open' as const }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat() }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 4 }),
        fc.array(step, { maxLength: 60 }),
        async (limit, queue, steps) => {
          const { policy, open, finish, running, started } = rig({ limit, queue });
          let waiting: { name: string; call: Call }[] = []; // the model: a plain list
          const expected: string[] = [];
          let active = 0;
          let made = 0;
          const next = (): void => {
            const first = waiting.shift();
            if (first === undefined) active--;
            else expected.push(first.name);
          };
          for (const one of steps) {
            if (one.do === 'open') {
              const name = `call ${made++}`;
              const call = open(name);
              if (active < limit) {
                active++;
                expected.push(name);
              } else if (waiting.length < queue) waiting.push({ name, call });
            } else if (one.do === 'finish' && running().length > 0) {
              await finish(running()[one.which % running().length]!);
              next();
            } else if (one.do === 'abort' && waiting.length > 0) {
              const index = one.which % waiting.length;
              waiting[index]!.call.abort(new Error('gone'));
              waiting = waiting.filter((_, place) => place !== index);
            }
            await turn();
            expect(policy).to.include({ active, queued: waiting.length });
            expect(started).to.deep.equal(expected);
          }
          while (running().length > 0) await finish(running()[0]!);
          expect(policy).to.include({ active: 0, queued: 0 });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('refuses a waiter whose wait is too long, makes room, and leaves no timer behind', async () => {
    const clock = manualClock();
    const { open, finish, started, outcomes, policy } = rig({ limit: 1, queue: 2, maxWait: 50, clock });
    open('a');
    open('b');
    await clock.advance(20);
    open('c');
    await clock.advance(30);
    expect(outcomes.get('b')).to.equal('BULKHEAD_FULL');
    expect(policy.stats()).to.deep.equal({ active: 1, queued: 1, limit: 1, admitted: 1, rejected: 1, expired: 0 });
    await finish('a');
    expect(started).to.deep.equal(['a', 'c']);
    await finish('c');
    await clock.advance(100);
    expect(clock.pending).to.equal(0);
    expect(started).to.deep.equal(['a', 'c']);
  });

  it('tells of each call that found no permit, and what became of it; a listener that throws harms nothing', async () => {
    const clock = manualClock();
    const events: string[] = [];
    const on = ({ kind, label, waitedMs, active, queued }: PermitEvent): void => {
      events.push(`${label} ${kind} after ${waitedMs}, ${active} active, ${queued} queued`);
      throw new Error('bad listener');
    };
    const { open, finish } = rig({ limit: 1, queue: 3, maxWait: 100, clock, on });
    open('a');
    open('b');
    const given = open('c');
    open('d', callWith(30));
    open('e');
    await clock.advance(20);
    given.abort(new Error('gone'));
    open('f');
    await clock.advance(20);
    await finish('a');
    await finish('b');
    expect(events).to.deep.equal([
      'GET /orders queued after 0, 1 active, 1 queued',
      'GET /orders queued after 0, 1 active, 2 queued',
      'GET /orders queued after 0, 1 active, 3 queued',
      'GET /orders rejected after 0, 1 active, 3 queued',
      'GET /orders aborted after 20, 1 active, 2 queued',
      'GET /orders queued after 0, 1 active, 3 queued',
      'GET /orders admitted after 40, 1 active, 2 queued',
      'GET /orders expired after 40, 1 active, 1 queued',
      'GET /orders admitted after 20, 1 active, 0 queued',
    ]);
  });

  it('serves 1,000 callers at once without losing a permit, of whom some give up at every point of their way', async () => {
    const policy = bulkhead({ limit: 7, queue: 1000 });
    let open = 0;
    let most = 0;
    const handler = policy<Call, Reply>(async () => {
      most = Math.max(most, ++open);
      for (let at = 0; at < 3; at++) await Promise.resolve();
      open--;
      return new Reply(200);
    });
    const giveUp = async (call: Call, after: number): Promise<void> => {
      for (let at = 0; at < after; at++) await Promise.resolve();
      call.abort(new Error('gone'));
    };
    await Promise.all(
      Array.from({ length: 1000 }, async (_, index) => {
        const call = callWith();
        const reply = call.run(handler).catch(() => {});
        if (index % 3 === 0) await giveUp(call, index % 101);
        await reply;
      }),
    );
    expect(most).to.equal(7);
    expect(policy.stats()).to.deep.equal({ active: 0, queued: 0, limit: 7, admitted: 700, rejected: 0, expired: 0 });
  });

  it('leaves neither a listener nor a timer behind after 10,000 calls that waited', async () => {
    const clock = manualClock();
    const policy = bulkhead({ limit: 1, queue: 10_000, maxWait: '1h', clock });
    let listening = 0;
    const handler = policy<Call, Reply>(() => Promise.resolve(new Reply(200)));
    await Promise.all(
      Array.from({ length: 10_000 }, () => {
        const call = callWith();
        const onAbort = call.onAbort.bind(call);
        call.onAbort = (listener) => {
          listening++;
          const forget = onAbort(listener);
          return () => {
            listening--;
            forget();
          };
        };
        return call.run(handler);
      }),
    );
    expect(listening).to.equal(0);
    expect(policy.stats()).to.include({ active: 0, queued: 0 });
    await clock.advance(3_600_000); // the one timer of its queue, which is made for the first entry
    expect(clock.pending).to.equal(0);
  });

  it('neither loses a permit nor lets too many wait, wherever the clock jumps', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant('open' as const), within: fc.integer({ min: -10, max: 100 }) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('jump' as const), ms: fc.integer({ min: -200, max: 200 }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 60 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const timers = manualClock();
        let jumped = 0;
        const clock = { ...timers, now: () => timers.now() + jumped };
        const { policy, open, finish, running } = rig({ limit: 2, queue: 3, maxWait: 50, clock });
        for (const [index, one] of steps.entries()) {
          if (one.do === 'open') open(`call ${index}`, callWith(clock.now() + one.within));
          else if (one.do === 'finish' && running().length > 0) await finish(running()[one.which % running().length]!);
          else if (one.do === 'jump') jumped += one.ms;
          else if (one.do === 'wait') await timers.advance(one.ms);
          await turn();
          expect(policy.active).to.equal(running().length);
          expect(policy.queued).to.be.at.most(3);
          if (policy.queued > 0) expect(policy.active).to.equal(2);
        }
        while (running().length > 0) await finish(running()[0]!);
        expect(policy).to.include({ active: 0, queued: 0 });
      }),
      { numRuns: 60 },
    );
  });

  for (const [make, message] of [
    [() => bulkhead(0), 'bulkhead limit: 0 is no count'],
    [() => bulkhead({ limit: 1, queue: 1, maxWait: 0 }), 'bulkhead maxWait: 0'],
    [() => bulkhead({ limit: 1, maxWait: '1s' }), 'bulkhead maxWait: nobody waits without a queue'],
    [() => bulkhead({ limit: 1, queue: -1 }), 'bulkhead queue: -1'],
    [() => bulkhead({ limit: 1, size: 2 } as BulkheadOptions), 'bulkhead: there is no option "size"'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(make).to.throw(TypeError, message);
    });
  }
});
