import { expect } from 'chai';
import { createSelector, ejector, leastPending, p2c, roundRobin } from '@ferrule/core';
import type { Instance, LevelReport, PriorityChange, SelectorOptions } from '@ferrule/core';
import type { Balancer, HealthSource, Outcome } from '@ferrule/core/adapter';
import { manualClock, seededRandom } from '@ferrule/testing';
import { fc } from '../support/fast-check.js';
import { ScriptedDirectory, instance, leaseOf, outbound } from './selection-fixtures.js';

const OK: Outcome = { kind: 'ok', status: 200 };
const REFUSED: Outcome = { kind: 'refused' };

/** Draws nothing, so that the only draws of a pick are those of the level. */
const first: Balancer = { name: 'first', pick: ({ endpoints }) => endpoints[0] };

/** Walks evenly through 0 to 1, so that shares can be counted exactly. */
function evenly(steps: number): () => number {
  let step = 0;
  return () => (step++ % steps) / steps + 0.5 / steps;
}

interface Part {
  readonly ready: number;
  readonly of: number;
  readonly zone?: string;
  readonly priority?: number;
}

/** Parts of a list, each with some ready and the others failing. */
function list(...parts: readonly Part[]): Instance[] {
  return parts.flatMap(({ ready, of, zone, priority }, part) =>
    Array.from({ length: of }, (_, index) =>
      instance(`p${part}n${index}`, {
        port: 1_000 * (part + 1) + index,
        status: index < ready ? 'pass' : 'fail',
        ...(priority === undefined ? { priority: part } : priority !== 0 && { priority }),
        ...(zone !== undefined && { zone }),
      }),
    ),
  );
}

function selecting(instances: readonly Instance[], options: Partial<SelectorOptions> = {}) {
  const clock = manualClock();
  const directory = new ScriptedDirectory(instances);
  const selector = createSelector({ service: 'orders', directory, clock, balancer: first, random: evenly(10_000), ...options });
  return { clock, directory, selector };
}

/** Of 10,000 even draws, how many percent each level got, by the picks and by the report. */
function shares(
  instances: readonly Instance[],
  options: Partial<SelectorOptions> = {},
): { percent: number[]; panic: boolean[]; levels: readonly LevelReport[] } {
  const { selector } = selecting(instances, options);
  const counts = new Map<number, number>();
  for (let draw = 0; draw < 10_000; draw++) {
    const lease = leaseOf(selector);
    const priority = lease.endpoint.instance.priority ?? 0;
    counts.set(priority, (counts.get(priority) ?? 0) + 1);
    lease.end(OK);
  }
  const levels = selector.levels();
  for (const { priority, share } of levels) expect((counts.get(priority) ?? 0) / 10_000, `priority ${priority}`).to.be.closeTo(share, 2e-4);
  return { percent: levels.map(({ share }) => share * 100), panic: levels.map(({ panic }) => panic), levels };
}

describe('priorities share calls out as Envoy documents it', () => {
  // Envoy 1.29, "Priority levels" and "Panic threshold"; whole percents, since Envoy rounds. Panic is told of levels that get calls.
  const table: readonly [ready: number[], shares: number[], panic?: boolean[]][] = [
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 100],
      [100, 0],
    ],
    [
      [71, 100],
      [99, 1],
    ],
    [
      [50, 100],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [0, 100],
      [0, 100],
    ],
    [
      [72, 72],
      [100, 0],
    ],
    [
      [71, 71],
      [99, 1],
    ],
    [
      [50, 60],
      [70, 30],
    ],
    [
      [25, 25],
      [50, 50],
      [true, true],
    ],
    [
      [5, 65],
      [7, 93],
      [true, false],
    ],
    [
      [100, 100, 100],
      [100, 0, 0],
    ],
    [
      [72, 72, 100],
      [100, 0, 0],
    ],
    [
      [71, 71, 100],
      [99, 1, 0],
    ],
    [
      [50, 50, 100],
      [70, 30, 0],
    ],
    [
      [25, 100, 100],
      [35, 65, 0],
    ],
    [
      [25, 25, 100],
      [35, 35, 30],
    ],
    [
      [25, 25, 20],
      [36, 36, 29],
      [true, true, true],
    ],
  ];
  for (const [ready, expected, panic = ready.map(() => false)] of table) {
    it(`${ready.join(' %, ')} % ready: ${expected.join(' / ')}${panic.includes(true) ? ', in panic' : ''}`, () => {
      const seen = shares(list(...ready.map((count) => ({ ready: count, of: 100 }))));
      expect(seen.percent.map(Math.round)).to.deep.equal(expected);
      expect(seen.panic).to.deep.equal(panic);
    });
  }

  it('shares by the number of instances when none is ready anywhere, and then all are picked', () => {
    const seen = shares(list({ ready: 0, of: 30 }, { ready: 0, of: 10 }), { balancer: roundRobin({ random: () => 0 }) });
    expect(seen.percent).to.deep.equal([75, 25]);
    expect(seen.panic).to.deep.equal([true, true]);
  });

  it('knows any number of levels, and skips priorities that nobody has', () => {
    const seen = shares(list({ ready: 0, of: 2, priority: 127 }, { ready: 1, of: 4, priority: 3 }, { ready: 1, of: 1, priority: 100 }));
    expect(seen.levels.map(({ priority }) => priority)).to.deep.equal([3, 100, 127]);
    expect(seen.percent.map(Math.round)).to.deep.equal([35, 65, 0]);
  });

  it('holds for any number of levels, whatever is ready: shares add up to all, each level carries at most what it can, and earlier ones first', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.integer({ min: 1, max: 12 })), { minLength: 2, maxLength: 6 }), (parts) => {
        const { selector } = selecting(list(...parts.map(([ready, of]) => ({ ready: Math.min(ready, of), of }))));
        leaseOf(selector).end(OK);
        const levels = selector.levels();
        expect(levels.reduce((sum, { share }) => sum + share, 0)).to.be.closeTo(1, 1e-9);
        const available = levels.map(({ ready, instances }) => Math.min(1, (1.4 * ready) / instances));
        const total = available.reduce((sum, one) => sum + one, 0);
        if (total === 0) return;
        let left = 1;
        for (const [index, { share, panic, ready, instances }] of levels.entries()) {
          const carries = Math.min(left, available[index]! / Math.min(1, total));
          expect(share).to.be.closeTo(carries, 1e-9);
          expect(panic).to.equal(share > 0 && total < 1 - 1e-9 && ready * 2 < instances);
          left -= carries;
        }
      }),
    );
  });
});

describe('a selector with priorities', () => {
  const two = (direct: number, registered: number): Instance[] => list({ ready: direct, of: direct }, { ready: registered, of: registered });

  it('draws nothing when one priority takes all', () => {
    let draws = 0;
    const { selector } = selecting(two(2, 2), { random: () => (draws++, 0.5) });
    for (let pick = 0; pick < 10; pick++) leaseOf(selector).end(OK);
    expect(draws).to.equal(0);
  });

  it('goes on to the next priority for a retry, when all of the first were tried', () => {
    const { selector } = selecting(two(1, 1));
    const one = leaseOf(selector);
    one.end(REFUSED);
    const other = leaseOf(selector, outbound({ attempt: 2, tried: [one.endpoint] }));
    expect([one.endpoint.id, other.endpoint.id]).to.deep.equal(['p0n0', 'p1n0']);
    other.end(REFUSED);
    const last = leaseOf(selector, outbound({ attempt: 3, tried: [one.endpoint, other.endpoint] }));
    expect(last.endpoint.id).to.equal('p0n0');
  });

  it('moves to the next priority when the first is ejected, probes it there, and returns', async () => {
    const { clock, selector } = selecting(two(1, 1), { ejector: ejector({ jitter: 0, slowStart: 0 }) });
    for (let failure = 0; failure < 5; failure++) leaseOf(selector).end(REFUSED);
    for (let pick = 0; pick < 5; pick++) {
      const lease = leaseOf(selector);
      expect(lease.endpoint.id).to.equal('p1n0');
      lease.end(OK);
    }
    await clock.advance(5_000);
    const probe = leaseOf(selector);
    expect(probe.endpoint.id).to.equal('p0n0');
    expect(leaseOf(selector).endpoint.id).to.equal('p1n0');
    probe.end(OK);
    expect(leaseOf(selector).endpoint.id).to.equal('p0n0');
  });

  it('does not risk calls to find out about one that stands by, until it is needed', async () => {
    const instances = two(1, 1);
    const { clock, directory, selector } = selecting(instances, { ejector: ejector({ jitter: 0, slowStart: 0 }) });
    const failing = [{ ...instances[0]!, status: 'fail' as const }, instances[1]!];
    directory.publish(failing);
    for (let failure = 0; failure < 5; failure++) leaseOf(selector).end({ kind: 'error', status: 500 });
    directory.publish(instances);
    await clock.advance(10_000);
    expect(selector.endpoints().map(({ id, state }) => [id, state])).to.deep.equal([
      ['p0n0', 'ready'],
      ['p1n0', 'half-open'],
    ]);
    for (let pick = 0; pick < 5; pick++) expect(leaseOf(selector).endpoint.id).to.equal('p0n0');
    directory.publish(failing);
    expect(leaseOf(selector).endpoint.id).to.equal('p1n0');
    expect(selector.endpoints()[1]!.state).to.equal('probing');
  });

  it('tells when the first priority in use becomes another one, and why', async () => {
    const heard: PriorityChange[] = [];
    const instances = list({ ready: 2, of: 2 }, { ready: 1, of: 1 });
    const { clock, directory, selector } = selecting([...instances].reverse(), { onPriority: (change) => heard.push(change) });
    expect(heard).to.deep.equal([]);
    leaseOf(selector);
    const started = clock.wallTime();
    expect(heard.splice(0)).to.deep.equal([{ service: 'orders', from: undefined, to: 0, reason: 'the first list', at: started }]);
    const failing = (count: number): Instance[] => instances.map((one, index) => (index < count ? { ...one, status: 'fail' as const } : one));
    directory.publish(failing(1));
    expect(heard, 'it still carries 70 %').to.deep.equal([]);
    await clock.advance(1_000);
    directory.publish(failing(2));
    expect(heard.splice(0)).to.deep.equal([
      { service: 'orders', from: 0, to: 1, reason: 'of priority 0, 0 of 2 instances are ready', at: started + 1_000 },
    ]);
    directory.publish(failing(1));
    expect(heard.splice(0)[0]).to.include({ from: 1, to: 0, reason: 'of priority 0, 1 of 2 instances is ready' });
    directory.publish(instances.slice(2));
    expect(heard.splice(0)[0]).to.include({ from: 0, to: 1, reason: 'of priority 0, no instance is left' });
    directory.publish([]);
    directory.publish(instances.slice(2));
    expect(heard).to.deep.equal([]);
    selector.close();
  });

  it('takes an instance that changes its priority along, with all that is known of it', () => {
    const instances = two(2, 1);
    const { directory, selector } = selecting(instances);
    const lease = leaseOf(selector);
    directory.publish([...instances.slice(1), { ...instances[0]!, priority: 5 }]);
    expect(selector.levels().map(({ priority, instances: count, share }) => [priority, count, share])).to.deep.equal([
      [0, 1, 1],
      [1, 1, 0],
      [5, 1, 0],
    ]);
    expect(lease.endpoint.instance.priority).to.equal(5);
    expect(selector.endpoints().find(({ id }) => id === 'p0n0')).to.include({ open: 1 });
    directory.publish([{ ...instances[0]!, priority: 5 }]);
    expect(leaseOf(selector).endpoint).to.equal(lease.endpoint);
  });

  it('keeps the identity of 1,999 of 2,000 endpoints over an update of one, and touches only that one in each view', () => {
    let asked = 0;
    const instances = list({ ready: 1_000, of: 1_000 }, { ready: 1_000, of: 1_000 });
    const { directory, selector } = selecting(instances, {
      balancer: roundRobin({ random: () => 0 }),
      filters: [{ keep: () => (asked++, true) }],
    });
    const before = new Map(Array.from({ length: 1_000 }, () => leaseOf(selector).endpoint).map((endpoint) => [endpoint.id, endpoint]));
    expect(before.size).to.equal(1_000);
    asked = 0;
    directory.publish(instances.map((one, index) => (index === 500 ? { ...one, metadata: { build: '2' } } : one)));
    expect(asked).to.equal(1);
    const after = Array.from({ length: 1_000 }, () => leaseOf(selector).endpoint);
    expect(after.filter((endpoint) => before.get(endpoint.id) === endpoint)).to.have.length(1_000);
  });
});

describe('the zone that is preferred', () => {
  const zones = (near: number, far: number, change: { near?: number; far?: number } = {}): Instance[] =>
    list({ ready: change.near ?? near, of: near, zone: 'eu-1', priority: 0 }, { ready: change.far ?? far, of: far, zone: 'eu-2', priority: 0 });
  const near = (instances: readonly Instance[]): number => {
    const { selector } = selecting(instances, { zone: 'eu-1' });
    leaseOf(selector).end(OK);
    return Math.round(selector.levels().reduce((sum, level) => sum + (level.near === true ? level.share : 0), 0) * 100);
  };

  // Two zones: the even share of 10 instances is 5.
  const table: readonly [what: string, instances: Instance[], percent: number][] = [
    ['has half of them', zones(5, 5), 100],
    ['has 4 of 10, nearly its share', zones(4, 6), 100],
    ['has 1 of 10', zones(1, 9), 28],
    ['has 5 of 10, of which 2 are ready', zones(5, 5, { near: 2 }), 56],
    ['has 5 of 10, of which none is ready', zones(5, 5, { near: 0 }), 0],
    ['has none', zones(0, 5), 0],
    ['has all', zones(5, 0), 100],
    ['is alone ready', zones(5, 5, { far: 0 }), 100],
    ['is small and alone ready, so that it would drown', zones(1, 9, { far: 0 }), 100],
  ];
  for (const [what, instances, percent] of table) {
    it(`gets ${percent} % when it ${what}`, () => expect(near(instances)).to.equal(percent));
  }

  it('stands inside of each priority: other zones of the first come before the own zone of the second', () => {
    const { selector } = selecting(
      list(
        { ready: 0, of: 2, zone: 'eu-1', priority: 0 },
        { ready: 1, of: 2, zone: 'eu-2', priority: 0 },
        { ready: 2, of: 2, zone: 'eu-1', priority: 1 },
        { ready: 2, of: 2, priority: 1 },
      ),
      { zone: 'eu-1' },
    );
    leaseOf(selector);
    expect(selector.levels().map(({ priority, near: own, share }) => [priority, own, Math.round(share * 100)])).to.deep.equal([
      [0, true, 0],
      [0, false, 70],
      [1, true, 30],
      [1, false, 0],
    ]);
  });

  it('panics where a small zone would be left to carry all alone', () => {
    const { selector } = selecting(
      list(
        { ready: 1, of: 1, zone: 'eu-1', priority: 0 },
        { ready: 1, of: 5, zone: 'eu-2', priority: 0 },
        { ready: 0, of: 6, zone: 'eu-3', priority: 0 },
      ),
      { zone: 'eu-1' },
    );
    leaseOf(selector);
    // 1.4 × 1/4 and 1.4 × 1/11 are not enough: both are too few, the second for its own number.
    expect(selector.levels().map(({ near: own, panic }) => [own, panic])).to.deep.equal([
      [true, true],
      [false, true],
    ]);
  });

  it('follows instances that move between zones', () => {
    const instances = zones(2, 2);
    const { directory, selector } = selecting(instances, { zone: 'eu-1' });
    leaseOf(selector);
    directory.publish(instances.map((one) => ({ ...one, zone: one.zone === 'eu-1' ? 'eu-2' : 'eu-1' })));
    expect(leaseOf(selector).endpoint.instance).to.include({ zone: 'eu-1' });
    directory.publish(instances.map((one) => ({ ...one, zone: 'eu-3' })));
    expect(selector.levels().map(({ near: own, instances: count, share }) => [own, count, share])).to.deep.equal([[false, 4, 1]]);
  });
});

describe('what others know of the health of instances', () => {
  /** Says what it is told to. */
  function scripted() {
    const said = new Map<string, boolean>();
    const listeners = new Set<(service: string, id: string) => void>();
    let asked = 0;
    const source: HealthSource = {
      healthOf: ({ id }) => (asked++, said.get(id)),
      onChange: (listener) => (listeners.add(listener), () => void listeners.delete(listener)),
    };
    return {
      source,
      listeners,
      asked: () => asked,
      say(id: string, healthy: boolean | undefined, service = 'orders') {
        if (healthy === undefined) said.delete(id);
        else said.set(id, healthy);
        for (const listener of listeners) listener(service, id);
      },
    };
  }
  const reached = (selector: ReturnType<typeof createSelector>): string[] =>
    [...new Set(Array.from({ length: 20 }, () => leaseOf(selector).endpoint.id))].sort();
  const three = list({ ready: 3, of: 3 });

  it('is asked when the list or the health changes, never by a pick; unknown counts as healthy', () => {
    const health = scripted();
    health.say('p0n1', false);
    const { directory, selector } = selecting(three, { health: health.source, balancer: roundRobin({ random: () => 0 }) });
    expect(reached(selector)).to.deep.equal(['p0n0', 'p0n2']);
    expect(health.asked()).to.equal(3);
    expect(selector.endpoints().map(({ state }) => state)).to.deep.equal(['ready', 'failing', 'ready']);
    health.say('p0n1', true);
    expect(reached(selector)).to.deep.equal(['p0n0', 'p0n1', 'p0n2']);
    health.say('p0n2', false);
    health.say('p0n2', undefined);
    health.say('p0n2', false, 'payments');
    health.say('nobody', false);
    expect(health.asked()).to.equal(6);
    directory.publish([three[0]!, three[1]!, { ...three[2]!, metadata: { build: '2' } }]);
    expect(health.asked(), 'of the one that changed').to.equal(7);
    expect(reached(selector)).to.deep.equal(['p0n0', 'p0n1']);
  });

  it('panics as with status fail: with fewer than half ready all are picked', () => {
    const health = scripted();
    const { selector } = selecting(three, { health: health.source, balancer: roundRobin({ random: () => 0 }) });
    leaseOf(selector);
    health.say('p0n0', false);
    health.say('p0n1', false);
    expect(reached(selector)).to.deep.equal(['p0n0', 'p0n1', 'p0n2']);
  });

  it('comes from several sources, of which one that says no is enough, and one that throws costs nothing', () => {
    const one = scripted();
    const broken: HealthSource = {
      healthOf: () => {
        throw new Error('bug');
      },
      onChange: () => () => {},
    };
    const errors: unknown[] = [];
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: (...line: unknown[]) => void errors.push(line) };
    one.say('p0n0', false);
    const { selector } = selecting(three, { health: [broken, one.source], balancer: roundRobin({ random: () => 0 }), logger });
    expect(reached(selector)).to.deep.equal(['p0n1', 'p0n2']);
    expect(errors).to.have.length(3);
  });

  it('moves calls to the next priority, and tells of it', () => {
    const health = scripted();
    const heard: PriorityChange[] = [];
    const { selector } = selecting(list({ ready: 1, of: 1 }, { ready: 1, of: 1 }), {
      health: health.source,
      onPriority: (change) => heard.push(change),
    });
    leaseOf(selector);
    health.say('p0n0', false);
    expect(leaseOf(selector).endpoint.id).to.equal('p1n0');
    health.say('p0n0', true);
    expect(leaseOf(selector).endpoint.id).to.equal('p0n0');
    expect(heard.map(({ from, to }) => [from, to])).to.deep.equal([
      [undefined, 0],
      [0, 1],
      [1, 0],
    ]);
  });

  it('is listened to from the first pick to the close', () => {
    const health = scripted();
    const { selector } = selecting(three, { health: health.source });
    expect(health.listeners.size).to.equal(0);
    leaseOf(selector);
    expect(health.listeners.size).to.equal(1);
    selector.close();
    expect(health.listeners.size).to.equal(0);
  });
});

describe('a listener onPriority that throws', () => {
  it('costs neither the callers who wait for the first list nor a later one anything', async () => {
    const errors: object[] = [];
    const directory = new ScriptedDirectory();
    const selector = createSelector({
      service: 'orders',
      directory,
      clock: manualClock(),
      logger: { debug() {}, info() {}, warn() {}, error: (fields: object) => void errors.push(fields) },
      onPriority() {
        throw new Error('a bug');
      },
    });
    const waiting = selector.select(outbound());
    directory.publish(list({ ready: 1, of: 1 }));
    expect((await waiting).endpoint.id).to.equal('p0n0');
    directory.publish(list({ ready: 0, of: 0 }, { ready: 1, of: 1 }));
    expect(leaseOf(selector).endpoint.id).to.equal('p1n0');
    expect(errors).to.have.lengthOf(2);
  });
});

describe('createSelector', () => {
  it('refuses a zone, a router, a health source and a listener that are none', () => {
    const directory = new ScriptedDirectory([]);
    const wrong: [object, string][] = [
      [{ zone: '' }, 'createSelector zone: "" is no zone'],
      [{ zone: 3 }, 'createSelector zone'],
      [{ routing: {} }, 'createSelector routing: {} has no route()'],
      [{ routing: [null] }, 'createSelector routing: null has no route()'],
      [{ health: {} }, 'createSelector health: {} has no healthOf()'],
      [{ onPriority: 1 }, 'createSelector onPriority'],
    ];
    for (const [options, message] of wrong)
      expect(() => createSelector({ service: 'orders', directory, ...options }), message).to.throw(TypeError, message);
  });

  it('spreads calls of p2c inside of each level', () => {
    const { selector } = selecting(list({ ready: 5, of: 10 }, { ready: 10, of: 10 }), {
      balancer: p2c({ load: leastPending(), random: seededRandom(1) }),
      random: seededRandom(2),
    });
    for (let pick = 0; pick < 1_000; pick++) leaseOf(selector);
    const open = selector.endpoints().map((report) => report.open);
    for (const count of open.slice(0, 5)) expect(count).to.be.within(125, 155);
    expect(open.slice(5, 10)).to.deep.equal([0, 0, 0, 0, 0]);
    for (const count of open.slice(10)) expect(count).to.be.within(22, 38);
  });
});
