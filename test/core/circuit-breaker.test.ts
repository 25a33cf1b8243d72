import { expect } from 'chai';
import { ServiceError, circuitBreaker, fallback, guard, timeout } from '@ferrule/core';
import type { Call, CircuitBreakerOptions } from '@ferrule/core';
import { refusal } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';
import { away, callWith, handClock, rig } from './circuit-breaker-fixture.js';

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
      { kind: 'transition', from: 'closed', to: 'open', reason: 'failure-rate', succeeded: 0, failed: 20, slow: 0, openForMs: 5000 },
      { kind: 'transition', from: 'open', to: 'half-open', reason: 'waited', succeeded: 0, failed: 0, slow: 0 },
      { kind: 'transition', from: 'half-open', to: 'closed', reason: 'trials-succeeded', succeeded: 2, failed: 0, slow: 0 },
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
    const { calls, clock, transitions } = rig();
    await calls(20, 'fails');
    for (let round = 0; round < 5; round++) {
      clock.ms += transitions().at(-1)!.openForMs!;
      await calls(2, 'fails');
    }
    clock.ms += 60_000;
    await calls(2, 'ok');
    await calls(20, 'fails');
    expect(
      transitions()
        .filter((event) => event.to === 'open')
        .map((event) => event.openForMs),
    ).to.deep.equal([5000, 10_000, 20_000, 40_000, 60_000, 60_000, 5000]);
  });

  it('exactly three trials are on their way under 1,000 concurrent calls', async () => {
    const { calls, clock, start } = rig();
    await calls(20, 'fails');
    clock.ms = 5000;
    let admitted = 0;
    for (let call = 0; call < 1000; call++) if ((await start()) !== undefined) admitted++;
    expect(admitted).to.equal(3);
  });

  it('a trial without a result after 10 s has failed, so that work that hangs keeps it open; its late result is ignored', async () => {
    const { breaker, calls, clock, start, events } = rig({ trials: 1 });
    await calls(20, 'fails');
    clock.ms = 5000;
    const leaked = await start();
    clock.ms = 14_999;
    expect(await start()).to.equal(undefined);
    expect(breaker.state).to.equal('half-open');
    clock.ms = 15_000;
    expect(await start(), 'it opens again, for twice as long').to.equal(undefined);
    expect(events.at(-1)).to.include({ to: 'open', reason: 'trials-failed', failed: 1, openForMs: 10_000 });
    clock.ms = 25_000;
    const second = await start();
    await leaked!('fails');
    expect(breaker.state).to.equal('half-open');
    await second!('ok');
    expect(breaker.state).to.equal('closed');
  });

  it('a trial whose caller has gone says nothing at the end of its time: another call gets its permit', async () => {
    const { breaker, calls, clock, start } = rig({ trials: 1 });
    await calls(20, 'fails');
    clock.ms = 5000;
    const call = callWith();
    await start(call);
    call.abort(new Error('gone'));
    clock.ms = 15_000;
    const second = await start();
    expect(breaker.state).to.equal('half-open');
    await second!('ok');
    expect(breaker.state).to.equal('closed');
  });

  it('a trial keeps its permit no longer than its own deadline', async () => {
    const { calls, clock, start } = rig({ trials: 2, successThreshold: { calls: 1 } });
    await calls(20, 'fails');
    clock.ms = 5000;
    await start(callWith(5300));
    await start();
    clock.ms = 5299;
    expect(await start()).to.equal(undefined);
    clock.ms = 5300;
    expect(await start(), 'one has failed, one is left, and both permits were used').to.equal(undefined);
    clock.ms = 15_000;
    expect(await start()).to.equal(undefined);
    clock.ms = 25_000;
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

  for (const [options, message] of [
    [{ threshold: 0 }, 'circuitBreaker threshold: 0'],
    [{ threshold: 50 }, 'circuitBreaker threshold: 50'],
    [{ minimumCalls: 0 }, 'circuitBreaker minimumCalls: 0'],
    [{ openFor: '90s', maxOpenFor: '60s' }, 'circuitBreaker maxOpenFor: 60000 ms is below openFor'],
    [{ trials: 0 }, 'circuitBreaker trials: 0'],
    [{ on: 'event' }, 'circuitBreaker on: "event" is no function'],
    [{ timeout: 10 }, 'circuitBreaker: there is no option "timeout"'],
    [{ jitter: 2 }, 'circuitBreaker jitter: 2 is no share of a time'],
    [{ consecutive: 0 }, 'circuitBreaker consecutive: 0'],
    [{ slowCall: 0 }, 'circuitBreaker slowCall: 0'],
    [{ slowThreshold: 0.5 }, 'circuitBreaker slowThreshold: no call is slow without slowCall'],
    [{ window: 0 }, 'circuitBreaker window: 0'],
    [{ window: { calls: 0 } }, 'circuitBreaker window calls: 0'],
    [{ window: { calls: 2e6 } }, 'circuitBreaker window calls: 2000000 takes a byte for each. Give at most 1000000'],
    [{ window: { calls: 10 }, minimumCalls: 11 }, 'circuitBreaker minimumCalls: 11 calls never fit into a window of 10'],
    [{ window: { count: 10 } }, 'circuitBreaker window: there is no option "count"'],
    [{ successThreshold: 3 }, 'circuitBreaker successThreshold: 3 is no share'],
    [{ successThreshold: { calls: 4 } }, 'circuitBreaker successThreshold calls: 4 of 3 trials cannot succeed'],
    [{ recovery: { kind: 'constant' } }, 'circuitBreaker recovery kind: "constant" is unknown'],
    [{ recovery: { kind: 'exponential', factor: 0.5 } }, 'circuitBreaker recovery factor: 0.5'],
    [{ recovery: { kind: 'linear' } }, 'circuitBreaker recovery step: undefined is no duration'],
    [{ recovery: { kind: 'linear', step: '1s', factor: 2 } }, 'circuitBreaker recovery: there is no option "factor"'],
    [{ adaptive: { errorRate: 80 } }, 'circuitBreaker adaptive errorRate: 80'],
    [{ failOn: [] }, 'circuitBreaker failOn: without a code nothing ever fails'],
    [{ failOn: ['503'] }, 'circuitBreaker failOn: "503" is no canonical code'],
    [{ failOn: ['UNAVAILABLE'], verdict: () => 'failed' }, 'circuitBreaker failOn: verdict decides alone'],
    [{ per: 'tenant' }, 'circuitBreaker per: "tenant" gives no key'],
    [{ maxKeys: 10 }, 'circuitBreaker maxKeys: there are no keys without per'],
    [{ per: 'operation', maxKeys: 0 }, 'circuitBreaker maxKeys: 0'],
    [{ clock: {} }, 'circuitBreaker clock: {} has no now()'],
    [{ name: 7 }, 'circuitBreaker name: 7 is no name'],
    [{ random: 1 }, 'circuitBreaker random: 1 is no function'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(() => circuitBreaker(options as CircuitBreakerOptions)).to.throw(TypeError, message);
    });
  }

  describe('what users of other breakers ran into', () => {
    it('closes when its trials are all client errors (opossum #389: stuck half-open with an errorFilter)', async () => {
      const { breaker, calls, clock } = rig();
      await calls(20, 'fails');
      clock.ms = 5000;
      await calls(2, new ServiceError('NOT_FOUND', 'none'));
      expect(breaker.state).to.equal('closed');
    });

    it('never stays open for longer than it said, though time goes back by an hour (opossum #386: stuck open)', async () => {
      const { breaker, calls, clock, start } = rig();
      clock.ms = 3_600_000;
      await calls(20, 'fails');
      clock.ms = 0;
      expect(await start()).to.equal(undefined);
      clock.ms = 4999;
      expect(await start()).to.equal(undefined);
      clock.ms = 5000;
      expect(await start()).to.not.equal(undefined);
      expect(breaker.state).to.equal('half-open');
    });

    it('a trial holds its permit no longer, though time goes back by an hour', async () => {
      const { calls, clock, start, events } = rig({ trials: 1 });
      clock.ms = 3_600_000;
      await calls(20, 'fails');
      clock.ms += 5000;
      await start();
      clock.ms = 0;
      expect(await start()).to.equal(undefined);
      clock.ms = 10_000;
      await start();
      expect(events.at(-1)).to.include({ reason: 'trials-failed' });
    });

    it('an error that is no failure stays the error that was thrown, and brings no fallback of its own (opossum #567)', async () => {
      const missing = new ServiceError('NOT_FOUND', 'none');
      const find = guard(() => Promise.reject(missing), circuitBreaker());
      expect(await find().catch((error: unknown) => error)).to.equal(missing);
      const open = circuitBreaker();
      open.open();
      const refused = guard(() => 'live', fallback('stale'), open);
      expect(await refused(), 'a fallback outside stands in for the refusal').to.equal('stale');
    });

    it('hands down a signal that works in every state, and takes back none of its own (opossum #674, #892, cockatiel #112)', async () => {
      const clock = handClock();
      const breaker = circuitBreaker({ clock, minimumCalls: 1, trials: 1 });
      let fails = true;
      const seen: boolean[] = [];
      const handler = breaker(async (call: Call) => {
        seen.push(call.signal.aborted);
        if (fails) throw away;
        return call.signal;
      });
      await handler(callWith()).catch(() => {});
      clock.ms = 5000;
      fails = false;
      const call = callWith();
      const signal = await handler(call);
      expect(breaker.state).to.equal('closed');
      expect(seen).to.deep.equal([false, false]);
      call.abort(new Error('gone'));
      expect(signal.aborted).to.equal(true);
    });

    it('passes on the reason of an abort as it is (cockatiel #101)', async () => {
      const reason = new Error('the user left');
      const handler = circuitBreaker()((call: Call) => new Promise((_resolve, reject) => void call.onAbort(reject)));
      const call = callWith();
      const result = handler(call).catch((error: unknown) => error);
      call.abort(reason);
      expect(await result).to.equal(reason);
    });

    for (const [what, thrown] of [
      ['undefined', undefined],
      ['null', null],
      ['a text', 'broken'],
      ['a Proxy that throws', new Proxy({}, { get: () => expect.fail('read'), getPrototypeOf: () => expect.fail('read') })],
      ['a revoked Proxy', revoked()],
    ] as const) {
      it(`takes whatever is thrown: ${what} (cockatiel #97)`, async () => {
        const breaker = circuitBreaker({ consecutive: 1, failOn: ['UNKNOWN'] });
        const handler = breaker(() => Promise.reject(thrown));
        let caught: unknown = 'nothing';
        await handler(callWith()).catch((error: unknown) => void (caught = error));
        expect(Object.is(caught, thrown)).to.equal(true);
        expect(breaker.state).to.equal('open');
      });
    }

    it('what is done to the options later changes nothing, and two breakers of one options object share nothing (cockatiel #113)', async () => {
      const clock = handClock();
      const options = { clock, consecutive: 2, window: { calls: 5 }, failOn: ['UNAVAILABLE' as const] };
      const [one, other] = [circuitBreaker(options), circuitBreaker(options)];
      options.consecutive = 100;
      options.window.calls = 1;
      options.failOn.length = 0;
      const failing = one(() => Promise.reject(away));
      await failing(callWith()).catch(() => {});
      await failing(callWith()).catch(() => {});
      expect([one.state, other.state]).to.deep.equal(['open', 'closed']);
    });

    it('leaves no listener, timer or signal behind over 10,000 calls (opossum #378, cockatiel #69)', async () => {
      const clock = handClock();
      const breaker = circuitBreaker({ clock, consecutive: 50, openFor: 100, maxOpenFor: 100, slowCall: '1s', adaptive: true });
      let fails = false;
      const handler = breaker(() => (fails ? Promise.reject(away) : Promise.resolve('ok')));
      const call = callWith();
      let listeners = 0;
      call.onAbort = () => (listeners++, () => listeners--);
      call.onEnd = () => void listeners++;
      Object.defineProperty(call, 'signal', { get: () => expect.fail('a breaker asks for no signal') });
      for (let round = 0; round < 10_000; round++) {
        clock.ms += 10;
        fails = round % 1000 > 900;
        await handler(call).catch(() => {});
      }
      expect(listeners).to.equal(0);
      expect(breaker.stats().transitions, 'it went through all of its states').to.be.above(20);
    });
  });

  it('a handler that throws instead of rejecting counts, and keeps no permit', async () => {
    const clock = handClock();
    const breaker = circuitBreaker({ clock, minimumCalls: 1, trials: 1 });
    const handler = breaker(() => {
      throw away;
    });
    expect(await handler(callWith()).catch((error: unknown) => error)).to.equal(away);
    clock.ms = 5000;
    expect(await handler(callWith()).catch((error: unknown) => error)).to.equal(away);
    expect(breaker.state).to.equal('open');
  });

  it('a listener may change the state while it is told of one', async () => {
    const clock = handClock();
    const breaker = circuitBreaker({
      clock,
      minimumCalls: 1,
      on(event) {
        if (event.kind === 'transition' && event.to === 'half-open') breaker.open();
      },
    });
    const handler = breaker(() => Promise.reject(away));
    await handler(callWith()).catch(() => {});
    clock.ms = 5000;
    const error = await handler(callWith()).catch((thrown: ServiceError) => thrown);
    expect(error).to.include({ reason: 'CIRCUIT_OPEN', message: 'GET /orders: circuit forced-open, by hand' });
    expect(breaker.stats()).to.include({ state: 'forced-open', trials: 0 });
  });
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
