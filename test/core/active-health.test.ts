import { expect } from 'chai';
import { activeHealth, memoryRegistry, staticRegistry } from '@ferrule/core';
import type { ActiveCheck, ActiveHealthEvent, ActiveHealthOptions, Instance, Probe, ProbeResult } from '@ferrule/core';
import { manualClock, seededRandom } from '@ferrule/testing';

function instance(id: string, change: Partial<Instance> = {}): Instance {
  return { id, service: 'orders', host: '127.0.0.1', port: 8080, ...change };
}

interface Asked {
  readonly id: string;
  readonly at: number;
  readonly signal: AbortSignal;
  answer(result: ProbeResult): void;
}

/** Active health of `orders` in a memory registry, at the time of a manual clock, with a probe that answers what it is told to. */
async function scene(check: Partial<ActiveCheck> = {}, options: Partial<ActiveHealthOptions> = {}) {
  const clock = manualClock();
  const registry = memoryRegistry();
  const asked: Asked[] = [];
  const answers = new Map<string, ProbeResult | 'later'>();
  const probe: Probe = ({ id }, { signal }) =>
    new Promise((resolve) => {
      asked.push({ id, at: clock.now(), signal, answer: resolve });
      const answer = answers.get(id) ?? true;
      if (answer !== 'later') resolve(answer);
    });
  const events: ActiveHealthEvent[] = [];
  const changes: string[] = [];
  const health = activeHealth({
    services: { orders: { probe, jitter: 0, ...check } },
    discovery: registry,
    clock,
    random: seededRandom(1),
    onEvent: (event) => events.push(event),
    ...options,
  });
  health.onChange((service, id) => changes.push(`${service}/${id}`));
  return {
    clock,
    registry,
    asked,
    answers,
    events,
    changes,
    health,
    healthOf: (id: string) => health.healthOf(instance(id)),
    reportOf: (id: string) => health.report('orders').find((one) => one.id === id),
    told: () => events.map(({ type, id, reason, attempts }) => `${type} ${id} (${reason}) ${attempts}`),
    times: (id: string) => asked.filter((one) => one.id === id).map(({ at }) => at),
    async add(...ids: readonly string[]) {
      for (const id of ids) await registry.register(instance(id));
      await clock.advance(0);
    },
  };
}

describe('active health', () => {
  it('calls an instance unknown before its first probe, and healthy after the first success', async () => {
    const { add, clock, healthOf, reportOf, changes, events } = await scene({ jitter: 0.2 });
    await add('a');
    expect(healthOf('a')).to.equal(undefined);
    expect(reportOf('a')).to.include({ state: 'unknown', successes: 0, failures: 0, manual: false });
    await clock.advance(2_000);
    expect(healthOf('a')).to.equal(true);
    expect(reportOf('a')).to.include({ state: 'healthy', successes: 1, reason: 'ok' });
    expect(changes).to.deep.equal(['orders/a']);
    expect(events, 'nothing to tell a person').to.deep.equal([]);
  });

  it('calls it unhealthy after `fall` failures in a row, and healthy again after `rise` successes', async () => {
    const { add, answers, clock, healthOf, reportOf, told, events } = await scene({ interval: '10s' });
    await add('a');
    answers.set('a', { healthy: false, reason: 'status 503' });
    await clock.advance(20_000);
    expect(reportOf('a')).to.include({ state: 'degraded', failures: 2 });
    answers.set('a', true);
    await clock.advance(10_000);
    expect(reportOf('a')).to.include({ state: 'healthy', failures: 0 });
    answers.set('a', { healthy: false, reason: 'status 503' });
    await clock.advance(20_000);
    expect(healthOf('a'), 'the failures before do not count').to.equal(true);
    await clock.advance(10_000);
    expect(healthOf('a')).to.equal(false);
    expect(reportOf('a')).to.include({ state: 'unhealthy', reason: 'status 503', failures: 3, since: clock.wallTime() });
    answers.set('a', true);
    await clock.advance(10_000);
    expect(healthOf('a'), 'one success is not enough').to.equal(false);
    await clock.advance(10_000);
    expect(healthOf('a')).to.equal(true);
    expect(reportOf('a')).to.include({ state: 'healthy', recoveries: 1, attempts: 0 });
    expect(told()).to.deep.equal(['unhealthy a (status 503) 0', 'recovered a (ok) 0']);
    expect(events[0]!.instance).to.include({ id: 'a', port: 8080 });
  });

  it('spreads probes: the first within the jitter of the interval, all others that much sooner or later', async () => {
    const { add, clock, times } = await scene({ interval: '10s', jitter: 0.2 });
    const ids = Array.from({ length: 50 }, (_, index) => `i${index}`);
    await add(...ids);
    await clock.advance(60_000);
    const firsts = ids.map((id) => times(id)[0]!);
    const gaps = ids.flatMap((id) =>
      times(id)
        .slice(1)
        .map((at, index) => at - times(id)[index]!),
    );
    expect(Math.min(...firsts)).to.be.at.least(0);
    expect(Math.max(...firsts)).to.be.within(1_500, 2_000);
    expect(Math.min(...gaps)).to.be.within(8_000, 8_500);
    expect(Math.max(...gaps)).to.be.within(11_500, 12_000);
    expect(new Set(gaps).size, 'not in step').to.be.above(100);
  });

  it('probes unhealthy ones at doubling waits up to the cap, gives up once, and goes on at the cap', async () => {
    const { add, answers, clock, times, told, reportOf } = await scene({ fall: 1, interval: '1s', recovery: { base: '1s', cap: '8s', attempts: 5 } });
    answers.set('a', false);
    await add('a');
    await clock.advance(60_000);
    const at = times('a');
    expect(at.slice(1, 8).map((time, index) => time - at[index]!)).to.deep.equal([1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000]);
    expect(told()).to.deep.equal(['unhealthy a (false) 0', 'gaveUp a (false) 5']);
    expect(reportOf('a')).to.include({ gaveUp: true });
    answers.set('a', true);
    await clock.advance(9_000);
    expect(told().at(-1)).to.equal('recovered a (ok) 9');
    expect(reportOf('a')).to.include({ gaveUp: false, attempts: 0 });
  });

  it('stops probing what it has given up, if that is wanted, until somebody says otherwise', async () => {
    const { add, answers, clock, asked, told, health, healthOf } = await scene({
      fall: 1,
      interval: '1s',
      recovery: { base: '1s', attempts: 2, givenUp: 'stop' },
    });
    answers.set('a', false);
    await add('a');
    await clock.advance(3_600_000);
    expect(asked).to.have.length(3);
    expect(told()).to.deep.equal(['unhealthy a (false) 0', 'gaveUp a (false) 2']);
    expect(clock.pending, 'no timer either').to.equal(0);
    answers.set('a', true);
    expect(health.clear('orders', 'a'), 'nothing was set by hand').to.equal(false);
    await clock.advance(2_000);
    expect(healthOf('a')).to.equal(true);
  });

  it('never probes an instance twice at a time: one that hangs past its timeout fails again and again until it ends', async () => {
    const { add, answers, clock, asked, healthOf, reportOf } = await scene({ interval: '5s', timeout: '1s' });
    answers.set('a', 'later');
    await add('a');
    await clock.advance(1_000);
    expect(reportOf('a')).to.include({ failures: 1, reason: 'timeout', tookMs: 1_000 });
    expect(asked[0]!.signal.aborted).to.equal(true);
    await clock.advance(20_000);
    expect(asked).to.have.length(1);
    expect(healthOf('a')).to.equal(false);
    answers.set('a', true);
    asked[0]!.answer(true);
    await clock.advance(0);
    expect(healthOf('a'), 'a late answer is dropped').to.equal(false);
    await clock.advance(40_000);
    expect(healthOf('a')).to.equal(true);
  });

  it('has no more probes under way than allowed, of all services, and gives the place of one that hangs to another at its timeout', async () => {
    const { add, answers, clock, asked, health, registry } = await scene({ interval: '60s', timeout: '2s' }, { concurrency: 2 });
    let users = 0;
    health.check('users', { probe: () => ++users > 0, jitter: 0 });
    for (const id of ['a', 'b', 'c', 'd']) answers.set(id, 'later');
    await add('a', 'b', 'c', 'd');
    await registry.register({ ...instance('u'), service: 'users' });
    await clock.advance(0);
    expect(asked.map(({ id }) => id)).to.deep.equal(['a', 'b']);
    asked[0]!.answer(true);
    await clock.advance(0);
    expect(asked.map(({ id }) => id)).to.deep.equal(['a', 'b', 'c']);
    expect(users).to.equal(0);
    await clock.advance(2_000);
    expect(asked.map(({ id }) => id)).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(users).to.equal(1);
  });

  it('takes as failures what throws, rejects, or answers neither yes nor no, and tells no secret of it', async () => {
    const results: readonly [() => unknown, string][] = [
      [() => { throw new TypeError('password=1'); }, 'TypeError'],
      [() => Promise.reject(Object.assign(new Error('secret'), { code: 'ECONNRESET' })), 'ECONNRESET'],
      [() => { throw 'text'; }, 'string'],
      [() => undefined, 'answered undefined'],
      [() => 1, 'answered number'],
      [() => ({ healthy: 'yes' }), 'unhealthy'],
      [() => ({ healthy: false, reason: 'line\nbreak' }), 'line break'],
      [() => ({ healthy: false, reason: 'x'.repeat(1_000) }), 'x'.repeat(256)],
    ]; // prettier-ignore
    for (const [probe, reason] of results) {
      const { add, reportOf, clock } = await scene({ probe: probe as Probe });
      await add('a');
      await clock.advance(0);
      expect(reportOf('a')).to.include({ state: 'degraded', reason });
    }
  });

  describe('set by hand', () => {
    it('holds against the probes until it is said otherwise or taken back', async () => {
      const { add, answers, clock, health, healthOf, told, reportOf, asked } = await scene({ interval: '1s' });
      await add('a');
      await clock.advance(1_000);
      health.setHealth('orders', 'a', false, 'disk swap');
      expect(healthOf('a')).to.equal(false);
      expect(reportOf('a')).to.include({ state: 'unhealthy', manual: true, reason: 'disk swap' });
      const before = asked.length;
      await clock.advance(10_000);
      expect(healthOf('a')).to.equal(false);
      expect(asked.length, 'it is probed on').to.be.above(before);
      health.setHealth('orders', 'a', true, 'done');
      answers.set('a', false);
      await clock.advance(10_000);
      expect(healthOf('a')).to.equal(true);
      expect(health.clear('orders', 'a')).to.equal(true);
      expect(healthOf('a'), 'what the probes say').to.equal(false);
      expect(told()).to.deep.equal(['unhealthy a (disk swap) 0', 'recovered a (done) 0', `unhealthy a (taken back) ${reportOf('a')!.attempts}`]);
    });

    it('may be said of an instance that is not listed, or of a service that is not probed', async () => {
      const { health, healthOf, changes, add } = await scene();
      health.setHealth('orders', 'later', false);
      health.setHealth('users', 'u', false);
      expect(healthOf('later')).to.equal(false);
      expect(health.healthOf({ ...instance('u'), service: 'users' })).to.equal(false);
      expect(changes).to.deep.equal(['orders/later', 'users/u']);
      await add('a');
      expect(healthOf('later'), 'a list without it does not forget it').to.equal(false);
      await add('later');
      expect(healthOf('later')).to.equal(false);
      expect(health.report('users')).to.have.length(1);
      expect(health.clear('users', 'u')).to.equal(true);
      expect(health.report('users')).to.have.length(0);
      expect(health.clear('users', 'u')).to.equal(false);
    });

    it('is bounded', async () => {
      const { health } = await scene();
      for (let index = 0; index < 10_000; index++) health.setHealth('users', `u${index}`, false);
      expect(() => health.setHealth('users', 'one-more', false)).to.throw(RangeError, /10000 instances/);
      health.setHealth('users', 'u0', true);
      health.clear('users', 'u0');
      health.setHealth('users', 'one-more', false);
    });
  });

  it('forgets instances that leave, aborts their probes, and starts anew with another address', async () => {
    const { add, answers, clock, asked, health, healthOf, registry, changes } = await scene({ fall: 1 });
    answers.set('a', false);
    answers.set('b', 'later');
    await add('a');
    const b = await registry.register(instance('b'));
    await clock.advance(0);
    expect(healthOf('a')).to.equal(false);
    health.setHealth('orders', 'b', false);
    await b.deregister();
    await clock.advance(0);
    expect(asked.find(({ id }) => id === 'b')!.signal.aborted).to.equal(true);
    expect(healthOf('b')).to.equal(undefined);
    expect(health.report('orders').map(({ id }) => id)).to.deep.equal(['a']);
    changes.length = 0;
    answers.set('a', 'later');
    await registry.register(instance('a', { weight: 3 }));
    await clock.advance(0);
    expect(healthOf('a'), 'another weight is the same endpoint').to.equal(false);
    await registry.register(instance('a', { port: 9 }));
    await clock.advance(0);
    expect(healthOf('a')).to.equal(undefined);
    expect(changes).to.deep.equal(['orders/a']);
  });

  it('keeps what it knows while the registry is away', async () => {
    const { add, answers, clock, healthOf, registry, health } = await scene({ fall: 1 });
    answers.set('a', false);
    await add('a');
    expect(healthOf('a')).to.equal(false);
    await registry[Symbol.asyncDispose]();
    await clock.advance(7_200_000);
    expect(healthOf('a')).to.equal(false);
    await health[Symbol.asyncDispose]();
  });

  it('ends a check, and leaves nothing behind when it is disposed of', async () => {
    const { add, answers, clock, asked, health, changes } = await scene();
    answers.set('b', 'later');
    await add('a', 'b');
    const end = health.check('users', { probe: () => true });
    expect(() => health.check('users', { probe: () => true })).to.throw(TypeError, /"users" is checked already/);
    end();
    end();
    health.check('users', { probe: () => true });
    changes.length = 0;
    await health[Symbol.asyncDispose]();
    await health[Symbol.asyncDispose]();
    expect(clock.pending).to.equal(0);
    expect(asked.find(({ id }) => id === 'b')!.signal.aborted).to.equal(true);
    expect(changes, 'listeners are gone').to.deep.equal([]);
    expect(health.report()).to.deep.equal([]);
    health.setHealth('orders', 'a', false);
    expect(health.check('carts', { probe: () => true })).to.be.a('function');
    expect(health.report()).to.deep.equal([]);
  });

  it('lets a probe end everything at once', async () => {
    const { add, health, clock } = await scene({ probe: () => (void health[Symbol.asyncDispose](), true) });
    await add('a');
    await clock.advance(1_000);
    expect(health.report()).to.deep.equal([]);
    expect(clock.pending).to.equal(0);
  });

  it('is not disturbed by a listener that throws', async () => {
    const { add, answers, health, events, clock } = await scene({ fall: 1 });
    health.onEvent(() => {
      throw new Error('mine');
    });
    const seen: string[] = [];
    const end = health.onEvent(({ id }) => seen.push(id));
    answers.set('a', false);
    await add('a');
    await clock.advance(0);
    end();
    answers.set('b', false);
    await add('b');
    await clock.advance(0);
    expect(events.map(({ id }) => id)).to.deep.equal(['a', 'b']);
    expect(seen).to.deep.equal(['a']);
  });

  const probe = (): boolean => true;
  const discovery = staticRegistry();
  const bad: readonly [string, () => unknown, RegExp][] = [
    ['nowhere to look', () => activeHealth({}), /activeHealth discovery: it is missing/],
    ['a check without a probe', () => activeHealth({ discovery, services: { orders: {} as never } }), /services\["orders"\] probe: it is missing/],
    [
      'an unknown option',
      () => activeHealth({ discovery, services: { orders: { probe, intervall: 1 } as never } }),
      /no option "intervall".*interval/,
    ],
    ['a hot loop', () => activeHealth({ discovery, services: { orders: { probe, interval: 0 } } }), /interval: 0 is too short/],
    ['no timeout', () => activeHealth({ discovery, services: { orders: { probe, timeout: 0 } } }), /timeout: 0 is too short/],
    ['too much jitter', () => activeHealth({ discovery, services: { orders: { probe, jitter: 2 } } }), /jitter: 2/],
    ['no rise', () => activeHealth({ discovery, services: { orders: { probe, rise: 0 } } }), /rise: 0/],
    ['half a fall', () => activeHealth({ discovery, services: { orders: { probe, fall: 1.5 } } }), /fall: 1.5/],
    [
      'a cap below the base',
      () => activeHealth({ discovery, services: { orders: { probe, recovery: { base: '2s', cap: '1s' } } } }),
      /recovery.cap: 1000 ms is shorter/,
    ],
    [
      'an unknown end',
      () => activeHealth({ discovery, services: { orders: { probe, recovery: { givenUp: 'die' as never } } } }),
      /recovery.givenUp: "die"/,
    ],
    ['no places', () => activeHealth({ discovery, concurrency: 0 }), /concurrency: 0/],
    ['a word by hand', () => activeHealth({ discovery }).setHealth('orders', 'a', 'yes' as never), /setHealth healthy: "yes"/],
    ['a bad name', () => activeHealth({ discovery, services: { 'a b': { probe } } }), /a key: "a b"/],
  ];
  for (const [what, make, message] of bad) {
    it(`refuses ${what}`, () => {
      expect(make).to.throw(TypeError, message);
    });
  }
});
