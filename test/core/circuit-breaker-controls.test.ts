import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { ServiceError, circuitBreaker } from '@ferrule/core';
import type { CircuitBreakerOptions, CircuitSnapshot } from '@ferrule/core';
import { callWith, gone, handClock, rig } from './circuit-breaker-fixture.js';

describe('circuitBreaker by hand', () => {
  it('open() refuses every call until close(), whatever time passes, without saying when to come back', async () => {
    const { breaker, calls, clock, transitions } = rig();
    breaker.open();
    clock.ms = 1e9;
    expect(await calls(3, 'ok')).to.equal(3);
    const error = await breaker(async () => 'ok')(callWith()).catch((thrown: ServiceError) => thrown);
    expect(error).to.include({
      code: 'UNAVAILABLE',
      reason: 'CIRCUIT_OPEN',
      message: 'GET /orders: circuit forced-open, by hand',
      retryAfterMs: undefined,
    });
    breaker.close();
    expect(await calls(3, 'ok')).to.equal(0);
    expect(transitions().map(({ from, to, reason }) => [from, to, reason])).to.deep.equal([
      ['closed', 'forced-open', 'manual'],
      ['forced-open', 'closed', 'manual'],
    ]);
  });

  it('disable() lets every call through and judges none, but counts them', async () => {
    const { breaker, calls } = rig();
    await calls(20, 'fails');
    breaker.disable();
    expect(await calls(100, 'fails')).to.equal(0);
    expect(breaker.stats()).to.include({ state: 'disabled', failed: 120, windowCalls: 20 });
  });

  it('close() begins with an empty window, and the next opening is a first one', async () => {
    const { breaker, calls, clock, transitions } = rig();
    await calls(20, 'fails');
    clock.ms += 5000;
    await calls(2, 'fails');
    breaker.close();
    await calls(19, 'fails');
    expect(breaker.state).to.equal('closed');
    await calls(1, 'fails');
    expect(transitions().at(-1)).to.include({ to: 'open', openForMs: 5000 });
  });

  it('a result of before a control counts no more', async () => {
    const { breaker, start } = rig({ minimumCalls: 1 });
    const end = await start();
    breaker.close(); // it was closed: nobody is told of a change, but what is on its way is out
    await end!('fails');
    expect(breaker.stats()).to.include({ state: 'closed', transitions: 0, failed: 1, windowCalls: 0 });
  });

  it('reset() makes it as new, but for its counts', async () => {
    const { breaker, calls } = rig();
    await calls(25, 'fails', 10);
    breaker.reset();
    expect(breaker.stats()).to.deep.equal({
      state: 'closed',
      succeeded: 0,
      failed: 20,
      slow: 0,
      ignored: 0,
      rejected: 5,
      transitions: 2,
      p50Ms: undefined,
      p95Ms: undefined,
      windowCalls: 0,
      failureRate: 0,
      slowRate: 0,
      threshold: 0.5,
      consecutive: Infinity,
      trials: 0,
    });
  });
});

describe('circuitBreaker stats()', () => {
  it('tells counts, shares and latencies, in an object of its own each time', async () => {
    const { breaker, calls } = rig({ slowCall: '500ms', slowThreshold: 0.9, window: '10m' });
    await calls(80, 'ok', 10);
    await calls(10, new ServiceError('NOT_FOUND', 'none'), 100);
    await calls(10, 'fails', 1000);
    await calls(3, gone, 5);
    const stats = breaker.stats();
    expect(stats).to.include({
      state: 'closed',
      succeeded: 90,
      failed: 10,
      slow: 10,
      ignored: 3,
      rejected: 0,
      windowCalls: 100,
      failureRate: 0.1,
      slowRate: 0.1,
    });
    expect(stats.p50Ms).to.be.closeTo(10, 10 / 16);
    expect(stats.p95Ms).to.be.closeTo(1000, 1000 / 16);
    expect(breaker.stats()).to.not.equal(stats);
    expect(breaker.stats()).to.deep.equal(stats);
    expect(JSON.parse(JSON.stringify(stats))).to.include({ state: 'closed', succeeded: 90 });
  });

  it('percentiles are within a sixteenth of what sorting gives', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 60 }), async (latencies) => {
        const { breaker, calls, clock } = rig({ slowCall: '1h', window: '1h' });
        for (const ms of latencies) {
          await calls(1, 'ok', ms);
          clock.ms -= ms;
        }
        const sorted = latencies.toSorted((a, b) => a - b);
        const { p50Ms, p95Ms } = breaker.stats();
        for (const [share, found] of [
          [0.5, p50Ms],
          [0.95, p95Ms],
        ] as const) {
          const exact = sorted[Math.ceil(share * sorted.length) - 1]!;
          expect(found).to.be.closeTo(exact, exact / 16 + 1 / 32);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('forgets latencies after two minutes at most', async () => {
    const { breaker, calls, clock } = rig();
    await calls(50, 'ok', 20);
    clock.ms = 61_500;
    expect(breaker.stats().p50Ms, 'of the minute before').to.be.closeTo(20, 20 / 16);
    clock.ms = 180_000;
    expect(breaker.stats().p50Ms).to.equal(undefined);
  });

  it('measures every call of few, and one in sixteen of many, which is enough for a percentile', async () => {
    let reads = 0;
    const clock = handClock();
    const counting = { ...clock, now: () => (reads++, clock.ms) };
    const handler = circuitBreaker({ clock: counting, window: '1m' })(async () => {
      clock.ms += 0.01;
    });
    for (let call = 0; call < 64; call++) await handler(callWith());
    expect(reads, 'when it begins and when it ends').to.equal(128);
    for (let call = 0; call < 800; call++) await handler(callWith());
    expect(reads - 128).to.equal(850);
  });
});

describe('circuitBreaker snapshot() and restore', () => {
  /** The breaker of another process, whose clock began elsewhere: only the wall clock is about the same. */
  const moved = (snapshot: CircuitSnapshot, wallMs: number, options: CircuitBreakerOptions = {}): ReturnType<typeof rig> => {
    const clock = handClock(777_777);
    clock.wallTime = () => 1_767_225_600_000 + wallMs + clock.ms - 777_777;
    return rig({ clock, restore: JSON.parse(JSON.stringify(snapshot)) as CircuitSnapshot, ...options });
  };

  it('goes on where the other one was: open for what is left, and then for longer (opossum #568, cockatiel #89)', async () => {
    const one = rig();
    await one.calls(20, 'fails');
    one.clock.ms += 5000;
    await one.calls(2, 'fails');
    one.clock.ms += 4000;
    const { breaker, calls, clock, transitions } = moved(one.breaker.snapshot(), 9000);
    expect(breaker.state).to.equal('open');
    clock.ms += 5999;
    expect(await calls(1, 'ok')).to.equal(1);
    clock.ms += 1;
    expect(await calls(2, 'fails')).to.equal(0);
    expect(transitions().at(-1)).to.include({ to: 'open', openForMs: 20_000 });
  });

  it('takes the time between the two into account, and is not led astray by a wall clock that is behind', async () => {
    const one = rig();
    await one.calls(20, 'fails');
    const later = moved(one.breaker.snapshot(), 5000);
    expect(await later.calls(1, 'ok')).to.equal(0);
    const behind = moved(one.breaker.snapshot(), -3_600_000);
    expect(await behind.calls(1, 'ok')).to.equal(1);
    behind.clock.ms += 5000;
    expect(await behind.calls(1, 'ok')).to.equal(0);
  });

  for (const window of ['10s', { calls: 30 }] as const) {
    it(`keeps its window: ${JSON.stringify(window)}`, async () => {
      const one = rig({ window, slowCall: '1s', minimumCalls: 25 });
      await one.calls(10, 'ok', 100);
      await one.calls(5, 'ok', 1000);
      await one.calls(5, 'fails');
      const stats = one.breaker.stats();
      const { breaker, calls, clock } = moved(one.breaker.snapshot(), 6000, { window, slowCall: '1s', minimumCalls: 25 });
      const { windowCalls, failureRate, slowRate } = breaker.stats();
      expect({ windowCalls, failureRate, slowRate }).to.deep.equal({ windowCalls: 20, failureRate: 0.25, slowRate: 0.25 });
      expect(stats).to.include({ windowCalls, failureRate, slowRate });
      clock.ms += 5000;
      expect(breaker.stats().windowCalls, 'and it leaves as it would have').to.equal(window === '10s' ? 10 : 20);
      await calls(20, 'fails');
      expect(breaker.state).to.equal('open');
    });
  }

  it('a window of another kind or size begins empty', async () => {
    const one = rig();
    await one.calls(10, 'fails');
    for (const window of ['1m', { calls: 20 }] as const) expect(moved(one.breaker.snapshot(), 0, { window }).breaker.stats().windowCalls).to.equal(0);
    expect(moved(one.breaker.snapshot(), 10_000).breaker.stats().windowCalls, 'nor does what has left it come back').to.equal(0);
  });

  it('a half-open one begins with new trials, and what was set by hand stays', async () => {
    const one = rig();
    await one.calls(20, 'fails');
    one.clock.ms += 5000;
    await one.start();
    await one.start();
    await one.start();
    const next = moved(one.breaker.snapshot(), 5000);
    expect(await next.calls(2, 'ok')).to.equal(0);
    expect(next.breaker.state).to.equal('closed');
    for (const control of ['open', 'disable'] as const) {
      one.breaker[control]();
      expect(moved(one.breaker.snapshot(), 5000).breaker.state).to.equal(one.breaker.state);
    }
  });

  it('a snapshot that was restored is the snapshot again, wherever it was taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('ok' as const, 'fails' as const, gone), fc.integer({ min: 0, max: 3000 })), { maxLength: 60 }),
        fc.constantFrom('10s' as const, { calls: 7 } as const),
        async (steps, window) => {
          const options = { window, slowCall: '1s', minimumCalls: 5, adaptive: { calls: 10 }, consecutive: 6 } as const;
          const one = rig(options);
          for (const [result, ms] of steps) await one.calls(1, result, ms);
          const snapshot = one.breaker.snapshot();
          const again = moved(snapshot, one.clock.ms, options).breaker.snapshot();
          const state = snapshot.state === 'half-open' ? 'open' : snapshot.state;
          expect(again).to.deep.equal({ ...snapshot, state, openForMs: again.openForMs });
          expect(again.openForMs).to.be.closeTo(snapshot.openForMs, 1e-6);
        },
      ),
      { numRuns: 100 },
    );
  });

  const good = rig().breaker.snapshot();
  for (const [restore, message] of [
    ['open', 'circuitBreaker restore: "open" is no snapshot'],
    [{ ...good, version: 2 }, 'circuitBreaker restore version: 2 cannot be read. Give a snapshot of version 1'],
    [{ ...good, state: 'ajar' }, 'circuitBreaker restore state: "ajar" does not fit'],
    [{ ...good, openForMs: -1 }, 'circuitBreaker restore openForMs: -1'],
    [{ ...good, openings: '3' }, 'circuitBreaker restore openings: "3"'],
    [{ ...good, window: undefined }, 'circuitBreaker restore: undefined is no snapshot. window'],
    [{ ...good, window: { kind: 'time', bucketMs: 1000, buckets: [[1, 2]] } }, 'circuitBreaker restore window buckets: [1, 2]'],
    [{ ...good, window: { kind: 'calls', results: '0129' } }, 'circuitBreaker restore window results: "0129"'],
    [{ ...good, window: { kind: 'forever' } }, 'circuitBreaker restore window kind: "forever"'],
    [{ version: 1, forced: null, circuits: [] }, 'circuitBreaker restore: this is the snapshot of a breaker with one circuit a key'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(() => circuitBreaker({ restore: restore as unknown as CircuitSnapshot })).to.throw(TypeError, message);
    });
  }
});
