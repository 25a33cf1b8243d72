import { expect } from 'chai';
import { createDirectory, createSelector, leastPending, p2c, roundRobin, subset, weighted } from '@ferrule/core';
import type { Filter, Instance, Router, SelectorOptions, ServiceError } from '@ferrule/core';
import { TRIED } from '@ferrule/core/adapter';
import type { Balancer, Endpoint, Lease, Load, Outcome } from '@ferrule/core/adapter';
import { manualClock, seededRandom } from '@ferrule/testing';
import { ScriptedDirectory, instance, instances, leaseOf, outbound, pinned } from './selection-fixtures.js';

const OK: Outcome = { kind: 'ok', status: 200 };

function made(list: Parameters<typeof instances>[0] | undefined, options: Partial<SelectorOptions> = {}) {
  const clock = manualClock();
  const directory = new ScriptedDirectory(list === undefined ? undefined : instances(list));
  const selector = createSelector({ service: 'orders', directory, clock, random: seededRandom(1), ...options });
  return { clock, directory, selector };
}

async function rejection(promise: unknown): Promise<ServiceError> {
  try {
    await promise;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('it did not reject');
}

/** A watch that never tells anything. */
async function* silent(): AsyncGenerator<readonly Instance[]> {
  yield await new Promise<never>(() => {});
}

function thrown(run: () => unknown): ServiceError {
  try {
    run();
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('it did not throw');
}

describe('a selector before the first list', () => {
  it('watches the directory only once someone asks', () => {
    const { directory, selector } = made(3);
    expect(directory.listeners.size).to.equal(0);
    leaseOf(selector);
    leaseOf(selector);
    expect(directory.listeners.size).to.equal(1);
    selector.close();
    expect(directory.listeners.size).to.equal(0);
  });

  it('counts 1,000 waiting callers one by one when the list comes, so that they spread', async () => {
    const { clock, directory, selector } = made(undefined, { balancer: p2c({ load: leastPending(), random: seededRandom(2) }) });
    const waiting = Array.from({ length: 1_000 }, () => selector.select(outbound({ deadline: 60_000 })) as Promise<Lease>);
    expect(clock.pending).to.equal(1_000);
    directory.publish(instances(10));
    expect(clock.pending).to.equal(0);
    const before = selector.endpoints().map((report) => report.waiting);
    expect(before.reduce((sum, count) => sum + count, 0)).to.equal(1_000);
    for (const count of before) expect(count).to.be.within(95, 105);
    for (const lease of await Promise.all(waiting)) lease.end(OK);
    expect(selector.endpoints().every(({ waiting: left, open }) => left === 0 && open === 0)).to.equal(true);
  });

  it('lets each waiting caller leave: an aborted one is not counted', async () => {
    const { directory, selector } = made(undefined);
    const calls = Array.from({ length: 100 }, () => outbound());
    const waiting = calls.map((call) => selector.select(call) as Promise<Lease>);
    const reason = new Error('gone');
    calls.slice(0, 40).forEach((call) => call.abort(reason));
    for (const left of waiting.slice(0, 40)) expect(await rejection(left)).to.equal(reason);
    directory.publish(instances(3));
    await Promise.all(waiting.slice(40));
    expect(selector.endpoints().reduce((sum, { open }) => sum + open, 0)).to.equal(60);
    const aborted = outbound();
    aborted.abort(reason);
    expect(await rejection(made(undefined).selector.select(aborted))).to.equal(reason);
  });

  it('waits until the deadline of the call and no longer', async () => {
    const { clock, directory, selector } = made(undefined);
    const late = rejection(selector.select(outbound({ deadline: 500 })));
    const patient = selector.select(outbound());
    await clock.advance(500);
    expect(await late).to.include({ code: 'DEADLINE_EXCEEDED', reason: 'TIMEOUT', unsent: true });
    directory.publish(instances(1));
    expect((await patient).endpoint.id).to.equal('i0');
    expect(clock.pending).to.equal(0);
  });

  it('rejects all when the first list is empty, and says so', async () => {
    const { directory, selector } = made(undefined);
    const waiting = [rejection(selector.select(outbound())), rejection(selector.select(outbound()))];
    directory.publish([]);
    for (const error of await Promise.all(waiting)) {
      expect(error).to.include({ code: 'UNAVAILABLE', reason: 'NO_ENDPOINT', retryable: true, unsent: true });
      expect(error.message).to.equal('No endpoint of service "orders": no instance is registered');
    }
    directory.publish(instances(1));
    expect(leaseOf(selector).endpoint.id).to.equal('i0');
  });

  it('rejects all when the registry fails before it told a list, and names the cause', async () => {
    const { directory, selector } = made(undefined);
    const waiting = rejection(selector.select(outbound()));
    const cause = new Error('connection refused');
    directory.fail(cause);
    const error = await waiting;
    expect(error).to.include({ code: 'UNAVAILABLE', reason: 'NO_ENDPOINT', cause });
    expect(error.message).to.contain('the registry failed');
    expect(thrown(() => selector.select(outbound())).message).to.contain('the registry failed');
    directory.publish(instances(1));
    expect(leaseOf(selector).endpoint.id).to.equal('i0');
    directory.publish([]);
    expect(thrown(() => selector.select(outbound())).message).to.contain('no instance is registered');
  });

  it('stops calling what it knew when the directory gives the last list up, and begins again with the next', () => {
    const { directory, selector } = made(2);
    leaseOf(selector);
    const cause = new Error('away for an hour');
    directory.fail(cause);
    expect(thrown(() => selector.select(outbound()))).to.include({ reason: 'NO_ENDPOINT', retryable: true, cause });
    expect(selector.endpoints()).to.deep.equal([]);
    directory.publish(instances(1));
    expect(leaseOf(selector).endpoint.id).to.equal('i0');
  });

  it('refuses for good who waits for a directory that is closed', async () => {
    const directory = createDirectory({ discovery: { services: async () => [], watch: () => silent() } });
    const selector = createSelector({ service: 'orders', directory });
    const waiting = rejection(selector.select(outbound()));
    await directory[Symbol.asyncDispose]();
    const error = await waiting;
    expect(error).to.include({ code: 'UNAVAILABLE', reason: 'NO_ENDPOINT', retryable: false });
    expect((error.cause as Error).message).to.contain('closed');
    selector.close();
  });

  it('tells whose origin comes and goes, each once, and of all when it is closed', () => {
    const heard: string[] = [];
    const { directory, selector } = made(2, { onArrival: (origin) => heard.push(`+${origin}`), onDeparture: (origin) => heard.push(`-${origin}`) });
    expect(heard).to.deep.equal([]);
    leaseOf(selector);
    expect(heard.splice(0)).to.deep.equal(['+http://10.0.0.1:1000', '+http://10.0.0.1:1001']);
    directory.publish([instance('i0'), instance('i1', { port: 9 })]);
    expect(heard.splice(0)).to.deep.equal(['+http://10.0.0.1:9', '-http://10.0.0.1:1001']);
    selector.close();
    selector.close();
    expect(heard).to.deep.equal(['-http://10.0.0.1:1000', '-http://10.0.0.1:9']);
  });

  it('refuses who waits and who comes later when it is closed', async () => {
    const { directory, selector } = made(undefined);
    const waiting = rejection(selector.select(outbound()));
    selector.close();
    selector.close();
    expect(await waiting).to.include({ reason: 'NO_ENDPOINT' });
    expect(thrown(() => selector.select(outbound())).message).to.contain('closed');
    directory.publish(instances(1));
    expect(thrown(() => selector.select(outbound())).message).to.contain('closed');
  });
});

describe('a lease', () => {
  it('counts waiting until the headers and open until the end, each once', async () => {
    const { clock, selector } = made(1);
    const lease = leaseOf(selector);
    const counts = (): number[] => [lease.endpoint.waiting, lease.endpoint.open];
    expect(counts()).to.deep.equal([1, 1]);
    await clock.advance(12);
    lease.answered(200);
    lease.answered(500);
    expect(counts()).to.deep.equal([0, 1]);
    expect(lease.endpoint.latencyMs).to.equal(12);
    await clock.advance(5_000);
    lease.end(OK);
    lease.end({ kind: 'error' });
    lease.answered(200);
    expect(counts()).to.deep.equal([0, 0]);
    expect(lease.endpoint.sumStart).to.equal(0);
    expect(selector.endpoints()).to.have.length(1);
    expect(selector.endpoints()[0]).to.include({
      id: 'i0',
      origin: 'http://10.0.0.1:1000',
      waiting: 0,
      open: 0,
      latencyMs: 12,
      success: 1,
      state: 'ready',
    });
  });

  it('takes the time until the end for the latency when no headers came', async () => {
    const { clock, selector } = made(1);
    const lease = leaseOf(selector);
    await clock.advance(700);
    lease.end({ kind: 'timeout' });
    expect([lease.endpoint.waiting, lease.endpoint.open]).to.deep.equal([0, 0]);
    expect(selector.endpoints()[0]).to.include({ latencyMs: 700, success: 0 });
  });

  it('takes neither a failed connection nor a cancelled call for an answer', async () => {
    const { clock, selector } = made(1);
    for (const kind of ['refused', 'transport', 'cancelled'] as const) {
      const lease = leaseOf(selector);
      await clock.advance(1);
      lease.end({ kind });
    }
    expect(selector.endpoints()[0]!.latencyMs).to.equal(undefined);
  });

  it('says success when a stream opens, and failure when it breaks off', () => {
    const { selector } = made(1);
    const stream = leaseOf(selector);
    stream.answered(200);
    expect(selector.endpoints()[0]).to.include({ success: 1, waiting: 0, open: 1 });
    stream.end({ kind: 'transport' });
    expect(selector.endpoints()[0]).to.include({ success: 0.5, open: 0 });
    const left = leaseOf(selector);
    left.answered(200);
    left.end({ kind: 'cancelled' });
    expect(selector.endpoints()[0]!.success).to.equal(2 / 3);
  });

  it('judges an answer below 500 as good, but for 408, 425 and 429, which wait for what the end says', () => {
    for (const [status, success] of [
      [200, 1],
      [301, 1],
      [404, 1],
      [499, 1],
      [500, 0],
      [503, 0],
      [408, 0],
      [425, 0],
      [429, 0],
    ] as const) {
      const { selector } = made(1);
      const lease = leaseOf(selector);
      lease.answered(status);
      lease.end({ kind: success === 1 ? 'ok' : 'error', status });
      expect(selector.endpoints()[0]!.success, String(status)).to.equal(success);
    }
  });

  it('lets twenty open streams leave an endpoint its share of short calls', async () => {
    const { clock, selector } = made(2, { random: seededRandom(3) });
    const counts = { i0: 0, i1: 0 } as Record<string, number>;
    const first = leaseOf(selector);
    first.answered(200);
    const streaming = first.endpoint;
    const held = [first];
    for (let time = 0; held.length < 20 && time < 200; time++) {
      const lease = leaseOf(selector);
      if (lease.endpoint === streaming) held.push(lease);
      await clock.advance(2);
      lease.answered(200);
      if (lease.endpoint !== streaming) lease.end(OK);
    }
    expect(held).to.have.length(20);
    for (let time = 0; time < 400; time++) {
      const lease = leaseOf(selector);
      counts[lease.endpoint.id]!++;
      await clock.advance(2);
      lease.answered(200);
      lease.end(OK);
    }
    expect(streaming.open).to.equal(20);
    expect(counts[streaming.id]).to.be.above(100);
  });
});

describe('endpoints that were tried', () => {
  it('are avoided while there is another, and any is taken when all were tried', () => {
    const { selector } = made(3, { balancer: pinned('i0') });
    const tried: Endpoint[] = [];
    const call = outbound({ attempt: 2, tried });
    const seen: string[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      const { endpoint } = leaseOf(selector, call);
      seen.push(endpoint.id);
      if (attempt < 3) expect(tried).to.not.include(endpoint);
      tried.push(endpoint);
    }
    expect(new Set(seen.slice(0, 3)).size).to.equal(3);
    expect(seen.slice(3)).to.deep.equal(['i0', 'i0']);
    expect(call.values.get(TRIED)).to.equal(tried);
  });

  it('cost at most four picks, and then one scan', () => {
    let picks = 0;
    const stubborn: Balancer = { name: 'stubborn', pick: (view) => (picks++, view.endpoints[0]) };
    const { selector } = made(5, { balancer: stubborn });
    const first = leaseOf(selector).endpoint;
    picks = 0;
    expect(leaseOf(selector, outbound({ tried: [first] })).endpoint).to.not.equal(first);
    expect(picks).to.equal(4);
  });
});

describe('elsewhere', () => {
  it('says whether an endpoint is ready that the call has not tried', () => {
    const { selector } = made(3);
    const tried: Endpoint[] = [];
    const call = outbound({ tried });
    expect(selector.elsewhere(call), 'before the first list').to.equal(false);
    const said: boolean[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      tried.push(leaseOf(selector, call).endpoint);
      said.push(selector.elsewhere(call));
    }
    expect(said).to.deep.equal([true, true, false]);
    expect(selector.elsewhere(outbound())).to.equal(true);
  });

  it('knows the filters, the target of the call and who was ejected', () => {
    const routing: Router = {
      name: 'one',
      route: (call) => (call.headers['x-one'] === undefined ? undefined : { key: 'one', keep: ({ id }) => id === 'i0' }),
    };
    const balancer = pinned('i1');
    const { selector } = made(3, { filters: [{ keep: ({ id }) => id !== 'i2' }], routing, balancer });
    const first = outbound();
    const { endpoint } = leaseOf(selector, first);
    first.values.set(TRIED, [endpoint]);
    expect(selector.elsewhere(first)).to.equal(true);

    const routed = outbound({ headers: { 'x-one': '1' } });
    routed.values.set(TRIED, [leaseOf(selector, routed).endpoint]);
    expect(selector.elsewhere(routed)).to.equal(false);

    balancer.target = 'i0';
    for (let call = 0; call < 5; call++) leaseOf(selector).end({ kind: 'refused' });
    expect(selector.endpoints().filter(({ state }) => state === 'ejected')).to.have.length(1);
    expect(selector.elsewhere(first)).to.equal(false);
  });
});

describe('filters', () => {
  it('are asked when membership changes, never per pick, and calls with the same key share a view', () => {
    let asked = 0;
    const byVersion: Filter = {
      key: (call) => call.header('x-version') ?? '',
      keep: (one, key) => (asked++, key === '' || one.version === key),
    };
    const list = [instance('a1', { version: '1' }), instance('a2', { version: '1' }), instance('b3', { version: '2' })];
    const directory = new ScriptedDirectory(list);
    const selector = createSelector({ service: 'orders', directory, filters: [byVersion], clock: manualClock(), random: seededRandom(1) });
    const two = outbound({ headers: { 'x-version': '2' } });
    for (let time = 0; time < 50; time++) {
      const lease = leaseOf(selector, two);
      expect(lease.endpoint.id).to.equal('b3');
      lease.end(OK);
    }
    expect(asked).to.equal(3);
    directory.publish([...list, instance('b4', { version: '2' })]);
    expect(asked).to.equal(4);
    const seen = new Set<string>();
    for (let time = 0; time < 50; time++) {
      const lease = leaseOf(selector, two);
      seen.add(lease.endpoint.id);
      lease.end(OK);
    }
    expect([...seen].sort()).to.deep.equal(['b3', 'b4']);
    expect(thrown(() => selector.select(outbound({ headers: { 'x-version': '9' } }))).message).to.contain('none of its 4 instances');
    directory.publish([instance('a1', { version: '2' })]);
    expect(leaseOf(selector, two).endpoint.id).to.equal('a1');
  });

  it('all have to keep an instance, and keys of two do not run into each other', () => {
    const by = (header: string, of: 'zone' | 'version'): Filter => ({
      key: (call) => call.header(header) ?? '',
      keep: (one, key) => one[of] === key,
    });
    const directory = new ScriptedDirectory([instance('a1', { zone: '1', version: '11' }), instance('a2', { zone: '11', version: '1' })]);
    const selector = createSelector({ service: 'orders', directory, filters: [by('zone', 'zone'), by('version', 'version')], clock: manualClock() });
    expect(leaseOf(selector, outbound({ headers: { zone: '1', version: '11' } })).endpoint.id).to.equal('a1');
    expect(leaseOf(selector, outbound({ headers: { zone: '11', version: '1' } })).endpoint.id).to.equal('a2');
  });

  it('keep at most 64 views, however many keys calls bring, and those in use', () => {
    let built = 0;
    const filter: Filter = { key: (call) => call.header('key') ?? '', keep: () => (built++, true) };
    const { selector } = made(1, { filters: [filter] });
    const used = outbound({ headers: { key: 'used' } });
    leaseOf(selector, used);
    for (let key = 0; key < 1_000; key++) {
      leaseOf(selector, outbound({ headers: { key: String(key) } }));
      leaseOf(selector, used);
    }
    expect(built).to.equal(1_001);
    built = 0;
    for (let key = 0; key < 1_000; key++) leaseOf(selector, outbound({ headers: { key: String(key) } }));
    expect(built).to.be.above(900);
  });
});

describe('what a selector leaves out', () => {
  it('is weight 0, for every balancer', () => {
    const list = [instance('i0', { weight: 0 }), instance('i1')];
    for (const balancer of [p2c(), roundRobin(), weighted()]) {
      const selector = createSelector({ service: 'orders', directory: new ScriptedDirectory(list), balancer, clock: manualClock() });
      for (let time = 0; time < 10; time++) expect(leaseOf(selector).endpoint.id).to.equal('i1');
    }
    const none = createSelector({ service: 'orders', directory: new ScriptedDirectory([list[0]!]), balancer: weighted(), clock: manualClock() });
    expect(thrown(() => none.select(outbound())).message).to.contain('has a weight above 0');
  });

  it('is an instance whose registry says fail, unless most do', () => {
    const list = instances(4);
    const failing = (count: number) => list.map((one, index) => ({ ...one, status: index < count ? ('fail' as const) : ('pass' as const) }));
    const { directory, selector } = made(4, { balancer: roundRobin() });
    const reached = (): number => new Set(Array.from({ length: 16 }, () => leaseOf(selector).endpoint.id)).size;
    directory.publish(failing(2));
    expect(reached()).to.equal(2);
    expect(selector.endpoints().map(({ state }) => state)).to.deep.equal(['failing', 'failing', 'ready', 'ready']);
    directory.publish(failing(3));
    expect(reached()).to.equal(4);
    directory.publish(failing(0));
    expect(reached()).to.equal(4);
  });
});

describe('the fallback balancer', () => {
  for (const [name, pick, told] of [
    [
      'throws',
      () => {
        throw new Error('boom');
      },
      'boom',
    ],
    [
      'gives a promise',
      async () => {
        throw new Error('later');
      },
      'pick() gave',
    ],
    ['gives what is no endpoint', () => ({ id: 'x' }), 'pick() gave'],
  ] as const) {
    it(`is asked when the balancer ${name}, which is logged once`, () => {
      const errors: unknown[] = [];
      const quiet = () => {};
      const logger = { debug: quiet, info: quiet, warn: quiet, error: (fields: unknown) => void errors.push(fields) };
      const { selector } = made(2, { balancer: { name: 'broken', pick: pick as unknown as Balancer['pick'] }, logger });
      for (let call = 0; call < 3; call++) leaseOf(selector).end(OK);
      expect(errors).to.have.length(1);
      expect((errors[0] as { error: Error }).error.message).to.contain(told);
    });
  }

  it('is asked when the balancer gives an endpoint that has left the list', () => {
    let first: Endpoint | undefined;
    const { directory, selector } = made(2, { balancer: { name: 'stale', pick: (view) => (first ??= view.endpoints[0]) } });
    const { id } = leaseOf(selector).endpoint;
    directory.publish(instances(2).filter((one) => one.id !== id));
    expect(leaseOf(selector).endpoint.id).to.not.equal(id);
  });

  it('refuses a balancer whose load is none', () => {
    const balancer = { name: 'mine', load: {}, pick: () => undefined } as unknown as Balancer;
    expect(() => made(1, { balancer })).to.throw(TypeError, 'createSelector balancer.load: {} has no fleet()');
    const withFleet = (fleet: unknown) => made(1, { balancer: p2c({ load: { name: 'mine', fleet: () => fleet } as unknown as Load }) });
    expect(() => withFleet({})).to.throw(TypeError, 'load "mine" fleet(): {} has no meter(). Return a Fleet');
    expect(() => withFleet({ meter: () => ({ cost: () => 1 }) })).to.throw(
      TypeError,
      'load "mine" meter(): { cost } has no observe(). Return a Meter',
    );
  });

  it('is asked when the balancer declines; when both decline, the call is refused', () => {
    const declines: Balancer = { name: 'choosy', pick: () => undefined };
    expect(leaseOf(made(2, { balancer: declines }).selector).endpoint.id).to.match(/^i[01]$/);
    expect(thrown(() => made(2, { balancer: declines, fallback: declines }).selector.select(outbound())).message).to.contain(
      'both balancers declined, choosy and choosy',
    );
  });
});

describe('createSelector', () => {
  it('refuses options that are missing or wrong, naming option and remedy', () => {
    const directory = new ScriptedDirectory([]);
    const wrong: [object, string][] = [
      [{ directory }, 'createSelector service'],
      [{ service: '', directory }, 'createSelector service: "" is no name'],
      [{ service: 'orders' }, 'createSelector directory'],
      [{ service: 'orders', directory, balancer: p2c }, 'createSelector balancer: the function p2c has no pick()'],
      [{ service: 'orders', directory, fallback: {} }, 'createSelector fallback'],
      [{ service: 'orders', directory, ejector: null }, 'createSelector ejector: null is none. Give what ejector({ … }) made, or false.'],
      [
        { service: 'orders', directory, subset },
        "createSelector subset: the function subset itself chooses nothing. Call it first, such as subset({ client: 'gateway-7' }).",
      ],
      [{ service: 'orders', directory, filters: [() => true] }, 'createSelector filters'],
    ];
    for (const [options, message] of wrong) expect(() => createSelector(options as SelectorOptions)).to.throw(TypeError, message);
  });
});
