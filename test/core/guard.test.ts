import { getEventListeners } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { Call, ServiceError, bulkhead, circuitBreaker, detached, fallback, guard, guardAttempt, rateLimit, retry, timeout } from '@ferrule/core';
import type { Attempt, Bulkhead } from '@ferrule/core';
import { runInContext } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const OPERATION = { service: 'shop', name: 'GET /', method: 'GET', path: '/', idempotent: true };
const request = (deadline?: number): Call => new Call({ side: 'server', operation: OPERATION, deadline });
const away = new ServiceError('UNAVAILABLE', 'away');

describe('guard', () => {
  it('gives the same function back, arguments and result as they are', async () => {
    const add = guard((a: number, b: number) => a + b, timeout('1s'), retry(), circuitBreaker(), bulkhead(5), rateLimit({ limit: 5 }), fallback(0));
    expect(await add(2, 3)).to.equal(5);
  });

  it('guards with no policy at all', async () => {
    expect(await guard(async (text: string) => text.length)('four')).to.equal(4);
  });

  it('turns a synchronous throw into a rejection', async () => {
    const broken = new Error('broken');
    const fn = guard(() => {
      throw broken;
    });
    expect(await fn().catch((error: unknown) => error)).to.equal(broken);
  });

  it('puts the first policy outermost', async () => {
    const log: string[] = [];
    const noting =
      (name: string) =>
      <C extends Attempt, R>(next: (attempt: C) => Promise<R>) =>
      (attempt: C): Promise<R> => {
        log.push(name);
        return next(attempt);
      };
    await guard(() => log.push('fn'), noting('first'), noting('second'))();
    expect(log).to.deep.equal(['first', 'second', 'fn']);
  });

  it('is called by the function’s name unless it is given a label', async () => {
    const loadUser = (): Promise<never> => Promise.reject(away);
    const full: Bulkhead = bulkhead(1);
    const hold = guard(() => new Promise(() => {}), full);
    void hold();
    expect(await guard(loadUser, full)().catch((error: Error) => error.message)).to.match(/^loadUser: /);
    expect(await guard({ label: 'users' }, loadUser, full)().catch((error: Error) => error.message)).to.match(/^users: /);
  });

  it('tries a function again unless it is said that it must not happen twice', async () => {
    let calls = 0;
    const charge = async (): Promise<never> => {
      calls++;
      throw away;
    };
    await guard(charge, retry({ retries: 1 }))().catch(() => {});
    expect(calls).to.equal(2);
    calls = 0;
    await guard({ idempotent: false }, charge, retry({ retries: 1 }))().catch(() => {});
    expect(calls).to.equal(1);
  });

  it('shares the state of a policy between calls and between functions', async () => {
    const breaker = circuitBreaker({ minimumCalls: 2 });
    const one = guard(() => Promise.reject(away), breaker);
    await one().catch(() => {});
    await one().catch(() => {});
    expect(await guard(() => 1, breaker)().catch((error: ServiceError) => error.reason)).to.equal('CIRCUIT_OPEN');
  });

  it('keeps a permit until a stream that the function gave has been moved', async () => {
    const policy = bulkhead(1);
    const stream = await guard(() => new PassThrough(), policy)();
    expect(policy.active).to.equal(1);
    stream.resume().end('x');
    await new Promise((resolve) => stream.once('close', resolve));
    expect(policy.active).to.equal(0);
  });

  it('holds the deadline and the cancellation of the request it runs in', async () => {
    const inbound = request(5000);
    let seen: Attempt | undefined;
    const work = guardAttempt((attempt) => {
      seen = attempt;
      return new Promise((_resolve, reject) => attempt.onAbort(reject));
    });
    const failed = runInContext(inbound, () => work()).catch((error: unknown) => error);
    expect(seen!.deadline).to.equal(5000);
    const gone = new Error('client disconnected');
    inbound.abort(gone);
    expect(await failed).to.equal(gone);
  });

  it('takes its listener back from the request when it has ended', async () => {
    const inbound = request();
    let listening = 0;
    const onAbort = inbound.onAbort.bind(inbound);
    inbound.onAbort = (listener) => {
      listening++;
      const forget = onAbort(listener);
      return () => {
        listening--;
        forget();
      };
    };
    await runInContext(inbound, () => guard(async () => 'ok', timeout('1s'))());
    await new Promise((resolve) => setImmediate(resolve));
    expect(listening).to.equal(0);
  });

  it('inside of `detached` knows no request', async () => {
    let deadline: number | undefined = -1;
    await runInContext(request(5000), () => detached(() => guardAttempt((attempt) => (deadline = attempt.deadline))()));
    expect(deadline).to.equal(undefined);
  });

  it('gives what a policy derives and branches to the function: another deadline, one life or a part of it', async () => {
    const seen: (number | undefined)[] = [];
    const nearer =
      <C extends Attempt, R>(next: (attempt: C) => Promise<R>) =>
      (attempt: C): Promise<R> =>
        next(attempt.derive({ deadline: 7 }).derive({ attempt: 3 }));
    const fn = guardAttempt((attempt) => {
      seen.push(attempt.deadline, attempt.attempt);
      attempt.abort(new Error('by itself'));
      return String(attempt.reason);
    }, nearer);
    expect(await fn()).to.equal('Error: by itself');
    expect(seen).to.deep.equal([7, 3]);
  });

  it('fails like any other work when a policy throws before it gives a promise', async () => {
    const broken =
      <C extends Attempt, R>(_next: (attempt: C) => Promise<R>) =>
      (_attempt: C): Promise<R> => {
        throw new Error('a broken policy');
      };
    expect(await guard(() => 1, broken)().catch((error: Error) => error.message)).to.equal('a broken policy');
  });

  for (const [make, message] of [
    [() => guard('fetch' as never), 'guard: fetch is no function'],
    [() => guard({ name: 'x' } as never, () => 1), 'guard: there is no option "name". It takes label, idempotent.'],
    [() => guard(() => 1, timeout as never), ''],
    [() => guard(() => 1, 'retry' as never), 'argument 0 is string, not a wrapper'],
    [() => guardAttempt(undefined as never), 'guardAttempt: undefined is no function'],
    [() => guard({ label: 5 } as never, () => 1), 'guard label: 5 is no name'],
    [() => guardAttempt({ label: '' }, () => 1), 'guardAttempt label: "" is no name'],
    [() => guard(null as never), 'guard: null is no options object'],
  ] as const) {
    it(`refuses at construction: ${message === '' ? 'a factory that was not called' : message}`, () => {
      expect(make).to.throw(TypeError, message);
    });
  }
});

describe('guardAttempt', () => {
  it('tells the function its attempt before its arguments: number, deadline, signal', async () => {
    const clock = manualClock();
    const seen: unknown[] = [];
    const fn = guardAttempt(
      async (attempt, id: string) => {
        seen.push([attempt.attempt, attempt.deadline, attempt.signal.aborted, id]);
        if (attempt.attempt === 1) throw away;
        return id;
      },
      retry({ clock }),
      timeout({ limit: 100, clock }),
    );
    expect(await fn('42')).to.equal('42');
    expect(seen).to.deep.equal([
      [1, 100, false, '42'],
      [2, 100, false, '42'],
    ]);
  });

  it('aborts the signal of a timed-out attempt', async () => {
    const clock = manualClock();
    let signal: AbortSignal | undefined;
    const failed = guardAttempt(
      (attempt) => {
        signal = attempt.signal;
        return new Promise(() => {});
      },
      timeout({ limit: 10, clock }),
    )().catch((error: unknown) => error);
    await clock.advance(10);
    expect(signal!.reason).to.equal(await failed);
  });
});

describe('a stack of policies', () => {
  it('leaves no listener, no timer, no branch and no permit behind after 10,000 calls, of which a third fail and some hang', async () => {
    const clock = manualClock();
    const permits = bulkhead({ limit: 50, queue: 50 });
    let listeners = 0;
    let open = 0;
    let calls = 0;
    const handler = [
      timeout({ limit: '10s', scope: 'total', clock }),
      permits,
      circuitBreaker({ clock, threshold: 1 }),
      retry({ clock, budgets: [] }),
      timeout({ limit: '1s', scope: 'attempt', clock }),
    ].reduceRight<(call: Call) => Promise<string>>(
      (next, policy) => policy(next),
      (call) => {
        const number = calls++;
        listeners++;
        open++;
        call.onEnd(() => open--);
        return new Promise<string>((resolve, reject) => {
          const forget = call.onAbort((reason) => {
            listeners--;
            reject(reason);
          });
          if (number % 100 === 99) return; // hangs until it is aborted
          forget();
          listeners--;
          if (number % 3 === 0) reject(away);
          else resolve('ok');
        });
      },
    );
    const roots: Call[] = [];
    const outcomes = { ok: 0, failed: 0 };
    for (let batch = 0; batch < 200; batch++) {
      const running = Array.from({ length: 50 }, () => {
        const root = request();
        roots.push(root);
        return root.run(handler).then(
          () => outcomes.ok++,
          () => outcomes.failed++,
        );
      });
      await clock.advance(4000);
      await Promise.all(running);
    }
    expect(outcomes.ok + outcomes.failed).to.equal(10_000);
    expect(outcomes.ok).to.be.greaterThan(9000);
    expect({ listeners, open, active: permits.active, queued: permits.queued }).to.deep.equal({ listeners: 0, open: 0, active: 0, queued: 0 });
    expect(
      roots.every((root) => root.ended),
      'every branch has ended',
    ).to.equal(true);
    await clock.advance(10_000);
    expect(clock.pending, 'timers of the clock').to.equal(0);
  });

  it('leaves no timer, handle or listener of Node behind over 10,000 calls on the real clock, and lets go of the process', async () => {
    const active = (): string[] => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind === 'Immediate');
    await Promise.resolve(); // mocha's own timer is made when the test has given its promise
    const before = active();
    const warned: unknown[] = [];
    const warn = (warning: unknown): void => void warned.push(warning);
    process.on('warning', warn);
    let signals = 0;
    const work = guardAttempt(
      async (attempt, number: number) => {
        if (number % 10 === 0) signals += getEventListeners(attempt.signal, 'abort').length;
        if (number % 7 === 0 && attempt.attempt === 1) throw away;
        return number;
      },
      timeout({ limit: '5s', scope: 'total' }),
      retry({ budgets: [] }),
      circuitBreaker({ threshold: 1 }),
      timeout('1s'),
    );
    await runInContext(request(), async () => {
      for (let call = 0; call < 5000; call++) await work(call);
    });
    await Promise.all(Array.from({ length: 5000 }, (_, number) => work(number)));
    // What holds the process is let go of with the next tick of the clock; a busy machine may be late.
    for (let turn = 0; turn < 200 && active().length > before.length; turn++) await new Promise((resolve) => setTimeout(resolve, 10));
    process.off('warning', warn);
    expect({ active: active(), warned, signals }).to.deep.equal({ active: before, warned: [], signals: 0 });
  });

  it('adds no listener to a signal that lives longer than the calls, and none to the process', async () => {
    const before = process.listenerCount('warning');
    const work = guard(async () => 'ok', timeout('5s'), retry(), circuitBreaker(), bulkhead(10));
    for (let call = 0; call < 1000; call++) await work();
    expect(process.listenerCount('warning')).to.equal(before);
  });
});
