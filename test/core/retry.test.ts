import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import {
  Call,
  RemoteError,
  Reply,
  ServiceError,
  backoff,
  circuitBreaker,
  currentCall,
  guard,
  guardAttempt,
  retry,
  retryBudget,
  timeout,
  tokenThrottle,
} from '@ferrule/core';
import type { RetryBudget, RetryEvent, RetryOptions, Wrapper } from '@ferrule/core';
import { failedItself, refusal, runInContext, traitsOf } from '@ferrule/core/adapter';
import { manualClock, seededRandom } from '@ferrule/testing';

const operation = (method: string, idempotent: boolean) => ({ service: 'orders', name: `${method} /orders`, method, path: '/orders', idempotent });
const read = (deadline?: number): Call => new Call({ side: 'client', operation: operation('GET', true), deadline });
const write = (headers = {}): Call => new Call({ side: 'client', operation: operation('POST', false), headers });

const unavailable = (options = {}): ServiceError => new ServiceError('UNAVAILABLE', 'away', options);

/** Stands for the transport: fails with each error in turn, then answers 200; records the attempts. */
function upstream(...errors: unknown[]): { next: (call: Call) => Promise<Reply>; attempts: number[] } {
  const attempts: number[] = [];
  return {
    attempts,
    async next(call) {
      attempts.push(call.attempt);
      if (attempts.length > errors.length) return new Reply(200, 'ok');
      const error = errors[attempts.length - 1];
      failedItself(call, error);
      throw error;
    },
  };
}

const quick: RetryOptions = { backoff: backoff.fixed(0) };

async function attemptsOf(call: Call, error: unknown, options: RetryOptions = quick): Promise<number> {
  const { next, attempts } = upstream(error, error);
  await retry(options)(next)(call).catch(() => {});
  return attempts.length;
}

describe('retry', () => {
  it('tries twice more, each time as an attempt of its own number', async () => {
    const { next, attempts } = upstream(unavailable(), unavailable());
    expect((await retry(quick)(next)(read())).status).to.equal(200);
    expect(attempts).to.deep.equal([1, 2, 3]);
  });

  it('throws the last failure as it is', async () => {
    const last = unavailable();
    const { next } = upstream(unavailable(), unavailable(), last);
    expect(await retry(quick)(next)(read()).catch((error: unknown) => error)).to.equal(last);
  });

  it('never looks at a reply: what was handed on is not asked for again', async () => {
    let asked = 0;
    const handler = retry(quick)(async () => (asked++, new Reply(503)));
    expect((await handler(read())).status).to.equal(503);
    expect(asked).to.equal(1);
  });

  const system = (code: string): Error => Object.assign(new Error(code), { code });
  for (const [what, error, reads, writes] of [
    ['UNAVAILABLE', unavailable(), true, false],
    ['UNAVAILABLE that was never sent', unavailable({ unsent: true }), true, true],
    ['503 with Retry-After', unavailable({ retryAfterMs: 0 }), true, true],
    ['502 with Retry-After, which does not say who refused', unavailable({ status: 502, retryAfterMs: 0 }), true, false],
    ['429 with Retry-After', new ServiceError('RESOURCE_EXHAUSTED', 'slow down', { retryAfterMs: 0 }), true, true],
    [
      '429 of the other side with our own word for it',
      new ServiceError('RESOURCE_EXHAUSTED', 'slow down', { retryAfterMs: 0, reason: 'RATE_LIMITED' }),
      true,
      true,
    ],
    ['429 without', new ServiceError('RESOURCE_EXHAUSTED', 'slow down'), true, false],
    ['DEADLINE_EXCEEDED', new ServiceError('DEADLINE_EXCEEDED', 'slow'), true, false],
    ['a retryable error that says it is not', unavailable({ retryable: false }), false, false],
    ['NOT_FOUND', new ServiceError('NOT_FOUND', 'none'), false, false],
    ['INTERNAL', new ServiceError('INTERNAL', 'broken'), false, false],
    ['CANCELLED', new ServiceError('CANCELLED', 'gone'), false, false],
    ['an own refusal', refusal('UNAVAILABLE', 'open', { reason: 'CIRCUIT_OPEN', retryAfterMs: 0 }), false, false],
    ['an own refusal that speaks for one endpoint', refusal('UNAVAILABLE', 'open', { reason: 'CIRCUIT_OPEN', unsent: true }), true, true],
    ['an AbortError', new DOMException('aborted', 'AbortError'), false, false],
    ['a plain Error', new Error('database is gone'), true, false],
    ['a thrown text', 'broken', true, false],
    ['ECONNREFUSED', system('ECONNREFUSED'), true, true],
    ['ECONNRESET', system('ECONNRESET'), true, false],
    ['fetch failed: ECONNREFUSED', new TypeError('fetch failed', { cause: system('ECONNREFUSED') }), true, true],
    ['a bug', new TypeError('x is not a function'), false, false],
    [
      'an error whose members cannot be read',
      Object.defineProperties(
        new Error('hostile'),
        Object.fromEntries(['name', 'code', 'status', 'cause'].map((member) => [member, { get: () => expect.fail(member) }])),
      ),
      true,
      false,
    ],
    ['an http-error 404', Object.assign(new Error('none'), { status: 404 }), false, false],
    ['an http-error 503', Object.assign(new Error('away'), { statusCode: 503 }), true, false],
  ] as const) {
    it(`${what}: a read is ${reads ? '' : 'not '}tried again, a write is ${writes ? '' : 'not '}`, async () => {
      expect(await attemptsOf(read(), error)).to.equal(reads ? 3 : 1);
      expect(await attemptsOf(write(), error)).to.equal(writes ? 3 : 1);
    });
  }

  it('does not take the word of an inner call for the work around it, which has begun', async () => {
    const inner = [unavailable({ unsent: true }), unavailable({ retryAfterMs: 0 }), system('ECONNREFUSED')];
    for (const error of inner) {
      let runs = 0;
      const work = guard(
        { idempotent: false },
        async () => {
          runs++;
          throw error;
        },
        retry(quick),
      );
      expect(await work().catch((thrown: unknown) => thrown)).to.equal(error);
      expect(runs, 'a function').to.equal(1);

      runs = 0;
      const post = new Call({ side: 'server', operation: operation('POST', false) });
      await retry(quick)(async () => {
        runs++;
        throw error;
      })(post).catch(() => {});
      expect(runs, 'a handler').to.equal(1);

      runs = 0;
      const authorize: Wrapper = (next) => async (call) => {
        if (runs++ > 0) throw error; // the token service is away
        return next(call);
      };
      const { next } = upstream(unavailable({ unsent: true }));
      await retry(quick)(authorize(next))(write()).catch(() => {});
      expect(runs, 'a call whose own transport said it once').to.equal(2);
    }
  });

  it('tries a write with an idempotency key again like a read', async () => {
    expect(await attemptsOf(write({ 'idempotency-key': '"8e03"' }), unavailable())).to.equal(3);
  });

  it('asks `when` for what may help; whether it is safe is not up to it', async () => {
    const always = { ...quick, when: () => true };
    expect(await attemptsOf(read(), new ServiceError('INTERNAL', 'broken'), always)).to.equal(3);
    expect(await attemptsOf(write(), new ServiceError('INTERNAL', 'broken'), always)).to.equal(1);
    expect(await attemptsOf(read(), unavailable(), { ...quick, when: () => false })).to.equal(1);
  });

  it('makes the first retry at once and waits with jitter before the second', async () => {
    const clock = manualClock();
    const starts: number[] = [];
    const done = retry({ clock, random: () => 0.5 })(async () => {
      starts.push(clock.now());
      throw unavailable();
    })(read()).catch(() => {});
    await clock.advance(100);
    await done;
    expect(starts).to.deep.equal([0, 0, 12.5]);
    expect(clock.pending).to.equal(0);
  });

  it('with `immediate: false` waits before the first one too', async () => {
    const clock = manualClock();
    const starts: number[] = [];
    const done = retry({ clock, immediate: false, backoff: backoff.exponential({ base: 10, cap: 1000 }) })(async () => {
      starts.push(clock.now());
      throw unavailable();
    })(read()).catch(() => {});
    await clock.advance(100);
    await done;
    expect(starts).to.deep.equal([0, 10, 30]);
  });

  it('tells the backoff which wait it is and how long the one before was', async () => {
    const clock = manualClock();
    const asked: number[][] = [];
    const waits = (wait: number, _random: () => number, previousMs: number): number => {
      asked.push([wait, previousMs]);
      return wait * 7;
    };
    const done = retry({ clock, retries: 4, backoff: waits })(() => Promise.reject(unavailable()))(read()).catch(() => {});
    await clock.advance(100);
    await done;
    expect(asked).to.deep.equal([
      [1, 0],
      [2, 7],
      [3, 14],
    ]);
  });

  for (const [what, options, startsAt] of [
    ['waits for it', {}, 2000],
    ['cut to maxRetryAfter', { maxRetryAfter: '500ms' }, 500],
    ['not when there is elsewhere to go', { elsewhere: () => true }, 0],
    ['nor shorter than the backoff', { immediate: false, backoff: backoff.fixed('3s') }, 3000],
  ] as const) {
    it(`Retry-After of 2 s: ${what}`, async () => {
      const clock = manualClock();
      const starts: number[] = [];
      const done = retry({ clock, retries: 1, ...options })(async () => {
        starts.push(clock.now());
        throw unavailable({ retryAfterMs: 2000 });
      })(read()).catch(() => {});
      await clock.advance(10_000);
      await done;
      expect(starts).to.deep.equal([0, startsAt]);
    });
  }

  it('throws at once when the wait would reach the deadline', async () => {
    const clock = manualClock({ now: 5000 });
    const error = unavailable({ retryAfterMs: 2000 });
    const { next, attempts } = upstream(error);
    expect(await retry({ clock })(next)(read(7000)).catch((thrown: unknown) => thrown)).to.equal(error);
    expect(attempts).to.deep.equal([1]);
    expect(clock.pending).to.equal(0);
  });

  it('is not tried again when the time of the call is over', async () => {
    const clock = manualClock({ now: 5000 });
    const { next, attempts } = upstream(unavailable());
    await retry({ clock, ...quick })(next)(read(5000)).catch(() => {});
    expect(attempts).to.deep.equal([1]);
  });

  for (const [what, maxElapsed, startsAt] of [
    ['none begins later', 60, [0, 10, 30]],
    ['nor at that very moment', 30, [0, 10]],
    ['though none may be left at all', 5, [0]],
  ] as const) {
    it(`${maxElapsed} ms for all attempts together: ${what}`, async () => {
      const clock = manualClock({ now: 7 });
      const starts: number[] = [];
      const done = retry({ clock, retries: 9, maxElapsed, immediate: false, backoff: backoff.exponential({ base: 10, cap: 1000 }), budgets: [] })(
        async () => {
          starts.push(clock.now() - 7);
          throw unavailable();
        },
      )(read()).catch(() => {});
      await clock.advance(2000);
      await done;
      expect(starts).to.deep.equal(startsAt);
    });
  }

  it('waits as a backoff of your own says, and not at all when that is no time', async () => {
    for (const [gives, startsAt] of [
      [7, [0, 7]],
      [Number.NaN, [0, 0]],
      [-5, [0, 0]],
    ] as const) {
      const clock = manualClock();
      const starts: number[] = [];
      const done = retry({ clock, retries: 1, immediate: false, backoff: () => gives })(async () => {
        starts.push(clock.now());
        throw unavailable();
      })(read()).catch(() => {});
      await clock.advance(100);
      await done;
      expect(starts).to.deep.equal(startsAt);
    }
  });

  it('whatever throws of what the application gave it, the caller gets what came of the call, also through a timeout around it', async () => {
    const broken = (): never => {
      throw new Error('a bug');
    };
    const fine: RetryBudget = { began() {}, succeeded() {}, failed() {}, allows: () => true, spend() {} };
    const error = unavailable();
    for (const options of [
      ...(['began', 'succeeded', 'failed', 'allows', 'spend'] as const).map((method) => ({ budgets: [{ ...fine, [method]: broken }] })),
      { backoff: broken, immediate: false },
      { elsewhere: broken },
      { random: broken, immediate: false, backoff: backoff.fullJitter() },
    ] satisfies RetryOptions[]) {
      const clock = manualClock();
      const policies = [timeout({ limit: '1m', clock }), retry({ clock, ...quick, ...options })] as const;
      expect(await guard(async () => 'fine', ...policies)()).to.equal('fine');
      const failing = guard(() => Promise.reject(new ServiceError('UNAVAILABLE', 'away', { retryAfterMs: 0, cause: error })), ...policies);
      expect(await failing().catch((thrown: ServiceError) => thrown.cause)).to.equal(error);
    }
  });

  it('a `when` that throws forbids, and the caller gets the error of the call', async () => {
    const error = unavailable();
    const { next, attempts } = upstream(error);
    const broken = (): never => {
      throw new Error('a bug in when');
    };
    expect(await retry({ ...quick, when: broken })(next)(read()).catch((thrown: unknown) => thrown)).to.equal(error);
    expect(attempts).to.deep.equal([1]);
  });

  describe('asked by the other side', () => {
    const answered = (headers: Record<string, string>): RemoteError =>
      new RemoteError('UNAVAILABLE', 'away', { status: 503, service: 'orders', reply: new Reply(503, undefined, headers) });

    for (const [what, headers, startsAt] of [
      ['x-retry: no', { 'x-retry': 'no' }, [0]],
      ['x-retry: NO', { 'x-retry': ' NO ' }, [0]],
      ['another x-retry says nothing', { 'x-retry': 'yes' }, [0, 12.5]],
      ['a pushback of 300 ms is waited for instead of the backoff', { 'grpc-retry-pushback-ms': '300' }, [0, 300]],
      ['a pushback of nothing is no wait', { 'grpc-retry-pushback-ms': '0' }, [0, 0]],
      ['a pushback longer than maxRetryAfter is cut to it', { 'grpc-retry-pushback-ms': '86400000' }, [0, 1000]],
      ['a negative pushback forbids', { 'grpc-retry-pushback-ms': '-1' }, [0]],
      ['a pushback that is no number forbids', { 'grpc-retry-pushback-ms': 'soon' }, [0]],
    ] as const) {
      it(what, async () => {
        const clock = manualClock();
        const starts: number[] = [];
        const heard: RetryEvent[] = [];
        const policy = retry({
          clock,
          retries: 1,
          immediate: false,
          random: () => 0.5,
          maxRetryAfter: '1s',
          when: () => true, // what the application thinks does not matter
          on: (event) => void heard.push(event),
        });
        const done = policy(async () => {
          starts.push(clock.now());
          throw answered(headers);
        })(read()).catch(() => {});
        await clock.advance(2000);
        await done;
        expect(starts).to.deep.equal(startsAt);
        expect(heard.map(({ kind, by }) => by ?? kind)).to.deep.equal(startsAt.length === 1 ? ['pushback'] : ['retry']);
        expect(policy.stats().forbidden).to.equal(startsAt.length === 1 ? 1 : 0);
      });
    }
  });

  describe('with a storm guard', () => {
    const inbound = (headers: Record<string, string>): Call => new Call({ side: 'server', operation: operation('GET', true), headers });
    for (const [what, headers, tries] of [
      ['tries again for a first try', { 'x-attempt-count': '1' }, 3],
      ['tries again for a caller who does not say', {}, 3],
      ['does not for a second', { 'x-attempt-count': '2' }, 1],
      ['tries again for one who says nonsense', { 'x-attempt-count': 'many' }, 3],
    ] as const) {
      it(`${what}, in what is called for the request and around its handler`, async () => {
        for (const where of ['called', 'handler'] as const) {
          let attempts = 0;
          const heard: unknown[] = [];
          const options = { ...quick, stormGuard: true, on: ({ kind, by }: RetryEvent) => void heard.push(by ?? kind) };
          const fails = (): Promise<never> => (attempts++, Promise.reject(unavailable()));
          const request = inbound(headers);
          if (where === 'called') await runInContext(request, () => guard(fails, retry(options))()).catch(() => {});
          else await retry(options)(fails)(request).catch(() => {});
          expect(attempts, where).to.equal(tries);
          expect(heard).to.deep.equal(tries === 1 ? ['storm-guard'] : ['retry', 'retry']);
        }
      });
    }

    it('is off unless asked for', async () => {
      const { next, attempts } = upstream(unavailable());
      await runInContext(inbound({ 'x-attempt-count': '2' }), () => retry(quick)(next)(read()));
      expect(attempts).to.deep.equal([1, 2]);
    });
  });

  it('counts calls by how they ended, and attempts', async () => {
    const policy = retry({ ...quick, budgets: [] });
    const run = async (...errors: unknown[]): Promise<void> => void (await policy(upstream(...errors).next)(read()).catch(() => {}));
    await run();
    await run();
    await run(unavailable());
    await run(unavailable(), unavailable());
    await run(unavailable(), unavailable(), unavailable());
    await run(new ServiceError('NOT_FOUND', 'none'));
    expect(policy.stats()).to.deep.equal({
      succeededFirst: 2,
      succeededAfterRetry: 2,
      failedFirst: 1,
      failedAfterRetry: 1,
      retries: 5,
      forbidden: 0,
    });
  });

  it('counts no retry that was given up before it began', async () => {
    const clock = manualClock();
    const policy = retry({ clock });
    const call = read();
    const failed = policy(upstream(unavailable({ retryAfterMs: 1000 })).next)(call).catch(() => {});
    await clock.advance(10);
    call.abort(new Error('gone'));
    await failed;
    expect(policy.stats()).to.include({ failedFirst: 1, failedAfterRetry: 0, retries: 0 });
  });

  it('makes every attempt in the context of its own request, also after a timeout, whose timer has that of another', async () => {
    const clock = manualClock();
    const seen = new Map<string, unknown[]>();
    const work = guardAttempt(
      (attempt, name: string) => {
        seen.set(name, [...(seen.get(name) ?? []), currentCall()]);
        return attempt.attempt === 3 ? Promise.resolve(name) : new Promise<string>(() => {});
      },
      retry({ clock, budgets: [] }),
      timeout({ limit: 50, clock }),
    );
    const requests = ['a', 'b', 'c'].map((name) => ({ name, request: new Call({ side: 'server', operation: operation('GET', true) }) }));
    const results = Promise.all(requests.map(({ name, request }) => runInContext(request, () => work(name))));
    await clock.advance(1000);
    expect(await results).to.deep.equal(['a', 'b', 'c']);
    for (const { name, request } of requests) expect(seen.get(name)).to.deep.equal([request, request, request]);
  });

  it('a failure that nobody waits for is an unhandled rejection, as of any promise', async () => {
    const unhandled: unknown[] = [];
    const before = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', (reason) => unhandled.push(reason));
    try {
      const error = new ServiceError('NOT_FOUND', 'none');
      const fails = (): Promise<never> => Promise.reject(error);
      for (const policies of [[], [retry()], [circuitBreaker()], [retry(), circuitBreaker(), timeout('1s')]]) void guard(fails, ...policies)();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(unhandled).to.deep.equal([error, error, error, error]);
    } finally {
      process.removeAllListeners('unhandledRejection');
      for (const listener of before) process.on('unhandledRejection', listener);
    }
  });

  it('cancelled while it waits, rejects with the reason at once and leaves nothing behind', async () => {
    const clock = manualClock();
    const call = read();
    const { next, attempts } = upstream(unavailable({ retryAfterMs: 1000 }));
    const failed = retry({ clock })(next)(call).catch((error: unknown) => error);
    await clock.advance(10);
    const reason = new Error('client went away');
    call.abort(reason);
    expect(await failed).to.equal(reason);
    expect(attempts).to.deep.equal([1]);
    expect(clock.pending).to.equal(0);
  });

  it('never tries cancelled work again', async () => {
    const call = read();
    let asked = 0;
    await retry(quick)(async () => {
      asked++;
      call.abort(new Error('gone'));
      throw unavailable();
    })(call).catch(() => {});
    expect(asked).to.equal(1);
  });

  it('tries again what an attempt timeout cut short', async () => {
    const clock = manualClock();
    let asked = 0;
    const limited = guard(
      () => (++asked < 3 ? new Promise<string>(() => {}) : Promise.resolve('third')),
      retry({ clock, ...quick }),
      timeout({ limit: 50, clock }),
    );
    const result = limited();
    await clock.advance(100);
    expect(await result).to.equal('third');
  });

  it('ends the call only when every attempt has ended', async () => {
    const clock = manualClock();
    const call = read();
    let finishFirst = (): void => {};
    const handler = retry({ clock, ...quick })(
      timeout({ limit: 50, clock })((attempt) =>
        attempt.attempt === 1 ? new Promise<Reply>((resolve) => (finishFirst = () => resolve(new Reply(200)))) : Promise.resolve(new Reply(200)),
      ),
    );
    const replied = call.run(handler);
    await clock.advance(50);
    await replied;
    expect(call.ended, 'the first attempt still runs').to.equal(false);
    finishFirst();
    await clock.advance(0);
    expect(call.ended).to.equal(true);
  });

  it('numbers on from the attempt it was given, so that an inner retry of a retry is none of a first try', async () => {
    const { next, attempts } = upstream(unavailable());
    await retry(quick)(next)(read().derive({ attempt: 2 }));
    expect(attempts).to.deep.equal([2, 3]);
  });

  it('does nothing with `retries: 0`', async () => {
    expect(await attemptsOf(read(), unavailable(), { retries: 0 })).to.equal(1);
  });

  it('tells its listener of every retry, and a listener that throws changes nothing', async () => {
    const heard: RetryEvent[] = [];
    const { next } = upstream(unavailable());
    await retry({
      ...quick,
      on(event) {
        heard.push(event);
        throw new Error('a listener');
      },
    })(next)(read());
    expect(heard).to.have.length(1);
    expect(heard[0]).to.include({ kind: 'retry', attempt: 2, delayMs: 0, label: 'GET /orders' });
  });

  it('says that it runs work again, so that it is refused on native routes', () => {
    expect(traitsOf(retry())).to.deep.equal({ name: 'retry', replays: true });
  });

  describe('with budgets', () => {
    it('asks all of them, takes from none when one forbids, and says so', async () => {
      const clock = manualClock();
      let spent = 0;
      const counting: RetryBudget = { began() {}, succeeded() {}, failed() {}, allows: () => true, spend: () => void spent++ };
      const empty: RetryBudget = { ...counting, allows: () => false };
      const heard: string[] = [];
      const { next, attempts } = upstream(unavailable());
      await retry({ clock, budgets: [counting, empty], on: (event) => void heard.push(event.kind) })(next)(read()).catch(() => {});
      expect({ attempts, spent, heard }).to.deep.equal({ attempts: [1], spent: 0, heard: ['forbidden'] });
    });

    it('counts a failure that must not be tried again against the throttle all the same', async () => {
      const throttle = tokenThrottle({ maxTokens: 10 });
      for (let call = 0; call < 5; call++) await attemptsOf(write(), unavailable(), { ...quick, budgets: [throttle] });
      expect(throttle.allows(unavailable())).to.equal(false);
    });

    it('a failure that a retry cannot help costs nothing', async () => {
      const throttle = tokenThrottle();
      for (let call = 0; call < 20; call++) await attemptsOf(read(), new ServiceError('NOT_FOUND', 'none'), { ...quick, budgets: [throttle] });
      expect(throttle.allows(unavailable())).to.equal(true);
    });

    it('when everything fails, 1,000 calls make 13 retries by default, not 2,000: ratio and throttle stop them', async () => {
      const clock = manualClock();
      let asked = 0;
      const handler = retry({ clock, ...quick })(async () => {
        asked++;
        throw unavailable();
      });
      for (let call = 0; call < 1000; call++) await handler(read()).catch(() => {});
      expect(asked).to.equal(1013);
      asked = 0;
      const unbudgeted = retry({ clock, ...quick, budgets: [] })(async () => {
        asked++;
        throw unavailable();
      });
      for (let call = 0; call < 1000; call++) await unbudgeted(read()).catch(() => {});
      expect(asked, 'the control without budgets').to.equal(3000);
    });

    it('with 10 % of failures at random, all but a trace are made good within the budget', async () => {
      const random = seededRandom(42);
      let asked = 0;
      let failed = 0;
      const handler = retry({ clock: manualClock(), ...quick, budgets: [retryBudget({ clock: manualClock(), ratio: 0.2 }), tokenThrottle()] })(
        async () => {
          asked++;
          if (random() < 0.1) throw unavailable();
          return new Reply(200);
        },
      );
      for (let call = 0; call < 5000; call++) await handler(read()).catch(() => failed++);
      expect(failed).to.be.lessThan(30); // 500 without retry
      expect(asked).to.be.lessThan(5700);
    });
  });

  it('for any script of failures: attempts are numbered on, never too many, none after success or a final failure', async () => {
    const kinds = ['ok', 'away', 'final'] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 5 }),
        async (script, retries) => {
          const seen: number[] = [];
          const run = guardAttempt(
            async (attempt) => {
              seen.push(attempt.attempt);
              const kind = script[Math.min(seen.length, script.length) - 1]!;
              if (kind === 'ok') return 'ok';
              throw kind === 'away' ? unavailable() : new ServiceError('NOT_FOUND', 'none');
            },
            retry({ ...quick, retries, budgets: [] }),
          );
          await run().catch(() => {});
          const away = script.findIndex((kind) => kind !== 'away');
          const expected = Math.min(retries + 1, away === -1 ? Infinity : away + 1);
          expect(seen).to.deep.equal(Array.from({ length: expected }, (_, index) => index + 1));
        },
      ),
    );
  });

  for (const [options, message] of [
    [{ retries: -1 }, 'retry retries: -1'],
    [{ retries: 1.5 }, 'retry retries: 1.5'],
    [{ maxRetryAfter: 'long' }, 'retry maxRetryAfter: "long"'],
    [{ budgets: 'none' }, 'retry budgets'],
    [{ when: true }, 'retry when: true is no function'],
    [{ attempts: 3 }, 'retry: there is no option "attempts". It takes retries,'],
    [{ maxElapsed: 0 }, 'retry maxElapsed: 0 is no time at all'],
    [{ stormGuard: 1 }, 'retry stormGuard: 1 is neither true nor false'],
    [{ random: 0.5 }, 'retry random: 0.5 is no function'],
    [{ budgets: [{ allows: () => true }] }, 'retry budgets, one of them: { allows } has no began()'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(() => retry(options as RetryOptions)).to.throw(TypeError, message);
    });
  }
});
