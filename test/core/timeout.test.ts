import { PassThrough } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { Call, Reply, ServiceError, guardAttempt, timeout } from '@ferrule/core';
import type { Attempt } from '@ferrule/core';
import { traitsOf } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const OPERATION = { service: 'orders', name: 'GET /orders/:id', method: 'GET', path: '/orders/:id', idempotent: true };
const callWith = (deadline?: number): Call => new Call({ side: 'client', operation: OPERATION, deadline });

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Work that settles when it is told to. */
function pendingWork<T>(): {
  next: (attempt: Attempt) => Promise<T>;
  attempt: () => Attempt;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
  starts: number;
} {
  const work = {
    starts: 0,
    seen: undefined as Attempt | undefined,
    attempt: () => work.seen!,
    resolve: (_value: T): void => {},
    reject: (_error: unknown): void => {},
    next: (attempt: Attempt) => {
      work.starts++;
      work.seen = attempt;
      return new Promise<T>((resolve, reject) => Object.assign(work, { resolve, reject }));
    },
  };
  return work;
}

const failureOf = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    () => expect.fail('did not fail'),
    (error: ServiceError) => error,
  );

describe('timeout', () => {
  it('settles at once with DEADLINE_EXCEEDED and aborts the work with the same error', async () => {
    const clock = manualClock();
    const work = pendingWork<Reply>();
    const failed = failureOf(timeout({ limit: '500ms', clock })(work.next)(callWith()));
    await clock.advance(499);
    expect(work.attempt().aborted).to.equal(false);
    await clock.advance(1);
    const error = await failed;
    expect(error).to.be.instanceOf(ServiceError);
    expect(error).to.include({ code: 'DEADLINE_EXCEEDED', reason: 'TIMEOUT', status: 504, unsent: false });
    expect(error.message).to.equal('GET /orders/:id: not done within 500 ms');
    expect(work.attempt().reason).to.equal(error);
    expect(work.attempt().signal.aborted).to.equal(true);
  });

  it('gives the result on, and leaves nothing in the clock one limit later', async () => {
    const clock = manualClock();
    const handler = timeout({ limit: 500, clock })(async () => 'done');
    expect(await handler(callWith())).to.equal('done');
    await clock.advance(500);
    expect(clock.pending).to.equal(0);
  });

  it('takes settled calls out of its queue at once, those with a nearer deadline too', async () => {
    const clock = manualClock();
    const policy = timeout({ limit: 500, clock });
    const settle = async (deadline?: number): Promise<void> => {
      await policy(async () => 'done')(callWith(deadline));
      await policy(() => Promise.reject(new Error('failed')))(callWith(deadline)).catch(() => {});
    };
    await settle();
    await settle(300);
    await clock.advance(250);
    await settle();
    await settle(500);
    await clock.advance(250); // the timer made for the first calls has fired; it would be made anew for the later ones, were they still there
    expect(clock.pending).to.equal(0);
  });

  it('gives an error on as it is', async () => {
    const cause = new Error('database is gone');
    expect(await failureOf(timeout({ limit: 500, clock: manualClock() })(() => Promise.reject(cause))(callWith()))).to.equal(cause);
  });

  it('aborts its own part alone: the call above lives on', async () => {
    const clock = manualClock();
    const call = callWith();
    const failed = failureOf(timeout({ limit: 10, clock })(() => new Promise(() => {}))(call));
    await clock.advance(10);
    await failed;
    expect(call.aborted).to.equal(false);
  });

  for (const [own, given, expected] of [
    [500, undefined, 500],
    [500, 300, 300],
    [500, 800, 500],
  ] as const) {
    it(`with ${own} ms of its own and ${given ?? 'no'} ms left to the call, ${expected} ms is the limit, and the work sees it as deadline`, async () => {
      const clock = manualClock({ now: 1000 });
      const work = pendingWork<Reply>();
      let settled = false;
      const failed = failureOf(timeout({ limit: own, clock })(work.next)(callWith(given === undefined ? undefined : 1000 + given))).finally(
        () => (settled = true),
      );
      expect(work.attempt().deadline).to.equal(1000 + expected);
      await clock.advance(expected - 1);
      expect(settled).to.equal(false);
      await clock.advance(1);
      expect((await failed).code).to.equal('DEADLINE_EXCEEDED');
    });
  }

  it('does not start the work when no time is left, and says that nothing was sent', async () => {
    const clock = manualClock({ now: 1000 });
    const work = pendingWork<Reply>();
    const error = await failureOf(timeout({ limit: 500, clock })(work.next)(callWith(1000)));
    expect(error).to.include({ code: 'DEADLINE_EXCEEDED', reason: 'TIMEOUT', unsent: true });
    expect(work.starts).to.equal(0);
  });

  it('drops a late result and destroys a late stream', async () => {
    const clock = manualClock();
    const work = pendingWork<Reply>();
    const failed = failureOf(timeout({ limit: 10, clock })(work.next)(callWith()));
    await clock.advance(10);
    await failed;
    const body = new PassThrough();
    work.resolve(new Reply(200, body));
    await new Promise((resolve) => body.once('close', resolve));
    expect(body.destroyed).to.equal(true);
  });

  it('closes what else a late result holds open: a web stream, the body of a fetch, a generator', async () => {
    const clock = manualClock();
    const closed: string[] = [];
    const web = (name: string): ReadableStream<Uint8Array> => new ReadableStream({ cancel: () => void closed.push(name) });
    async function* rows(): AsyncGenerator<number> {
      try {
        yield 1;
        yield 2;
      } finally {
        closed.push('generator');
      }
    }
    const begun = rows();
    await begun.next();
    const locked = web('locked');
    locked.getReader();
    for (const result of [web('raw'), new Reply(200, web('reply')), new Response(web('fetch')), begun, locked, Response.error(), null, 'text']) {
      const work = pendingWork<unknown>();
      const failure = failureOf(timeout({ limit: 100, clock })(work.next)(callWith()));
      await clock.advance(100);
      await failure;
      work.resolve(result);
      await clock.advance(0);
    }
    expect(closed).to.deep.equal(['raw', 'reply', 'fetch', 'generator']);
  });

  it('swallows a late error', async () => {
    const clock = manualClock();
    const work = pendingWork<Reply>();
    const failed = failureOf(timeout({ limit: 10, clock })(work.next)(callWith()));
    await clock.advance(10);
    await failed;
    work.reject(new Error('late'));
    await clock.advance(1); // mocha fails on an unhandled rejection
  });

  it('ends the work only when it has really ended, so that permits stay taken that long', async () => {
    const clock = manualClock();
    const work = pendingWork<Reply>();
    const call = callWith();
    const failed = failureOf(call.run(timeout({ limit: 10, clock })(work.next)));
    await clock.advance(10);
    await failed;
    expect(call.ended).to.equal(false);
    work.reject(new Error('aborted'));
    await clock.advance(0);
    expect(call.ended).to.equal(true);
  });

  it('turns a synchronous throw into a failure, and keeps no timer for it', async () => {
    const clock = manualClock();
    const error = await failureOf(
      timeout({ limit: 10, clock })(() => {
        throw new Error('at once');
      })(callWith()),
    );
    expect(error.message).to.equal('at once');
    await clock.advance(10);
    expect(clock.pending).to.equal(0);
  });

  it('serves twice in one stack, as the limit of an attempt and of all of them', async () => {
    const clock = manualClock();
    const total = timeout({ limit: 100, scope: 'total', clock });
    const attempt = timeout({ limit: 40, scope: 'attempt', clock });
    expect(traitsOf(total).name).to.equal('timeout(total)');
    const limited = guardAttempt({ label: 'work' }, () => new Promise(() => {}), total, attempt);
    const failed = failureOf(limited());
    await clock.advance(40);
    expect((await failed).message).to.equal('work: not done within 40 ms (attempt)');
  });

  it('counts what it ended, and what had no time to begin with', async () => {
    const clock = manualClock({ now: 1000 });
    const policy = timeout({ limit: 50, clock });
    await policy(async () => 'done')(callWith());
    await failureOf(policy(async () => 'done')(callWith(1000)));
    const failed = [1, 2].map(() => failureOf(policy(() => new Promise(() => {}))(callWith())));
    await failureOf(policy(() => Promise.reject(new Error('failed')))(callWith()));
    await clock.advance(50);
    await Promise.all(failed);
    expect(policy.stats()).to.deep.equal({ timedOut: 3 });
  });

  it('gives no call what is of another: a late result of one that timed out is dropped, whoever waits in its stead', async () => {
    const clock = manualClock();
    const policy = timeout({ limit: 50, clock });
    const [slow, next] = [pendingWork<string>(), pendingWork<string>()];
    const failed = failureOf(policy(slow.next)(callWith()));
    await clock.advance(50);
    await failed;
    const result = policy(next.next)(callWith());
    slow.resolve('late');
    await clock.advance(0);
    const third = policy(async () => 'third')(callWith());
    next.resolve('its own');
    expect(await Promise.all([result, third])).to.deep.equal(['its own', 'third']);
    expect(slow.attempt().aborted).to.equal(true);
    expect(next.attempt().aborted).to.equal(false);
  });

  it('holds on to nothing of calls that are over', async () => {
    const policy = timeout({ limit: '1m', clock: manualClock() });
    const run = async (): Promise<WeakRef<object>[]> => {
      const held = [{ is: 'result' }, new Error('failure'), callWith()] as const;
      await policy(async () => held[0])(held[2]);
      await failureOf(policy(() => Promise.reject(held[1]))(held[2]));
      return held.map((one) => new WeakRef<object>(one));
    };
    const refs = await run();
    await policy(async () => 'another')(callWith()); // whose promise takes the place of the last one of those
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(refs.map((ref) => ref.deref() === undefined)).to.deep.equal([true, true, true]);
  });

  it('makes no AbortController for work that does not ask for its signal', async () => {
    const made = globalThis.AbortController;
    let count = 0;
    globalThis.AbortController = class extends made {
      constructor() {
        super();
        count++;
      }
    };
    try {
      await timeout({ limit: 10, clock: manualClock() })(async () => 'x')(callWith());
    } finally {
      globalThis.AbortController = made;
    }
    expect(count).to.equal(0);
  });

  for (const [limit, message] of [
    [0, 'timeout limit: 0 is no time at all'],
    [-1, 'timeout limit: -1 is no duration'],
    ['fast', 'timeout limit: "fast" is no duration'],
    [Infinity, 'timeout limit'],
  ] as const) {
    it(`refuses ${String(limit)} as a limit, naming it`, () => {
      expect(() => timeout(limit)).to.throw(TypeError, message);
    });
  }

  it('refuses a scope that is no name', () => {
    expect(() => timeout({ limit: 10, scope: 5 as unknown as string })).to.throw(TypeError, 'timeout scope: 5 is no name');
    expect(() => timeout({ limit: 10, scope: '' })).to.throw(TypeError, 'timeout scope: "" is no name');
  });

  it('refuses an option that it does not know', () => {
    // @ts-expect-error: for callers in plain JavaScript
    expect(() => timeout({ limit: 10, ms: 5 })).to.throw(TypeError, 'timeout: there is no option "ms". It takes limit, scope, clock.');
  });
});
