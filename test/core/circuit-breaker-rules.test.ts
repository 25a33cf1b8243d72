import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { ServiceError, guard } from '@ferrule/core';
import type { CircuitBreakerOptions } from '@ferrule/core';
import { callWith, rig } from './circuit-breaker-fixture.js';

describe('circuitBreaker: when it opens', () => {
  describe('the last calls as window', () => {
    it('looks at so many calls, however long ago', async () => {
      const { breaker, calls, clock } = rig({ window: { calls: 10 } });
      await calls(5, 'ok', 3_600_000);
      await calls(4, 'fails', 3_600_000);
      expect(breaker.stats()).to.include({ windowCalls: 9, state: 'closed' });
      await calls(1, 'fails');
      expect(breaker.state).to.equal('open');
      expect(clock.ms).to.equal(9 * 3_600_000);
    });

    it('forgets the oldest with each new one', async () => {
      const { breaker, calls } = rig({ window: { calls: 100 } });
      await calls(49, 'fails');
      expect(breaker.state, '49 of 49').to.equal('open');
      breaker.close();
      await calls(19, 'fails');
      await calls(81, 'ok');
      expect(breaker.state, 'its minimum of 20 was reached by a success').to.equal('open');
      breaker.close();
      await calls(51, 'ok');
      await calls(49, 'fails');
      expect(breaker.stats()).to.include({ failureRate: 0.49, windowCalls: 100 });
      await calls(1, 'fails');
      expect(breaker.state, 'a success left').to.equal('open');
    });

    it('needs 20 calls, or a full window of fewer', async () => {
      for (const [size, least] of [
        [5, 5],
        [50, 20],
      ] as const) {
        const { breaker, calls } = rig({ window: { calls: size } });
        await calls(least - 1, 'fails');
        expect(breaker.state).to.equal('closed');
        await calls(1, 'fails');
        expect(breaker.state).to.equal('open');
      }
    });
  });

  describe('slow calls', () => {
    it('opens when half of them are slow, successful or not', async () => {
      const { breaker, calls, transitions } = rig({ slowCall: '2s', window: '10m' });
      await calls(10, 'ok', 1999);
      await calls(9, 'ok', 2000);
      expect(breaker.state).to.equal('closed');
      await calls(1, 'fails', 2000);
      expect(breaker.state).to.equal('open');
      expect(transitions()).to.deep.equal([
        { kind: 'transition', from: 'closed', to: 'open', reason: 'slow-rate', succeeded: 19, failed: 1, slow: 10, openForMs: 5000 },
      ]);
    });

    it('a trial that is slow has failed', async () => {
      const { breaker, calls, clock } = rig({ slowCall: '2s', consecutive: 1, trials: 1 });
      await calls(1, 'fails');
      clock.ms += 5000;
      await calls(1, 'ok', 2000);
      expect(breaker.state).to.equal('open');
    });

    it('a cancelled one says nothing, however long it took', async () => {
      const { breaker, calls } = rig({ slowCall: '2s', minimumCalls: 1 });
      await calls(5, new ServiceError('CANCELLED', 'gone'), 60_000);
      expect(breaker.stats()).to.include({ state: 'closed', ignored: 5, slow: 0 });
    });
  });

  it('opens after so many failures in a row, and a success between begins anew', async () => {
    const { breaker, calls, events } = rig({ consecutive: 5, threshold: 1 });
    await calls(4, 'fails');
    await calls(1, 'ok');
    await calls(4, 'fails');
    expect(breaker.state).to.equal('closed');
    await calls(1, 'fails');
    expect(events.at(-1)).to.include({ to: 'open', reason: 'consecutive-failures' });
  });

  it('counts a share that has no exact binary form as a person would', async () => {
    const { breaker, calls } = rig({ threshold: 0.55, window: { calls: 100 }, minimumCalls: 100 });
    await calls(45, 'ok');
    await calls(54, 'fails');
    expect(breaker.state).to.equal('closed');
    await calls(1, 'fails');
    expect(breaker.state).to.equal('open');
  });

  describe('failOn', () => {
    const failsOn = async (error: unknown): Promise<string> => {
      const { breaker, calls, clock } = rig({ consecutive: 1, trials: 1, failOn: ['UNAVAILABLE', 'DEADLINE_EXCEEDED'] });
      await calls(1, new ServiceError('UNAVAILABLE', 'away'));
      clock.ms = 5000;
      await calls(1, error as Error);
      return { open: 'failed', closed: 'answered', 'half-open': 'nothing' }[breaker.state as 'open' | 'closed' | 'half-open'];
    };
    for (const [what, error, verdict] of [
      ['UNAVAILABLE', new ServiceError('UNAVAILABLE', 'away'), 'failed'],
      ['INTERNAL', new ServiceError('INTERNAL', 'bug'), 'answered'],
      ['a plain Error', new Error('x'), 'answered'],
      ['a 503 of another library', Object.assign(new Error('x'), { status: 503 }), 'failed'],
      ['a 500 of another library', Object.assign(new Error('x'), { statusCode: 500 }), 'answered'],
      ['a TimeoutError', new DOMException('slow', 'TimeoutError'), 'failed'],
      ['a refused connection', Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'failed'],
      ['a cancellation', new ServiceError('CANCELLED', 'gone'), 'nothing'],
      ['an AbortError', new DOMException('gone', 'AbortError'), 'nothing'],
    ] as const) {
      it(`${what}: ${verdict}`, async () => {
        expect(await failsOn(error)).to.equal(verdict);
      });
    }

    it('an error cut short by a timeout above is a DEADLINE_EXCEEDED', async () => {
      const { breaker, start } = rig({ consecutive: 1, failOn: ['DEADLINE_EXCEEDED'] });
      const call = callWith();
      const end = await start(call);
      call.abort(new ServiceError('DEADLINE_EXCEEDED', 'slow'));
      await end!(new Error('aborted'));
      expect(breaker.state).to.equal('open');
    });
  });
});

describe('circuitBreaker: how it recovers', () => {
  const openTimes = async (options: CircuitBreakerOptions, rounds: number): Promise<number[]> => {
    const { calls, clock, transitions } = rig({ consecutive: 1, trials: 1, ...options });
    await calls(1, 'fails');
    for (let round = 1; round < rounds; round++) {
      clock.ms += transitions().at(-1)!.openForMs!;
      await calls(1, 'fails');
    }
    return transitions().flatMap(({ openForMs }) => (openForMs === undefined ? [] : [openForMs]));
  };

  for (const [what, options, expected] of [
    ['exponentially, twice as long each time', {}, [5000, 10_000, 20_000, 40_000, 60_000, 60_000]],
    ['exponentially by another factor', { recovery: { kind: 'exponential', factor: 1.5 }, openFor: 1000 }, [1000, 1500, 2250, 3375]],
    ['always as long', { recovery: { kind: 'exponential', factor: 1 } }, [5000, 5000, 5000]],
    ['linearly', { recovery: { kind: 'linear', step: '10s' }, openFor: '30s', maxOpenFor: '1m' }, [30_000, 40_000, 50_000, 60_000, 60_000]],
    ['shorter by a share of chance', { jitter: 0.5, random: () => 0.5 }, [3750, 7500, 15_000, 30_000, 45_000, 45_000]],
  ] as const) {
    it(what, async () => {
      expect(await openTimes(options, expected.length)).to.deep.equal(expected);
    });
  }

  it('is never open for longer than maxOpenFor, nor for a time that is none, in a thousand openings', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          factor: fc.double({ min: 1, max: 10, noNaN: true }),
          jitter: fc.double({ min: 0, max: 1, noNaN: true }),
          seed: fc.double({ min: 0, max: 0.999, noNaN: true }),
        }),
        async ({ factor, jitter, seed }) => {
          const times = await openTimes({ recovery: { kind: 'exponential', factor }, jitter, random: () => seed, maxOpenFor: '20s' }, 30);
          for (const ms of times) expect(ms).to.be.within(5000 * (1 - jitter) - 1e-6, 20_000);
        },
      ),
      { numRuns: 30 },
    );
    expect((await openTimes({}, 1100)).at(-1), '2 ^ 1100 is no number').to.equal(60_000);
  });

  for (const [successThreshold, trials, successes, failures] of [
    [0.6, 3, 2, 2],
    [0.6, 5, 3, 3],
    [1, 4, 4, 1],
    [0.1, 4, 1, 4],
    [{ calls: 2 }, 4, 2, 3],
    [undefined, 4, 3, 2],
  ] as const) {
    it(`successThreshold ${JSON.stringify(successThreshold)} of ${trials}: ${successes} successes close it, ${failures} failures open it (cockatiel #73)`, async () => {
      for (const [result, count, then] of [
        ['ok', successes, 'closed'],
        ['fails', failures, 'open'],
      ] as const) {
        const { breaker, calls, clock } = rig({ consecutive: 1, trials, ...(successThreshold !== undefined && { successThreshold }) });
        await calls(1, 'fails');
        clock.ms += 5000;
        await calls(count - 1, result);
        expect(breaker.state).to.equal(count === 1 ? 'open' : 'half-open');
        await calls(1, result);
        expect(breaker.state).to.equal(then);
      }
    });
  }
});

describe('circuitBreaker: the adaptive threshold', () => {
  const adaptive = { calls: 100, latency: '2s' } as const;

  it('halves the limits after 100 results that were nearly all failures, down to their minimum, and doubles them again when it works', async () => {
    const { calls, events, breaker } = rig({ adaptive, consecutive: 5, threshold: 1, minimumCalls: 1000 });
    const [limits, adaptations] = [
      () => [breaker.stats().consecutive, breaker.stats().threshold],
      () => events.filter((event) => event.kind === 'adaptation'),
    ];
    const period = async (failures: number): Promise<void> => {
      for (let call = 0; call < 100; call++) {
        await calls(1, call < failures ? 'fails' : 'ok');
        if (breaker.state !== 'closed') breaker.close();
      }
    };
    expect(limits()).to.deep.equal([5, 1]);
    await period(80);
    expect(limits(), '0.8 is not above 0.8').to.deep.equal([5, 1]);
    await period(81);
    expect(limits()).to.deep.equal([2, 0.5]);
    for (let round = 0; round < 10; round++) await period(100);
    expect(limits()).to.deep.equal([2, 0.1]);
    await period(40);
    expect(limits(), 'in between nothing changes').to.deep.equal([2, 0.1]);
    for (let round = 0; round < 10; round++) await period(0);
    expect(limits(), 'and never beyond what was configured').to.deep.equal([5, 1]);
    expect(adaptations().map((event) => event.reason)).to.deep.equal('error-rate '.repeat(4).concat('recovered '.repeat(4)).trim().split(' '));
    expect(adaptations()[0]).to.deep.equal({ kind: 'adaptation', reason: 'error-rate', threshold: 0.5, consecutive: 2 });
  });

  it('halves them too when the calls took more than twice the latency on average', async () => {
    const { calls, events, breaker } = rig({ adaptive });
    await calls(99, 'ok', 4001);
    expect(breaker.stats().threshold).to.equal(0.5);
    await calls(1, 'ok', 4001);
    expect(events).to.deep.equal([{ kind: 'adaptation', reason: 'latency', threshold: 0.25 }]);
    await calls(100, 'ok', 3000);
    expect(breaker.stats().threshold).to.equal(0.25);
    await calls(100, 'ok', 2000);
    expect(breaker.stats().threshold).to.equal(0.5);
  });

  it('opens at the limit that holds', async () => {
    const { calls, breaker } = rig({ adaptive: { calls: 10, latency: 100 }, window: { calls: 10 }, minimumCalls: 10 });
    await calls(10, 'ok', 300);
    expect(breaker.stats().threshold).to.equal(0.25);
    await calls(3, 'fails', 1);
    expect(breaker.state).to.equal('open');
  });

  it('is one per breaker: another one from the same options keeps its own (the original halved the limits of all)', async () => {
    const options = { adaptive: { calls: 10 }, consecutive: 8, threshold: 1, minimumCalls: 1000 } as const;
    const [one, other] = [rig(options), rig(options)];
    for (let call = 0; call < 10; call++) {
      await one.calls(1, 'fails');
      one.breaker.close();
    }
    expect([one.breaker.stats().consecutive, other.breaker.stats().consecutive]).to.deep.equal([4, 8]);
    one.breaker.reset();
    expect(one.breaker.stats().consecutive, 'as new').to.equal(8);
  });
});

describe('circuitBreaker: the values of the original design', () => {
  it('max_failures 5, timeout 1 min, half_open_requests 3, success_threshold .6, recovery_delay 30 s, latency_threshold 2 s', async () => {
    const { breaker, calls, clock, transitions } = rig({
      consecutive: 5,
      threshold: 1,
      openFor: '30s',
      maxOpenFor: '1m',
      trials: 3,
      successThreshold: 0.6,
      adaptive: { latency: '2s' },
    });
    await calls(5, 'fails');
    expect(transitions().at(-1)).to.include({ to: 'open', openForMs: 30_000 });
    clock.ms += 30_000;
    await calls(2, 'fails');
    expect(transitions().at(-1)).to.include({ to: 'open', openForMs: 60_000 });
    clock.ms += 60_000;
    await calls(2, 'ok');
    expect(breaker.state).to.equal('closed');
  });
});

describe('circuitBreaker: what it costs', () => {
  it('does not grow with what it has seen: 200,000 samples, then percentiles (opossum #830: a stack overflow)', async () => {
    const { breaker, calls } = rig({ slowCall: '10s', window: { calls: 200_000 } });
    await calls(200_000, 'ok');
    expect(breaker.stats()).to.include({ succeeded: 200_000, windowCalls: 200_000 });
    expect(breaker.stats().p95Ms).to.be.below(1);
  });

  it('guards a function as it is', async () => {
    const { breaker } = rig();
    const double = guard((value: number) => value * 2, breaker);
    expect(await double(21)).to.equal(42);
    expect(breaker.stats().succeeded).to.equal(1);
  });
});
