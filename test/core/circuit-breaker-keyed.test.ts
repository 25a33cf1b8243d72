import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Call, circuitBreaker, guard } from '@ferrule/core';
import type { CircuitBreakerOptions, CircuitEvent, KeyedCircuitSnapshot, KeyedCircuits, ServiceError } from '@ferrule/core';
import { away, callWith, handClock } from './circuit-breaker-fixture.js';
import type { HandClock } from './circuit-breaker-fixture.js';

interface KeyedRig {
  readonly clock: HandClock;
  readonly breaker: KeyedCircuits;
  readonly events: CircuitEvent[];
  /** Makes calls with that key; how many were refused. */
  calls(key: string | undefined, count: number, result: 'ok' | 'fails'): Promise<number>;
}

/** A breaker with a circuit for each value of the header `tenant`. */
function rig(options: CircuitBreakerOptions = {}): KeyedRig {
  const clock = handClock();
  const events: CircuitEvent[] = [];
  const per = (call: Call): string | undefined => call.header('tenant');
  const breaker = circuitBreaker({ clock, on: (event) => void events.push(event), ...options, per });
  let result: 'ok' | 'fails' = 'ok';
  const handler = breaker(async () => {
    if (result === 'fails') throw away;
    return undefined as never;
  });
  return {
    clock,
    breaker,
    events,
    async calls(key, count, wanted) {
      result = wanted;
      let refused = 0;
      for (let index = 0; index < count; index++) {
        const { side, operation } = callWith();
        await handler(new Call({ side, operation, headers: { tenant: key } })).catch((error: ServiceError) => {
          if (error.reason === 'CIRCUIT_OPEN') refused++;
        });
      }
      return refused;
    },
  };
}

describe('circuitBreaker per key', () => {
  it('one key that fails does not close the way of the others', async () => {
    const { breaker, calls, events } = rig();
    await calls('a', 20, 'fails');
    expect(await calls('a', 3, 'ok')).to.equal(3);
    expect(await calls('b', 3, 'ok')).to.equal(0);
    expect([breaker.of('a')!.state, breaker.of('b')!.state, breaker.of('c')]).to.deep.equal(['open', 'closed', undefined]);
    expect(events).to.deep.equal([
      { kind: 'transition', from: 'closed', to: 'open', reason: 'failure-rate', succeeded: 0, failed: 20, slow: 0, openForMs: 5000, key: 'a' },
    ]);
    expect(breaker.stats()).to.include({ state: 'open', keys: 2, openKeys: 1, failed: 20, succeeded: 3, rejected: 3, transitions: 1, unguarded: 0 });
    expect(breaker.of('b')!.stats()).to.include({ succeeded: 3, failed: 0, state: 'closed' });
  });

  it('a refusal names no key: it may be a secret', async () => {
    const breaker = circuitBreaker({ per: (call: Call) => call.header('authorization'), consecutive: 1 });
    const handler = breaker(() => Promise.reject(away));
    const { side, operation } = callWith();
    const call = new Call({ side, operation, headers: { authorization: 'hunter2' } });
    await handler(call).catch(() => {});
    const error = await handler(call).catch((thrown: ServiceError) => thrown);
    expect((error as ServiceError).message).to.match(/^GET \/orders: circuit open/);
    expect(JSON.stringify(error) + String((error as ServiceError).message)).to.not.include('hunter2');
  });

  it('a call without a key is not guarded', async () => {
    const { breaker, calls } = rig({ consecutive: 1 });
    expect(await calls(undefined, 5, 'fails')).to.equal(0);
    expect(breaker.stats()).to.include({ keys: 0, unguarded: 5, state: 'closed' });
  });

  it('per operation and per service, as a configuration file can say it; for a guarded function too', async () => {
    for (const [per, states] of [
      ['operation', ['open', 'closed']],
      ['service', ['open', 'open']],
    ] as const) {
      const breaker = circuitBreaker({ per, consecutive: 1 });
      const handler = breaker((call: Call) => (call.label === 'a' ? Promise.reject(away) : Promise.resolve('ok')));
      await handler(callWith(undefined, 'a')).catch(() => {});
      await handler(callWith(undefined, 'b')).catch(() => {});
      const keys = per === 'operation' ? ['a', 'b'] : ['orders', 'orders'];
      expect(keys.map((key) => breaker.of(key)!.state)).to.deep.equal(states);
    }
    const breaker = circuitBreaker({ per: 'operation', consecutive: 1 });
    const failing = guard({ label: 'failing' }, () => Promise.reject(away), breaker);
    await failing().catch(() => {});
    expect(await guard({ label: 'other' }, () => 1, breaker)()).to.equal(1);
    expect(await failing().catch((error: ServiceError) => error.reason)).to.equal('CIRCUIT_OPEN');
  });

  it('a function that throws instead of giving a key fails the call with what it threw', async () => {
    const bug = new Error('no tenant');
    const breaker = circuitBreaker({
      per: (_call: Call) => {
        throw bug;
      },
    });
    expect(await breaker(async () => undefined as never)(callWith()).catch((error: unknown) => error)).to.equal(bug);
  });

  it('a key may be called __proto__', async () => {
    const { breaker, calls } = rig({ consecutive: 1 });
    await calls('__proto__', 1, 'fails');
    expect(breaker.of('__proto__')!.state).to.equal('open');
    const next = rig({ restore: JSON.parse(JSON.stringify(breaker.snapshot())) as KeyedCircuitSnapshot });
    expect(next.breaker.of('__proto__')!.state).to.equal('open');
  });

  describe('bounded', () => {
    it('keeps no more circuits than maxKeys, and gives up those that are closed and unused', async () => {
      const { breaker, calls } = rig({ maxKeys: 10 });
      for (let key = 0; key < 1000; key++) {
        await calls(`key ${key}`, 1, 'ok');
        await calls('regular', 2, 'fails');
        if (key === 5) breaker.of('regular')!.close();
      }
      expect(breaker.stats()).to.include({ keys: 10, evicted: 991, succeeded: 1000, unguarded: 0 });
      expect(breaker.of('regular'), 'one that is used stays').to.not.equal(undefined);
    });

    it('a flood of new keys opens no way for one that is held back', async () => {
      const { breaker, calls, clock } = rig({ maxKeys: 50, consecutive: 1 });
      await calls('bad', 1, 'fails');
      breaker.of('bad')!.snapshot();
      for (let key = 0; key < 10_000; key++) await calls(`flood ${key}`, 1, 'ok');
      expect(breaker.of('bad')?.state).to.equal('open');
      expect(await calls('bad', 5, 'ok')).to.equal(5);
      clock.ms = 5000;
      for (let key = 0; key < 10_000; key++) await calls(`flood ${key}`, 1, 'ok');
      expect(breaker.of('bad')?.state, 'nor when its time is over: a closed one is always given up before').to.equal('open');
      expect(breaker.stats().keys).to.equal(50);
    });

    it('when all that there is room for are open, a new key is not guarded, and none of them is given up', async () => {
      const { breaker, calls, clock } = rig({ maxKeys: 20, consecutive: 1 });
      for (let key = 0; key < 20; key++) await calls(`bad ${key}`, 1, 'fails');
      expect(await calls('new', 5, 'fails')).to.equal(0);
      expect(breaker.stats()).to.include({ keys: 20, openKeys: 20, evicted: 0, unguarded: 5 });
      clock.ms = 5000;
      await calls('new', 1, 'ok');
      expect(breaker.of('new'), 'there is room again once the time of one is over').to.not.equal(undefined);
      expect(breaker.stats()).to.include({ keys: 20, openKeys: 19, evicted: 1 });
    });

    it('what was opened by hand is never given up, though its key is not used', async () => {
      const { breaker, calls, clock } = rig({ maxKeys: 5 });
      await calls('blocked', 1, 'ok');
      breaker.of('blocked')!.open();
      for (let key = 0; key < 1000; key++) {
        clock.ms += 60_000;
        await calls(`key ${key}`, 1, 'ok');
      }
      expect(await calls('blocked', 1, 'ok')).to.equal(1);
    });

    it('under any sequence of keys, results and time: never above maxKeys, and never lets a call of a key through that is open', async () => {
      const step = fc.record({ key: fc.nat(12), fails: fc.boolean(), ms: fc.constantFrom(0, 0, 0, 1000, 6000) });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 8 }), async (steps, maxKeys) => {
          const { breaker, calls, clock, events } = rig({ maxKeys, consecutive: 2, trials: 1 });
          const openUntil = new Map<string, number>();
          for (const { key, fails, ms } of steps) {
            clock.ms += ms;
            const before = events.length;
            const refused = await calls(`${key}`, 1, fails ? 'fails' : 'ok');
            const isHeld = (openUntil.get(`${key}`) ?? 0) > clock.ms;
            expect(refused === 1).to.equal(isHeld);
            for (const event of events.slice(before)) {
              if (event.kind === 'transition') openUntil.set(event.key!, event.to === 'open' ? clock.ms + event.openForMs! : 0);
            }
            expect(breaker.stats().keys).to.be.at.most(maxKeys);
          }
        }),
        { numRuns: 200 },
      );
    });
  });

  describe('by hand', () => {
    it('the controls are for all keys, those to come included', async () => {
      const { breaker, calls } = rig({ maxKeys: 3 });
      await calls('a', 1, 'ok');
      breaker.open();
      expect(breaker.state).to.equal('forced-open');
      expect([await calls('a', 1, 'ok'), await calls('b', 1, 'ok')]).to.deep.equal([1, 1]);
      breaker.disable();
      expect(breaker.state).to.equal('disabled');
      expect(await calls('b', 100, 'fails')).to.equal(0);
      expect(await calls('c', 100, 'fails')).to.equal(0);
      breaker.reset();
      expect(breaker.stats()).to.include({ state: 'closed', keys: 3, openKeys: 0 });
      await calls('c', 20, 'fails');
      expect(breaker.state).to.equal('open');
      breaker.close();
      expect(await calls('c', 1, 'ok')).to.equal(0);
    });

    it('says forced-open of all before there is any key', async () => {
      const { breaker, calls } = rig();
      breaker.open();
      expect(breaker.state).to.equal('forced-open');
      expect(await calls('first', 1, 'ok')).to.equal(1);
    });
  });

  describe('snapshot() and restore', () => {
    it('keeps the circuits of all keys and what was set by hand for all', async () => {
      const one = rig();
      await one.calls('a', 20, 'fails');
      await one.calls('b', 10, 'fails');
      const snapshot = JSON.parse(JSON.stringify(one.breaker.snapshot())) as KeyedCircuitSnapshot;
      const next = rig({ restore: snapshot });
      expect(await next.calls('a', 1, 'ok')).to.equal(1);
      expect(next.breaker.of('b')!.stats().windowCalls).to.equal(10);
      one.breaker.disable();
      const disabled = rig({ restore: one.breaker.snapshot() });
      expect(await disabled.calls('new', 30, 'fails')).to.equal(0);
      expect(disabled.breaker.state).to.equal('disabled');
    });

    it('of more than there is room for, those that are open come first', async () => {
      const one = rig();
      for (let key = 0; key < 10; key++) await one.calls(`${key}`, 1, 'ok');
      await one.calls('bad', 20, 'fails');
      const next = rig({ restore: one.breaker.snapshot(), maxKeys: 2 });
      expect(next.breaker.of('bad')!.state).to.equal('open');
      expect(next.breaker.stats().keys).to.equal(2);
    });

    const one = circuitBreaker().snapshot();
    for (const [restore, message] of [
      [one, 'circuitBreaker restore: this is the snapshot of a single circuit'],
      [{ version: 3, forced: null, circuits: [] }, 'circuitBreaker restore version: 3'],
      [{ version: 1, forced: 'ajar', circuits: [] }, 'circuitBreaker restore forced: "ajar"'],
      [{ version: 1, forced: null, circuits: {} }, 'circuitBreaker restore circuits: {}'],
      [{ version: 1, forced: null, circuits: [['a', {}]] }, 'circuitBreaker restore version: undefined'],
    ] as const) {
      it(`refuses at construction: ${message}`, () => {
        expect(() => circuitBreaker({ per: 'operation', restore: restore as unknown as KeyedCircuitSnapshot })).to.throw(TypeError, message);
      });
    }
  });
});
