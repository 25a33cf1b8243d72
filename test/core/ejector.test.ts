import { expect } from 'chai';
import { createSelector, ejector, p2c, roundRobin } from '@ferrule/core';
import type { EjectorOptions, SelectorOptions, ServiceSelector } from '@ferrule/core';
import type { HealthSource, Lease, Outcome } from '@ferrule/core/adapter';
import { manualClock, seededRandom } from '@ferrule/testing';
import { ScriptedDirectory, instance, instances, leaseOf, outbound, pinned } from './selection-fixtures.js';

const OK: Outcome = { kind: 'ok', status: 200 };
const ERROR: Outcome = { kind: 'error', status: 503 };
const REFUSED: Outcome = { kind: 'refused' };
const CANCELLED: Outcome = { kind: 'cancelled' };

/** A selector whose picks go where `at` says, and whose ejections last exactly as long as the rule says. */
function bench(count: number, options: EjectorOptions = {}, more: Pick<SelectorOptions, 'health' | 'clock'> = {}) {
  const clock = manualClock();
  const directory = new ScriptedDirectory(instances(count));
  const balancer = pinned('i0');
  const selector = createSelector({
    service: 'orders',
    directory,
    balancer,
    ejector: ejector({ jitter: 0, ...options }),
    clock,
    random: seededRandom(1),
    ...more,
  });
  const start = (id: string): Lease => {
    balancer.target = id;
    return leaseOf(selector);
  };
  const finish = (id: string, outcome: Outcome, times = 1): void => {
    for (let time = 0; time < times; time++) start(id).end(outcome);
  };
  return { clock, directory, balancer, selector, start, finish, state: (id: string) => stateOf(selector, id) };
}

function stateOf(selector: ServiceSelector, id: string): string | undefined {
  return selector.endpoints().find((endpoint) => endpoint.id === id)?.state;
}

describe('ejector', () => {
  it('ejects after five failures in a row and not after four; a success starts the count again', () => {
    const { finish, state } = bench(4);
    finish('i0', ERROR, 4);
    finish('i0', OK);
    finish('i0', ERROR, 4);
    expect(state('i0')).to.equal('ready');
    finish('i0', ERROR);
    expect(state('i0')).to.equal('ejected');
    expect(state('i1')).to.equal('ready');
  });

  for (const kind of ['error', 'transport', 'timeout', 'refused'] as const) {
    it(`counts ${kind} as a failure`, () => {
      const { finish, state } = bench(4);
      finish('i0', { kind }, 5);
      expect(state('i0')).to.equal('ejected');
    });
  }

  it('counts a cancelled call neither as a success nor as a failure', () => {
    const { finish, state } = bench(4);
    finish('i0', CANCELLED, 50);
    expect(state('i0')).to.equal('ready');
    finish('i0', ERROR, 4);
    finish('i0', CANCELLED, 5);
    finish('i0', ERROR);
    expect(state('i0')).to.equal('ejected');
  });

  it('ejects below a success ratio of 0.8, once there are twenty results', () => {
    const { finish, state } = bench(4);
    for (let round = 0; round < 4; round++) {
      finish('i0', OK, 2);
      finish('i0', ERROR, 2);
    }
    finish('i0', OK, 3);
    expect(state('i0')).to.equal('ready'); // 11 of 19
    finish('i0', ERROR);
    expect(state('i0')).to.equal('ejected');
  });

  it('forgets results that are older than the window', async () => {
    const { clock, finish, state } = bench(4);
    for (let round = 0; round < 4; round++) {
      finish('i0', ERROR, 3);
      finish('i0', OK);
    }
    await clock.advance(60_000);
    for (let round = 0; round < 4; round++) finish('i0', OK, 2);
    finish('i0', ERROR);
    expect(state('i0')).to.equal('ready');
  });

  it('leaves it alone for 5 s, lets one call probe it, and takes it back on success, starting slowly', async () => {
    const { clock, selector, finish, start, state } = bench(4);
    finish('i0', ERROR, 5);
    await clock.advance(4_999);
    expect(start('i0').endpoint.id).to.not.equal('i0');
    await clock.advance(1);
    expect(state('i0')).to.equal('half-open');
    const probe = start('i1');
    expect(probe.endpoint.id).to.equal('i0');
    expect(state('i0')).to.equal('probing');
    probe.answered(200);
    expect(state('i0')).to.equal('ready');
    expect(probe.endpoint.ramp(clock.now())).to.equal(0.1);
    await clock.advance(10_000);
    expect(probe.endpoint.ramp(clock.now())).to.equal(1);
    expect(selector.endpoints().map((report) => report.state)).to.deep.equal(['ready', 'ready', 'ready', 'ready']);
  });

  it('doubles the ejection with every failed probe, up to 300 s', async () => {
    const { clock, finish, start, state } = bench(4);
    finish('i0', ERROR, 5);
    for (const seconds of [5, 10, 20, 40, 80, 160, 300, 300]) {
      await clock.advance(seconds * 1_000 - 1);
      expect(state('i0'), `${seconds} s`).to.equal('ejected');
      await clock.advance(1);
      const probe = start('i1');
      expect(probe.endpoint.id, `${seconds} s`).to.equal('i0');
      probe.end(ERROR);
    }
  });

  it('forgives one doubling for every 10 s in service', async () => {
    const { clock, finish, start, state } = bench(4);
    finish('i0', ERROR, 5);
    await clock.advance(5_000);
    start('i0').end(ERROR);
    await clock.advance(10_000);
    start('i0').end(OK);
    await clock.advance(10_000); // level 2 falls to 1: 10 s, not 20 s
    finish('i0', ERROR, 5);
    await clock.advance(9_999);
    expect(state('i0')).to.equal('ejected');
    await clock.advance(1);
    expect(state('i0')).to.equal('half-open');
  });

  it('makes ejections up to 20 % longer or shorter', () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const logged: number[] = [];
      const logger = { debug() {}, info() {}, error() {}, warn: (fields: object) => void logged.push((fields as { forMs: number }).forMs) };
      const selector = createSelector({
        service: 'orders',
        directory: new ScriptedDirectory(instances(2)),
        balancer: pinned('i0'),
        clock: manualClock(),
        random: seededRandom(seed),
        logger,
      });
      for (let time = 0; time < 5; time++) leaseOf(selector).end(ERROR);
      lengths.add(logged[0]!);
    }
    expect(Math.min(...lengths)).to.be.within(4_000, 4_300);
    expect(Math.max(...lengths)).to.be.within(5_700, 6_000);
  });

  it('gives out exactly one permit under 1,000 concurrent picks', async () => {
    const { clock, finish, start } = bench(10);
    finish('i0', ERROR, 5);
    await clock.advance(5_000);
    const leases = Array.from({ length: 1_000 }, () => start('i0'));
    expect(leases.filter(({ endpoint }) => endpoint.id === 'i0')).to.have.length(1);
  });

  it('gives the permit of a cancelled probe to the next call', async () => {
    const { clock, finish, start, state } = bench(4);
    finish('i0', ERROR, 5);
    await clock.advance(5_000);
    start('i1').end(CANCELLED);
    expect(state('i0')).to.equal('half-open');
    const next = start('i1');
    expect(next.endpoint.id).to.equal('i0');
    expect(start('i0').endpoint.id).to.not.equal('i0');
  });

  it('gives a leaked permit out again after the attempt timeout and a tenth, and ignores what the leaked probe says later', async () => {
    const { clock, finish, start, state } = bench(4, { probeTimeout: '2s' });
    finish('i0', ERROR, 5);
    await clock.advance(5_000);
    const leaked = start('i1');
    await clock.advance(2_199);
    expect(start('i1').endpoint.id).to.equal('i1');
    await clock.advance(1);
    const second = start('i1');
    expect(second.endpoint.id).to.equal('i0');
    leaked.end(ERROR);
    expect(state('i0')).to.equal('probing');
    second.end(OK);
    expect(state('i0')).to.equal('ready');
  });

  it('takes an endpoint back whose probe answers after the permit was given up: one slower than that would never return', async () => {
    const { clock, finish, start, state } = bench(4, { probeTimeout: '2s' });
    finish('i0', ERROR, 5);
    await clock.advance(5_000);
    const slow = start('i1');
    await clock.advance(2_200);
    const second = start('i1');
    await clock.advance(800);
    slow.end(OK);
    expect(state('i0')).to.equal('ready');
    second.end(ERROR);
    expect(state('i0')).to.equal('ready');
  });

  it('hears the timeout of a hanging probe before it gives the permit up, so that hanging once costs one call', async () => {
    const { clock, finish, start, state } = bench(4);
    finish('i0', ERROR, 5);
    await clock.advance(5_000);
    const hanging = start('i1');
    await clock.advance(5_001); // the attempt's timer fires a little late, and a pick comes before it
    expect(start('i1').endpoint.id).to.equal('i1');
    hanging.end({ kind: 'timeout' });
    expect(state('i0')).to.equal('ejected');
    await clock.advance(9_999);
    expect(state('i0')).to.equal('ejected');
  });

  it('lets a call that cannot be repeated probe only when no other came for a second, and a second attempt never', async () => {
    const { clock, selector, balancer, finish } = bench(4);
    finish('i0', ERROR, 5);
    await clock.advance(5_500);
    balancer.target = 'i1';
    expect(leaseOf(selector, outbound({ method: 'POST' })).endpoint.id).to.equal('i1');
    expect(leaseOf(selector, outbound({ attempt: 2 })).endpoint.id).to.equal('i1');
    await clock.advance(500);
    expect(leaseOf(selector, outbound({ attempt: 2 })).endpoint.id).to.equal('i1');
    expect(leaseOf(selector, outbound({ method: 'POST' })).endpoint.id).to.equal('i0');
  });

  it('changes nothing for a result that began before the ejection', async () => {
    const { clock, finish, start, state } = bench(4);
    const early = [start('i0'), start('i0'), start('i0')];
    finish('i0', ERROR, 5);
    early[0]!.end(OK);
    expect(state('i0')).to.equal('ejected');
    await clock.advance(5_000);
    const probe = start('i1');
    early[1]!.end(ERROR);
    expect(state('i0')).to.equal('probing');
    probe.end(OK);
    early[2]!.end(ERROR);
    finish('i0', ERROR, 4);
    expect(state('i0')).to.equal('ready');
  });

  it('ejects at most half, but always one of two; those that refuse connections are not counted', () => {
    const { finish, state } = bench(5);
    for (const id of ['i0', 'i1', 'i2', 'i3']) finish(id, ERROR, 5);
    expect(['i0', 'i1', 'i2', 'i3', 'i4'].map(state)).to.deep.equal(['ejected', 'ejected', 'ready', 'ready', 'ready']);
    finish('i2', REFUSED);
    finish('i3', REFUSED);
    expect(['i2', 'i3'].map(state)).to.deep.equal(['ejected', 'ejected']);
    const pair = bench(2, { maxEjected: 0.1 });
    pair.finish('i0', ERROR, 5);
    pair.finish('i1', ERROR, 5);
    expect(['i0', 'i1'].map(pair.state)).to.deep.equal(['ejected', 'ready']);
    const alone = bench(1);
    alone.finish('i0', ERROR, 50);
    expect(alone.state('i0')).to.equal('ready');
  });

  it('ejects the next bad one when another has come back', async () => {
    const { clock, finish, start, state } = bench(2);
    finish('i0', ERROR, 5);
    finish('i1', ERROR, 7);
    expect(state('i1')).to.equal('ready');
    await clock.advance(5_000);
    start('i0').end(OK);
    finish('i1', ERROR);
    expect(state('i1')).to.equal('ejected');
  });

  it('panics with fewer than half ready: then all are picked, but for those that refuse connections', () => {
    const { finish, start } = bench(6, { maxEjected: 1 });
    const reached = (): string[] => ['i0', 'i1', 'i2', 'i3', 'i4', 'i5'].filter((id) => start(id).endpoint.id === id);
    for (const id of ['i0', 'i1', 'i2']) finish(id, ERROR, 5);
    expect(reached()).to.deep.equal(['i3', 'i4', 'i5']);
    finish('i3', REFUSED, 5); // two of five that listen
    expect(reached()).to.deep.equal(['i0', 'i1', 'i2', 'i4', 'i5']);
  });

  it('reaches the last one alone while all others refuse connections, and all when it does so too', () => {
    const { finish, start } = bench(3);
    const reached = (): string[] => ['i0', 'i1', 'i2'].filter((id) => start(id).endpoint.id === id);
    finish('i0', REFUSED, 5);
    finish('i1', REFUSED, 5);
    expect(reached()).to.deep.equal(['i2']);
    finish('i2', REFUSED, 5);
    expect(reached()).to.deep.equal(['i0', 'i1', 'i2']);
  });

  it('takes a success during a panic for as good as a probe, and a failure for nothing', async () => {
    const { clock, finish, state } = bench(2, { maxEjected: 1 });
    finish('i0', ERROR, 5);
    finish('i1', ERROR, 5);
    finish('i0', ERROR, 20);
    await clock.advance(4_999);
    expect([state('i0'), state('i1')]).to.deep.equal(['ejected', 'ejected']);
    finish('i0', OK);
    expect([state('i0'), state('i1')]).to.deep.equal(['ready', 'ejected']);
  });

  it('leaves an overloaded endpoint alone for its Retry-After, at most 30 s, without ejecting it', async () => {
    const { clock, finish, start, state } = bench(4);
    finish('i0', { kind: 'overload', status: 429, retryAfterMs: 2_000 });
    expect(state('i0')).to.equal('overloaded');
    expect(start('i0').endpoint.id).to.not.equal('i0');
    await clock.advance(2_000);
    expect(start('i0').endpoint.id).to.equal('i0');
    finish('i0', { kind: 'overload', status: 503, retryAfterMs: 3_600_000 });
    await clock.advance(29_999);
    expect(state('i0')).to.equal('overloaded');
    await clock.advance(1);
    expect(state('i0')).to.equal('ready');
    finish('i0', { kind: 'overload', status: 429 });
    expect(state('i0')).to.equal('ready');
  });

  it('does not shorten the wait when a later answer asks for less, and counts overload as a failed result', () => {
    const { clock, start, selector, state } = bench(4);
    const leases = [start('i0'), start('i0')];
    leases[0]!.end({ kind: 'overload', retryAfterMs: 5_000 });
    leases[1]!.end({ kind: 'overload', retryAfterMs: 1_000 });
    expect(selector.endpoints()[0]!.success).to.equal(0);
    return clock.advance(4_999).then(() => expect(state('i0')).to.equal('overloaded'));
  });

  it('panics when most are overloaded at once, and counts none of them toward the ejected half', () => {
    const { finish, start, state } = bench(10);
    const ids = Array.from({ length: 10 }, (_, index) => `i${index}`);
    const reached = (): string[] => ids.filter((id) => start(id).endpoint.id === id);
    for (const id of ids.slice(0, 5)) finish(id, { kind: 'overload', retryAfterMs: 20_000 });
    expect(reached()).to.deep.equal(ids.slice(5));
    for (const id of ids.slice(5, 9)) finish(id, ERROR, 5);
    expect(reached(), 'one of ten is ready').to.deep.equal(ids);
    finish('i9', ERROR, 5);
    expect(ids.map(state)).to.deep.equal([...Array<string>(5).fill('overloaded'), ...Array<string>(5).fill('ejected')]);
    expect(reached(), 'none is ready').to.deep.equal(ids);
    finish('i0', OK);
    expect(state('i0'), 'it asked for the time').to.equal('overloaded');
  });

  it('asks a probe that is overloaded again when it said so, and no longer', async () => {
    const { clock, finish, start, state } = bench(4);
    finish('i0', ERROR, 5);
    await clock.advance(5_000);
    start('i1').end({ kind: 'overload', retryAfterMs: 1_000 });
    expect(state('i0')).to.equal('ejected');
    await clock.advance(1_000);
    expect(state('i0')).to.equal('half-open');
  });

  it('survives list updates as long as id and address stay the same', async () => {
    const { clock, directory, finish, start, state } = bench(4);
    finish('i0', ERROR, 5);
    directory.publish(instances(4).map((one) => ({ ...one, metadata: { build: '2' } })));
    expect(state('i0')).to.equal('ejected');
    await clock.advance(5_000);
    expect(start('i1').endpoint.instance.metadata).to.deep.equal({ build: '2' });
    directory.publish([instance('i0', { port: 9_999 }), ...instances(4).slice(1)]);
    expect(state('i0')).to.equal('ready');
  });

  it('forgets an endpoint that has left: what ends there later changes nothing', () => {
    const { directory, finish, start, selector } = bench(2);
    const late = start('i0');
    finish('i0', ERROR, 4);
    directory.publish([instance('i1')]);
    late.end(ERROR);
    expect(late.endpoint.open).to.equal(0);
    expect(selector.endpoints().map(({ id, state }) => `${id} ${state}`)).to.deep.equal(['i1 ready']);
    directory.publish(instances(2));
    expect(stateOf(selector, 'i0')).to.equal('ready');
  });

  it('makes nothing of a clock that was set back: neither results nor past ejections weigh more', () => {
    let now = 100_000;
    const clock = { ...manualClock(), now: () => now };
    const { finish, start, state } = bench(4, {}, { clock });
    finish('i0', ERROR, 4);
    finish('i0', OK);
    finish('i0', ERROR, 4);
    finish('i0', OK);
    now -= 60_000;
    finish('i0', ERROR);
    expect(state('i0'), 'eleven results are too few').to.equal('ready');
    finish('i1', ERROR, 5);
    now += 5_000;
    start('i1').end(OK);
    now -= 40_000;
    finish('i1', ERROR, 5);
    now += 9_999;
    expect(state('i1')).to.equal('ejected');
    now += 1;
    expect(state('i1'), 'the second ejection is twice the first, no longer').to.equal('half-open');
  });

  it('raises the share by max(0.1, age / 10 s)', async () => {
    const { clock, directory, start } = bench(2);
    start('i0');
    await clock.advance(10_000);
    directory.publish(instances(3));
    const { endpoint } = start('i2');
    const ramps: number[] = [];
    for (const step of [0, 500, 500, 1_500, 2_500, 4_999, 1, 90_000]) {
      await clock.advance(step);
      ramps.push(Number(endpoint.ramp(clock.now()).toFixed(4)));
    }
    expect(ramps).to.deep.equal([0.1, 0.1, 0.1, 0.25, 0.5, 0.9999, 1, 1]);
  });

  it('starts a newcomer slowly beside established ones, and not where all are new', async () => {
    const { clock, directory, start } = bench(2);
    const ramp = (id: string): number => start(id).endpoint.ramp(clock.now());
    expect([ramp('i0'), ramp('i1')]).to.deep.equal([1, 1]);
    await clock.advance(3_000);
    directory.publish(instances(3)); // the fleet itself came 3 s ago
    expect(ramp('i2')).to.equal(1);
    await clock.advance(10_000);
    directory.publish(instances(4));
    expect([ramp('i0'), ramp('i3')]).to.deep.equal([1, 0.1]);
    directory.publish([instance('j7'), instance('j8')]);
    expect([ramp('j7'), ramp('j8')]).to.deep.equal([1, 1]);
  });

  it('does nothing where it is turned off', () => {
    const selector = createSelector({
      service: 'orders',
      directory: new ScriptedDirectory(instances(2)),
      balancer: pinned('i0'),
      ejector: false,
      clock: manualClock(),
    });
    for (let time = 0; time < 100; time++) leaseOf(selector).end(time % 2 === 0 ? ERROR : { kind: 'overload', retryAfterMs: 1_000 });
    expect(stateOf(selector, 'i0')).to.equal('ready');
  });

  it('sets no timer', () => {
    const { clock, finish } = bench(4);
    finish('i0', ERROR, 5);
    expect(clock.pending).to.equal(0);
  });

  it('refuses options that make no sense, naming option, value and remedy', () => {
    const wrong: [EjectorOptions, string][] = [
      [{ consecutive: 0 }, 'ejector consecutive: 0 is no count. Give an integer from 1.'],
      [{ minResults: 1.5 }, 'ejector minResults: 1.5 is no count'],
      [{ successBelow: 80 }, 'ejector successBelow: 80 is no ratio. Give a number from 0 to 1.'],
      [{ maxEjected: -1 }, 'ejector maxEjected: -1 is no ratio'],
      [{ panicBelow: NaN }, 'ejector panicBelow: NaN is no ratio'],
      [{ base: 0 }, 'ejector base: 0 is too short'],
      [{ base: '10s', max: '5s' }, 'ejector max: 5000 ms is shorter than base'],
      [{ probeTimeout: 'soon' }, 'ejector probeTimeout'],
    ];
    for (const [options, message] of wrong) expect(() => ejector(options)).to.throw(TypeError, message);
  });
});

describe('an ejection and what others know', () => {
  /** What somebody says of i0. */
  function scripted() {
    let said: boolean | undefined;
    const listeners = new Set<(service: string, id: string) => void>();
    const source: HealthSource = {
      healthOf: ({ id }) => (id === 'i0' ? said : undefined),
      onChange: (listener) => (listeners.add(listener), () => void listeners.delete(listener)),
    };
    const say = (healthy: boolean | undefined): void => {
      said = healthy;
      for (const listener of listeners) listener('orders', 'i0');
    };
    return { source, say };
  }

  it('ends when an active check that failed succeeds again: slowly, without what began before, and with the next ejection still longer', async () => {
    const { source, say } = scripted();
    const { clock, finish, start, state } = bench(4, {}, { health: source });
    finish('i0', ERROR, 5);
    await clock.advance(5_000);
    const probe = start('i1');
    expect(probe.endpoint.id).to.equal('i0');
    say(false);
    expect(state('i0')).to.equal('failing');
    await clock.advance(1_000);
    say(true);
    expect(state('i0')).to.equal('ready');
    expect(probe.endpoint.ramp(clock.now())).to.equal(0.1);
    probe.end(ERROR);
    finish('i0', ERROR, 4);
    expect(state('i0')).to.equal('ready');
    finish('i0', ERROR);
    await clock.advance(9_999);
    expect(state('i0')).to.equal('ejected');
  });

  it('goes on when the check never saw the failure, and when nobody knows any more', () => {
    const { source, say } = scripted();
    const { finish, state } = bench(4, {}, { health: source });
    say(true);
    finish('i0', ERROR, 5);
    say(true);
    expect(state('i0')).to.equal('ejected');
    say(false);
    say(undefined);
    expect(state('i0')).to.equal('ejected');
  });

  it('ends when the registry says that it works, and gives back what the cap counted', () => {
    const { directory, finish, state } = bench(2);
    const list = instances(2);
    finish('i0', ERROR, 5);
    directory.publish([{ ...list[0]!, status: 'fail' }, list[1]!]);
    directory.publish([{ ...list[0]!, status: 'pass' }, list[1]!]);
    expect(state('i0')).to.equal('ready');
    finish('i1', ERROR, 5);
    expect(state('i1')).to.equal('ejected');
  });

  it('apart, one that was called failing starts slowly, and keeps its Retry-After', async () => {
    const { source, say } = scripted();
    const { clock, start, finish, state } = bench(4, {}, { health: source });
    const { endpoint } = start('i0');
    finish('i0', { kind: 'overload', retryAfterMs: 20_000 });
    say(false);
    say(true);
    expect([state('i0'), endpoint.ramp(clock.now())]).to.deep.equal(['overloaded', 0.1]);
    await clock.advance(10_000);
    expect(endpoint.ramp(clock.now())).to.equal(1);
  });

  it('is seen with the whole list: a list that brings one back tells of no priority in between', () => {
    const heard: unknown[] = [];
    const list = [instance('i0'), instance('i1', { priority: 1 }), instance('i2', { priority: 2 })];
    const directory = new ScriptedDirectory(list);
    const selector = createSelector({ service: 'orders', directory, balancer: pinned('i1'), onPriority: ({ from, to }) => heard.push([from, to]) });
    leaseOf(selector);
    directory.publish([{ ...list[0]!, status: 'fail' }, ...list.slice(1)]);
    for (let time = 0; time < 5; time++) leaseOf(selector).end(REFUSED);
    directory.publish([{ ...list[0]!, status: 'fail' }, { ...list[1]!, status: 'fail' }, list[2]!]);
    heard.length = 0;
    directory.publish([
      { ...list[1]!, status: 'pass', priority: 2 },
      { ...list[2]!, priority: 0 },
    ]);
    expect(heard).to.deep.equal([[2, 0]]);
    selector.close();
  });
});

describe('with half of the endpoints ejected', () => {
  it('no pick of p2c reaches one of them, where Finagle panics in 0.39 % (four draws)', () => {
    const random = seededRandom(5);
    const clock = manualClock();
    const balancer = pinned('');
    const inner = p2c({ random });
    const directory = new ScriptedDirectory(instances(10));
    let pins = true;
    const selector = createSelector({
      service: 'orders',
      directory,
      balancer: { ...inner, pick: (view, call) => (pins ? balancer : inner).pick(view, call) },
      clock,
      random,
    });
    for (const id of ['i0', 'i1', 'i2', 'i3', 'i4']) {
      balancer.target = id;
      for (let time = 0; time < 5; time++) leaseOf(selector).end(ERROR);
    }
    pins = false;
    const reached = new Map<string, number>();
    for (let pick = 0; pick < 10_000; pick++) {
      const lease = leaseOf(selector);
      reached.set(lease.endpoint.id, (reached.get(lease.endpoint.id) ?? 0) + 1);
      lease.end(OK);
    }
    expect([...reached.keys()].sort()).to.deep.equal(['i5', 'i6', 'i7', 'i8', 'i9']);
  });
});

describe('with every endpoint down', () => {
  it('lets each be probed exactly once in each backoff, and all return within the first backoff or with one probe', async () => {
    const clock = manualClock();
    const random = seededRandom(3);
    const told = new Map<string, string[]>();
    const note = (fields: object, text: string): void => {
      const { id, state = text } = fields as { id: string; state?: string };
      told.set(id, [...(told.get(id) ?? []), state]);
    };
    const selector = createSelector({
      service: 'orders',
      directory: new ScriptedDirectory(instances(10)),
      balancer: roundRobin({ random }),
      clock,
      random,
      logger: { debug: note, info: note, warn: note, error: note },
    });
    for (let time = 0; time < 6_000; time++) {
      leaseOf(selector).end(REFUSED);
      await clock.advance(10);
    }
    expect(told.size).to.equal(10);
    for (const [id, states] of told) {
      // For about 5 s each time: nobody else is there whose calls a longer ejection would spare.
      const rounds = states.filter((state) => state === 'endpoint ejected').length;
      expect(rounds, id).to.be.within(9, 14);
      const cycle = Array.from({ length: rounds }, () => ['endpoint ejected', 'half-open', 'probing']).flat();
      expect(states, id).to.deep.equal(cycle.slice(0, states.length));
    }
    const start = clock.now();
    while (selector.endpoints().some(({ state }) => state !== 'ready') && clock.now() - start < 60_000) {
      leaseOf(selector).end(OK);
      await clock.advance(10);
    }
    expect(clock.now() - start).to.be.at.most(6_000);
  });

  it('fails open, probes each once per backoff, and serves from all at once when they are back', async () => {
    const clock = manualClock();
    const random = seededRandom(11);
    const selector = createSelector({
      service: 'orders',
      directory: new ScriptedDirectory(instances(10)),
      balancer: roundRobin({ random }),
      ejector: ejector({ maxEjected: 1 }),
      clock,
      random,
    });
    for (let time = 0; time < 2_000; time++) {
      leaseOf(selector).end(ERROR);
      await clock.advance(1);
    }
    expect(selector.endpoints().filter(({ state }) => state === 'ejected')).to.have.length(10);
    for (let time = 0; time < 20; time++) leaseOf(selector).end(OK);
    expect(selector.endpoints().filter(({ state }) => state === 'ready')).to.have.length.above(4);
    await clock.advance(6_000);
    for (let time = 0; time < 20; time++) leaseOf(selector).end(OK);
    expect(selector.endpoints().filter(({ state }) => state === 'ready')).to.have.length(10);
  });
});
