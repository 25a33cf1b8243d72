import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, ServiceError, circuitBreaker, guard, timeout } from '@ferrule/core';
import type { CircuitBreaker, CircuitBreakerOptions, CircuitEvent } from '@ferrule/core';
import { refusal } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const callWith = (deadline?: number): Call => new Call({ side: 'client', operation: OPERATION, deadline });
const away = new ServiceError('UNAVAILABLE', 'away');

function handClock(): Clock & { ms: number } {
  return {
    ms: 0,
    now() {
      return this.ms;
    },
    wallTime: () => 0,
    schedule: () => expect.fail('a breaker has no timers'),
  };
}

type Result = 'ok' | 'fails' | Error;

/** A breaker around work that is settled by hand. */
function rig(options: CircuitBreakerOptions = {}): {
  clock: ReturnType<typeof handClock>;
  breaker: CircuitBreaker;
  events: CircuitEvent[];
  /** Starts a call; undefined when it was refused. */
  start(call?: Call): Promise<((result: Result) => Promise<void>) | undefined>;
  /** Starts calls and settles each with the result; how many were refused. */
  calls(count: number, result: Result): Promise<number>;
} {
  const clock = handClock();
  const events: CircuitEvent[] = [];
  const breaker = circuitBreaker({ clock, on: (event) => void events.push(event), ...options });
  let settle: ((result: Result) => void) | undefined;
  const handler = breaker<Call, string>(
    () => new Promise((resolve, reject) => (settle = (result) => (result === 'ok' ? resolve('ok') : reject(result === 'fails' ? away : result)))),
  );
  const start = async (call: Call = callWith()) => {
    settle = undefined;
    const promise = handler(call).catch(() => {});
    const mine = settle as ((result: Result) => void) | undefined;
    if (mine === undefined) return undefined;
    return async (result: Result) => {
      mine(result);
      await promise;
    };
  };
  const calls = async (count: number, result: Result) => {
    let refused = 0;
    for (let call = 0; call < count; call++) {
      const end = await start();
      if (end === undefined) refused++;
      else await end(result);
    }
    return refused;
  };
  return { clock, breaker, events, start, calls };
}

describe('circuitBreaker', () => {
  it('opens when half of at least 20 calls failed, and not before', async () => {
    const { breaker, calls } = rig();
    await calls(10, 'ok');
    await calls(9, 'fails');
    expect(breaker.state).to.equal('closed');
    await calls(1, 'fails');
    expect(breaker.state).to.equal('open');
  });

  it('opens on a success too, when that one makes the calls enough', async () => {
    const { breaker, calls } = rig();
    await calls(19, 'fails');
    await calls(1, 'ok');
    expect(breaker.state).to.equal('open');
  });

  it('looks back 10 s and no further', async () => {
    const { breaker, calls, clock } = rig();
    await calls(19, 'fails');
    clock.ms = 10_000;
    await calls(1, 'fails');
    expect(breaker.state).to.equal('closed');
  });

  it('refuses while open with when to come back, without calling and without a stack trace', async () => {
    const { calls, clock } = rig();
    await calls(20, 'fails');
    clock.ms = 1500;
    let asked = 0;
    const breaker = circuitBreaker({ clock, minimumCalls: 1 });
    const handler = breaker(async () => {
      asked++;
      throw away;
    });
    await handler(callWith()).catch(() => {});
    clock.ms += 1000;
    const error = await handler(callWith()).catch((thrown: ServiceError) => thrown);
    expect(error).to.include({ code: 'UNAVAILABLE', reason: 'CIRCUIT_OPEN', retryAfterMs: 4000, status: 503 });
    expect(error.message).to.equal('GET /orders: circuit open, too many calls failed. Next try in 4000 ms');
    expect(error.stack).to.not.match(/\n\s+at /);
    expect(asked).to.equal(1);
  });

  it('lets three trials through after 5 s, and closes as soon as two have succeeded', async () => {
    const { breaker, calls, clock, start, events } = rig();
    await calls(20, 'fails');
    clock.ms = 4999;
    expect(await start()).to.equal(undefined);
    clock.ms = 5000;
    const trials = [await start(), await start(), await start()];
    expect(trials.every((trial) => trial !== undefined)).to.equal(true);
    expect(await start(), 'the fourth').to.equal(undefined);
    expect(breaker.state).to.equal('half-open');
    await trials[0]!('ok');
    expect(breaker.state).to.equal('half-open');
    await trials[1]!('ok');
    expect(breaker.state).to.equal('closed');
    expect(events).to.deep.equal([
      { from: 'closed', to: 'open', succeeded: 0, failed: 20, openForMs: 5000 },
      { from: 'open', to: 'half-open', succeeded: 0, failed: 0 },
      { from: 'half-open', to: 'closed', succeeded: 2, failed: 0 },
    ]);
  });

  it('begins to count anew once closed', async () => {
    const { breaker, calls, clock } = rig();
    await calls(20, 'fails');
    clock.ms = 5000;
    await calls(2, 'ok');
    await calls(19, 'fails');
    expect(breaker.state).to.equal('closed');
    await calls(1, 'fails');
    expect(breaker.state).to.equal('open');
  });

  it('stays open twice as long each time its trials fail, up to 60 s, and 5 s again after it was closed', async () => {
    const { calls, clock, events } = rig();
    await calls(20, 'fails');
    for (let round = 0; round < 5; round++) {
      clock.ms += events.at(-1)!.openForMs!;
      await calls(2, 'fails');
    }
    clock.ms += 60_000;
    await calls(2, 'ok');
    await calls(20, 'fails');
    expect(events.filter((event) => event.to === 'open').map((event) => event.openForMs)).to.deep.equal([
      5000, 10_000, 20_000, 40_000, 60_000, 60_000, 5000,
    ]);
  });

  it('exactly three trials are on their way under 1,000 concurrent calls', async () => {
    const { calls, clock, start } = rig();
    await calls(20, 'fails');
    clock.ms = 5000;
    let admitted = 0;
    for (let call = 0; call < 1000; call++) if ((await start()) !== undefined) admitted++;
    expect(admitted).to.equal(3);
  });

  it('a trial that never settles gives its permit to another after 10 s, and its late result is ignored', async () => {
    const { breaker, calls, clock, start } = rig({ trials: 1 });
    await calls(20, 'fails');
    clock.ms = 5000;
    const leaked = await start();
    clock.ms = 14_999;
    expect(await start()).to.equal(undefined);
    clock.ms = 15_000;
    const second = await start();
    await leaked!('fails');
    expect(breaker.state).to.equal('half-open');
    await second!('ok');
    expect(breaker.state).to.equal('closed');
  });

  it('a trial keeps its permit no longer than its own deadline', async () => {
    const { calls, clock, start } = rig({ trials: 1 });
    await calls(20, 'fails');
    clock.ms = 5000;
    await start(callWith(5300));
    clock.ms = 5299;
    expect(await start()).to.equal(undefined);
    clock.ms = 5300;
    expect(await start()).to.not.equal(undefined);
  });

  it('ignores results that began before the state changed (opossum #382)', async () => {
    const { breaker, calls, clock, start } = rig();
    const stale = await Promise.all(Array.from({ length: 30 }, () => start()));
    await calls(20, 'fails');
    clock.ms = 5000;
    const trial = await start();
    for (const end of stale.slice(0, 15)) await end!('ok');
    expect(breaker.state, 'stale successes do not close it').to.equal('half-open');
    await trial!('ok');
    await calls(1, 'ok');
    expect(breaker.state).to.equal('closed');
    for (const end of stale.slice(15)) await end!('fails');
    await calls(19, 'fails');
    expect(breaker.state, 'stale failures do not count').to.equal('closed');
  });

  const aborted = (reason: unknown): Call => {
    const call = callWith();
    call.abort(reason);
    return call;
  };
  it('a verdict that throws counts as failed; the caller gets the error of the call, and the trial its permit', async () => {
    const bug = (): never => {
      throw new Error('bug in the verdict');
    };
    const { clock, breaker, start } = rig({ minimumCalls: 1, trials: 1, verdict: bug });
    const failed = await start();
    await failed!('fails'); // it rejects with what the work threw, or the rig would say so
    expect(breaker.state).to.equal('open');
    clock.ms += 5_000;
    await (await start())!('fails');
    expect(breaker.state).to.equal('open');
    clock.ms += 10_000;
    expect(await start(), 'a trial is let through').to.not.equal(undefined);

    const around = guard(() => Promise.reject(away), circuitBreaker({ verdict: bug }));
    expect(await around().catch((error: unknown) => error)).to.equal(away);
  });

  for (const [what, error, verdict, call] of [
    ['5xx', new ServiceError('INTERNAL', 'broken'), 'failed'],
    ['a timeout', new ServiceError('DEADLINE_EXCEEDED', 'slow', { reason: 'TIMEOUT' }), 'failed'],
    ['a 429 of the other side', new ServiceError('RESOURCE_EXHAUSTED', 'slow down', { reason: 'RATE_LIMITED' }), 'failed'],
    ['a plain Error', new Error('x'), 'failed'],
    ['an error cut short by a timeout above', new Error('aborted'), 'failed', aborted(new ServiceError('DEADLINE_EXCEEDED', 'slow'))],
    ['a client error', new ServiceError('NOT_FOUND', 'none'), 'answered'],
    ['an http-error 422', Object.assign(new Error('invalid'), { status: 422 }), 'answered'],
    ['an http-error 408', Object.assign(new Error('slow'), { status: 408 }), 'failed'],
    ['a cancellation', new ServiceError('CANCELLED', 'gone'), 'nothing'],
    ['an AbortError', new DOMException('aborted', 'AbortError'), 'nothing'],
    ['an error after the caller has gone', new Error('aborted'), 'nothing', aborted(new Error('gone'))],
    ['an own refusal', refusal('RESOURCE_EXHAUSTED', 'full', { reason: 'RATE_LIMITED' }), 'nothing'],
    ['work that was not started for want of time', new ServiceError('DEADLINE_EXCEEDED', 'late', { reason: 'TIMEOUT', unsent: true }), 'nothing'],
  ] as const) {
    it(`${what}: ${verdict === 'failed' ? 'counts' : verdict === 'answered' ? 'says that the other side works' : 'says nothing'}`, async () => {
      const { breaker, calls, clock, start } = rig({ trials: 1 });
      await calls(20, 'fails');
      clock.ms = 5000;
      const trial = await start(call);
      await trial!(error);
      expect(breaker.state).to.equal({ failed: 'open', answered: 'closed', nothing: 'half-open' }[verdict]);
      if (verdict === 'nothing') expect(await start(), 'the permit is free again').to.not.equal(undefined);
    });
  }

  it('takes another judgement of failures', async () => {
    const { breaker, calls } = rig({ minimumCalls: 1, verdict: () => 'nothing' });
    await calls(50, 'fails');
    expect(breaker.state).to.equal('closed');
  });

  it('opens for work that hangs, when the timeout is inside', async () => {
    const clock = manualClock();
    const breaker = circuitBreaker({ clock, minimumCalls: 2 });
    const limited = guard(() => new Promise(() => {}), breaker, timeout({ limit: 10, clock }));
    for (let call = 0; call < 2; call++) {
      const failed = limited().catch(() => {});
      await clock.advance(10);
      await failed;
    }
    expect(breaker.state).to.equal('open');
  });

  it('a listener that throws changes nothing', async () => {
    const { breaker, calls } = rig({
      on() {
        throw new Error('a listener');
      },
    });
    await calls(20, 'fails');
    expect(breaker.state).to.equal('open');
  });

  it('two breakers share nothing; two handlers of one breaker share its state', async () => {
    const clock = handClock();
    const breaker = circuitBreaker({ clock, minimumCalls: 1 });
    const failing = breaker(() => Promise.reject(away));
    const other = breaker(() => Promise.resolve('ok'));
    await failing(callWith()).catch(() => {});
    expect(await other(callWith()).catch((error: ServiceError) => error.reason)).to.equal('CIRCUIT_OPEN');
    expect(await circuitBreaker({ clock, minimumCalls: 1 })(() => Promise.resolve('ok'))(callWith())).to.equal('ok');
  });

  it('agrees with a model that keeps every result, under any order of starts, results and time', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ do: 'start' as const }) },
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('settle' as const),
          which: fc.nat(),
          as: fc.constantFrom('ok' as const, 'fails' as const, 'fails' as const, 'nothing' as const),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 4000 }) }) },
    );
    const gone = new ServiceError('CANCELLED', 'gone');
    const visited = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 150 }), async (steps) => {
        const { clock, breaker, start } = rig({ minimumCalls: 4, window: '10s', openFor: '2s', maxOpenFor: '6s', trialTimeout: '3s' });
        const model = new Model();
        const running: { end: (result: Result) => Promise<void>; ticket: Ticket }[] = [];
        for (const one of steps) {
          if (one.do === 'pass') clock.ms += one.ms;
          else if (one.do === 'start') {
            const ticket = model.start(clock.ms);
            const end = await start();
            expect(end !== undefined).to.equal(ticket !== undefined);
            if (end !== undefined && ticket !== undefined) running.push({ end, ticket });
          } else if (running.length > 0) {
            const [{ end, ticket }] = running.splice(one.which % running.length, 1) as [(typeof running)[number]];
            model.settle(ticket, one.as, clock.ms);
            await end(one.as === 'nothing' ? gone : one.as);
          }
          expect(breaker.state).to.equal(model.state);
          visited.add(model.state);
        }
      }),
      { numRuns: 150, seed: 1 },
    );
    expect([...visited].sort(), 'the property went through all states').to.deep.equal(['closed', 'half-open', 'open']);
  });

  for (const [options, message] of [
    [{ threshold: 0 }, 'circuitBreaker threshold: 0'],
    [{ threshold: 50 }, 'circuitBreaker threshold: 50'],
    [{ minimumCalls: 0 }, 'circuitBreaker minimumCalls: 0'],
    [{ openFor: '90s', maxOpenFor: '60s' }, 'circuitBreaker maxOpenFor: 60000 ms is below openFor'],
    [{ trials: 0 }, 'circuitBreaker trials: 0'],
    [{ on: 'event' }, 'circuitBreaker on: "event" is no function'],
    [{ timeout: 10 }, 'circuitBreaker: there is no option "timeout"'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(() => circuitBreaker(options as CircuitBreakerOptions)).to.throw(TypeError, message);
    });
  }
});

interface Ticket {
  readonly epoch: number;
  expiresAt?: number;
  over?: boolean;
}

/** The breaker of the property above, written for the reader: every result kept, every question answered by a search. */
class Model {
  state: 'closed' | 'open' | 'half-open' = 'closed';
  epoch = 0;
  results: { bucket: number; ok: boolean }[] = [];
  trials: Ticket[] = [];
  trialResults: boolean[] = [];
  openUntil = 0;
  nextOpenMs = 2000;

  start(now: number): Ticket | undefined {
    if (this.state === 'open' && now >= this.openUntil) this.become('half-open');
    if (this.state === 'closed') return { epoch: this.epoch };
    if (this.state === 'open') return undefined;
    this.trials = this.trials.filter((trial) => trial.over !== true && trial.expiresAt! > now);
    if (this.trials.length + this.trialResults.length >= 3) return undefined;
    const trial: Ticket = { epoch: this.epoch, expiresAt: now + 3000 };
    this.trials.push(trial);
    return trial;
  }

  settle(ticket: Ticket, as: 'ok' | 'fails' | 'nothing', now: number): void {
    if (ticket.epoch !== this.epoch) return;
    if (ticket.expiresAt !== undefined) {
      if (!this.trials.includes(ticket)) return;
      ticket.over = true;
      if (as === 'nothing') return;
      this.trialResults.push(as === 'ok');
      if (this.trialResults.filter((ok) => !ok).length >= 2) this.open(now);
      else if (this.trialResults.filter((ok) => ok).length >= 2) {
        this.nextOpenMs = 2000;
        this.results = [];
        this.become('closed');
      }
      return;
    }
    if (as === 'nothing') return;
    this.results.push({ bucket: Math.floor(now / 1000), ok: as === 'ok' });
    const recent = this.results.filter((result) => result.bucket > Math.floor(now / 1000) - 10);
    if (recent.length >= 4 && recent.filter((result) => !result.ok).length * 2 >= recent.length) this.open(now);
  }

  open(now: number): void {
    this.openUntil = now + this.nextOpenMs;
    this.nextOpenMs = Math.min(6000, this.nextOpenMs * 2);
    this.become('open');
  }

  become(state: 'closed' | 'open' | 'half-open'): void {
    this.state = state;
    this.epoch++;
    this.trials = [];
    this.trialResults = [];
  }
}
