import { expect } from 'chai';
import semver from 'semver';
import { byMetadata, byTags, byVersion, createSelector, metadataHealth, roundRobin } from '@ferrule/core';
import type { Filter, Instance, MetadataHealthOptions, MetadataWanted, SelectorOptions } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import { fc } from '../support/fast-check.js';
import { ScriptedDirectory, instance, leaseOf, outbound } from './selection-fixtures.js';

const keeps = (filter: Filter, change: Partial<Instance>): boolean => filter.keep(instance('i0', change), '');
const version = (range: string, ...versions: (string | undefined)[]): boolean[] =>
  versions.map((one) => keeps(byVersion(range), one === undefined ? {} : { version: one }));

describe('byVersion', () => {
  const table: readonly [range: string, inside: string[], outside: string[]][] = [
    ['^1.2', ['1.2.0', '1.9.9', '1.2'], ['1.1.9', '2.0.0', '2.0.0-rc.1', '1.3.0-rc.1', '1']],
    ['^0.2.3', ['0.2.3', '0.2.9'], ['0.3.0', '0.2.2']],
    ['^0.0.3', ['0.0.3'], ['0.0.4']],
    ['~1.2.3', ['1.2.3', '1.2.9'], ['1.3.0', '1.2.2']],
    ['1.x', ['1.0.0', '1.99.0', '1'], ['2.0.0', '0.9.0']],
    ['^1.2 || 2.x', ['1.2.0', '2.7.1'], ['3.0.0', '1.1.0']],
    ['>= 1.4 <2', ['1.4.0', '1.99.99'], ['2.0.0', '2.0.0-beta', '1.3.9']],
    ['1.2 - 2.3', ['1.2.0', '2.3.9'], ['2.4.0', '1.1.9']],
    ['v1.2.3', ['1.2.3', 'v1.2.3', '1.2.3+build.7'], ['1.2.4']],
    ['2.0.0-rc.1', ['2.0.0-rc.1'], ['2.0.0', '2.0.0-rc.2']],
    ['>=2.0.0-rc.1', ['2.0.0-rc.1', '2.0.0-rc.10', '2.0.0', '3.0.0'], ['2.0.0-beta', '2.1.0-rc.1']],
    ['*', ['1.0.0', 'blue', '1.0.0-rc.1'], []],
    ['blue', ['blue'], ['green', '1.0.0', 'blue-2']],
    ['2024-11-05', ['2024-11-05'], ['2024-11-06', '2024.11.5']],
    ['1.2.3.4', ['1.2.3.4'], ['1.2.3']],
    ['1.2', ['1.2', '1.2.7'], ['1.3', 'v1']],
  ];
  for (const [range, inside, outside] of table) {
    it(`${range} keeps ${inside.join(', ')}${outside.length === 0 ? '' : ` and leaves ${outside.join(', ')}`}`, () => {
      expect(version(range, ...inside), 'inside').to.deep.equal(inside.map(() => true));
      expect(version(range, ...outside), 'outside').to.deep.equal(outside.map(() => false));
    });
  }

  it('finds an instance without a version in no range but *', () => {
    for (const range of ['^1', '>=0.0.0', 'blue']) expect(version(range, undefined), range).to.deep.equal([false]);
    expect(version('*', undefined)).to.deep.equal([true]);
  });

  it('refuses what was meant as a range and is none, and what is nothing', () => {
    for (const text of ['^1.x.y.z', '>=', '>> 1', '^blue', '1.2 -', '~a.b', '^1 || ^', '=1 2 x y', '^01.2', '<1.2-beta'])
      expect(() => byVersion(text), text).to.throw(TypeError, 'no range of versions');
    for (const text of ['', ' ']) expect(() => byVersion(text)).to.throw(TypeError, 'byVersion: ');
    expect(() => byVersion(3 as unknown as string)).to.throw(TypeError, 'byVersion');
    expect(() => byVersion({ headr: 'x' } as unknown as string)).to.throw(TypeError, 'Did you mean header?');
  });

  it('says the same as npm does, for any range and version', () => {
    const number = fc.oneof(fc.nat(3), fc.nat(3), fc.constantFrom('x', 'X'));
    const pre = fc.oneof(
      { weight: 3, arbitrary: fc.constant('') },
      { weight: 2, arbitrary: fc.constantFrom('-0', '-rc.1', '-rc.2', '-a', '-1.b', '-rc', '-rc.01', '-rc.1+b.1') },
    );
    const partial = fc
      .tuple(fc.constantFrom('', '', '', 'v'), fc.array(number, { minLength: 1, maxLength: 3 }), pre)
      // What stands behind a wildcard npm takes in some places and not in others.
      .filter(([, numbers]) => numbers.every((one, index) => typeof one === 'string' || typeof numbers[index - 1] !== 'string'))
      .map(([lead, numbers, tail]) => `${lead}${numbers.join('.')}${numbers.every((one) => typeof one === 'number') ? tail : ''}`);
    const comparator = fc
      .tuple(
        fc.constantFrom('', '^', '~', '~>', '<', '<=', '>', '>=', '='),
        fc.constantFrom('', '', ' '),
        fc.oneof({ weight: 9, arbitrary: partial }, { weight: 1, arbitrary: fc.constant('*') }),
      )
      .map((parts) => parts.join(''));
    const set = fc.oneof(
      { weight: 4, arbitrary: fc.array(comparator, { minLength: 1, maxLength: 2 }).map((all) => all.join(' ')) },
      { weight: 1, arbitrary: fc.tuple(partial, partial).map(([from, to]) => `${from} - ${to}`) },
      { weight: 1, arbitrary: fc.constant('') },
    );
    const range = fc.array(set, { minLength: 1, maxLength: 3 }).map((all) => all.join(' || '));
    const full = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), pre).map(([a, b, c, tail]) => `${a}.${b}.${c}${tail}`);
    let same = 0;
    fc.assert(
      fc.property(range, fc.array(full, { minLength: 5, maxLength: 5 }), (text, versions) => {
        const known = semver.validRange(text) !== null;
        let filter: Filter | undefined;
        try {
          filter = byVersion(text.trim() === '' ? '*' : text);
        } catch {
          filter = undefined;
        }
        if (filter === undefined) return void expect(known, `npm takes ${text}`).to.equal(false);
        // A text that is none of npm's ranges is exact here, and in a few odd places we are milder, as with `=1 - x`.
        if (!known) return;
        for (const one of versions) {
          if (one === text || text.trim() === '*' || text.trim() === '') continue;
          expect(keeps(filter, { version: one }), `${one} in ${text}`).to.equal(semver.satisfies(one, text));
          same++;
        }
      }),
      { numRuns: 4_000 },
    );
    expect(same).to.be.above(10_000);
  });

  it('takes what each call asks for, and then its view is cached', () => {
    const filter = byVersion({ header: 'X-Version' });
    const directory = new ScriptedDirectory([
      instance('i1', { version: '1.4.0' }),
      instance('i2', { version: '2.0.0' }),
      instance('i3', { version: 'blue' }),
      instance('i4'),
    ]);
    const selector = createSelector({ service: 'orders', directory, filters: [filter], balancer: roundRobin(), clock: manualClock() });
    const reached = (wanted?: string): string => {
      const ids = Array.from({ length: 60 }, () => {
        const lease = leaseOf(selector, outbound({ headers: wanted === undefined ? {} : { 'x-version': wanted } }));
        lease.end({ kind: 'cancelled' });
        return lease.endpoint.id;
      });
      return [...new Set(ids)].sort().join();
    };
    expect(reached('^1')).to.equal('i1');
    expect(reached('^1 || 2')).to.equal('i1,i2');
    expect(reached(' blue ')).to.equal('i3');
    expect(reached()).to.equal('i1,i2,i3,i4');
    expect(reached('')).to.equal('i1,i2,i3,i4');
    for (const hostile of ['^^^^', '9'.repeat(5_000), '3 '.repeat(4_000), '|| || x'.repeat(50).slice(1)])
      expect(() => leaseOf(selector, outbound({ headers: { 'x-version': hostile } })), hostile.slice(0, 20)).to.throw('none of its 4 instances');
  });

  it('asks a function of the call too', () => {
    const filter = byVersion((call) => (call.operation.method === 'GET' ? '^2' : undefined));
    expect([filter.key!(outbound()), filter.key!(outbound({ method: 'POST' }))]).to.deep.equal(['^2', '']);
  });
});

describe('byTags', () => {
  const tagged = (...tags: string[]): Partial<Instance> => ({ tags });
  it('keeps those that have all, any and none of them', () => {
    const table: readonly [Parameters<typeof byTags>[0], string[], boolean][] = [
      [['gpu'], ['gpu', 'eu'], true],
      [['gpu', 'eu'], ['gpu'], false],
      [{ any: ['eu', 'us'] }, ['us'], true],
      [{ any: ['eu', 'us'] }, ['cn'], false],
      [{ none: ['drain'] }, [], true],
      [{ none: ['drain'] }, ['drain'], false],
      [{ all: ['gpu'], any: ['eu', 'us'], none: ['drain'] }, ['gpu', 'us'], true],
      [{ all: ['gpu'], any: ['eu', 'us'], none: ['drain'] }, ['gpu', 'us', 'drain'], false],
    ];
    for (const [wanted, tags, kept] of table)
      expect(keeps(byTags(wanted), tagged(...tags)), `${JSON.stringify(wanted)} ${tags.join()}`).to.equal(kept);
    expect(keeps(byTags(['gpu']), {}), 'no tags at all').to.equal(false);
  });

  it('takes what each call asks for', () => {
    const filter = byTags({ header: 'x-tags' });
    const key = filter.key!(outbound({ headers: { 'x-tags': 'gpu, eu,' } }));
    expect(filter.keep(instance('i0', tagged('eu', 'gpu')), key)).to.equal(true);
    expect(filter.keep(instance('i0', tagged('gpu')), key)).to.equal(false);
    expect(filter.keep(instance('i0'), filter.key!(outbound()))).to.equal(true);
  });

  it('refuses lists that are none or empty', () => {
    for (const wanted of [[], [3], { all: [] }, { any: 'eu' }, { none: [''] }, { all: ['a'], andy: ['b'] }])
      expect(() => byTags(wanted as unknown as string[]), JSON.stringify(wanted)).to.throw(TypeError, 'byTags');
  });
});

describe('byMetadata', () => {
  it('keeps those that say it', () => {
    const table: readonly [MetadataWanted, Record<string, string> | undefined, boolean][] = [
      [{ key: 'tier', value: 'gold' }, { tier: 'gold' }, true],
      [{ key: 'tier', value: 'gold' }, { tier: 'tin' }, false],
      [{ key: 'tier', value: 'gold' }, undefined, false],
      [{ key: 'tier', values: ['gold', 'silver'] }, { tier: 'silver' }, true],
      [{ key: 'constructor', value: 'x' }, {}, false],
      [{ key: 'cores', predicate: (value) => Number(value ?? 0) >= 4 }, { cores: '8' }, true],
      [{ key: 'cores', predicate: (value) => value === undefined }, undefined, true],
    ];
    for (const [wanted, metadata, kept] of table)
      expect(keeps(byMetadata(wanted), metadata === undefined ? {} : { metadata }), JSON.stringify([wanted, metadata])).to.equal(kept);
  });

  it('takes what each call asks for', () => {
    const filter = byMetadata({ key: 'tenant', from: { query: 'tenant' } });
    const key = filter.key!(outbound({ query: 'tenant=acme' }));
    expect(['acme', 'other'].map((tenant) => filter.keep(instance('i0', { metadata: { tenant } }), key))).to.deep.equal([true, false]);
  });

  it('refuses a key that is missing, and not exactly one way', () => {
    for (const wanted of [
      {},
      { key: '' },
      { key: 'a' },
      { key: 'a', value: 'b', values: ['c'] },
      { key: 'a', values: [] },
      { key: 'a', value: 3 },
      { key: 'a', predicate: true },
      { key: 'a', form: {} },
    ])
      expect(() => byMetadata(wanted as MetadataWanted), JSON.stringify(wanted)).to.throw(TypeError, 'byMetadata');
  });
});

describe('metadataHealth', () => {
  const at = (clock: { wallTime(): number }, ageMs = 0): string => new Date(clock.wallTime() - ageMs).toISOString();
  function selecting(metadata: readonly (Record<string, string> | undefined)[], options: MetadataHealthOptions = {}) {
    const clock = manualClock();
    const health = metadataHealth({ clock, ...options });
    const list = metadata.map((one, index) => instance(`i${index}`, one === undefined ? {} : { metadata: one }));
    const directory = new ScriptedDirectory(list);
    const selector = createSelector({ service: 'orders', directory, clock, health } satisfies SelectorOptions);
    const states = (): string =>
      selector
        .endpoints()
        .map(({ state }) => (state === 'ready' ? '+' : '-'))
        .join('');
    return { clock, health, list, directory, selector, states };
  }

  it('reads health, then the age of the heartbeat; what cannot be read is unknown', () => {
    const clock = manualClock();
    const health = metadataHealth({ clock });
    const table: readonly [Record<string, string>, boolean | undefined][] = [
      [{}, undefined],
      [{ health: 'healthy' }, true],
      [{ health: 'healthy', last_heartbeat: at(clock, 60_000) }, true],
      [{ health: 'unhealthy' }, false],
      [{ health: '' }, false],
      [{ last_heartbeat: at(clock, 30_000) }, true],
      [{ last_heartbeat: at(clock, 30_001) }, false],
      [{ last_heartbeat: '2025-12-31T23:59:50+00:00' }, true],
      [{ last_heartbeat: '2026-01-01t01:59:50.25+02:00' }, true],
      [{ last_heartbeat: '2026-01-01 00:00:10Z' }, true],
      [{ last_heartbeat: '2025-12-31T22:00:00Z' }, false],
      [{ last_heartbeat: 'yesterday' }, undefined],
      [{ last_heartbeat: '2026-01-01' }, undefined],
      [{ last_heartbeat: '2026-99-01T00:00:00Z' }, undefined],
    ];
    for (const [metadata, healthy] of table) expect(health.healthOf(instance('i0', { metadata })), JSON.stringify(metadata)).to.equal(healthy);
    expect(clock.pending, 'nobody listens').to.equal(0);
  });

  it('notices heartbeats that grow too old by itself, and those that come', async () => {
    const clock = manualClock();
    const { list, directory, selector, states } = (() => {
      const health = metadataHealth({ clock });
      const listed = [
        instance('i0', { metadata: { last_heartbeat: at(clock) } }),
        instance('i1', { metadata: { last_heartbeat: at(clock, 10_000) } }),
        instance('i2'),
      ];
      const source = new ScriptedDirectory(listed);
      const made = createSelector({ service: 'orders', directory: source, clock, health });
      return {
        list: listed,
        directory: source,
        selector: made,
        states: () =>
          made
            .endpoints()
            .map(({ state }) => (state === 'ready' ? '+' : '-'))
            .join(''),
      };
    })();
    leaseOf(selector);
    expect(states()).to.equal('+++');
    await clock.advance(20_000);
    expect(states()).to.equal('+++');
    await clock.advance(1);
    expect(states()).to.equal('+-+');
    directory.publish([list[0]!, { ...list[1]!, metadata: { last_heartbeat: at(clock) } }, list[2]!]);
    expect(states()).to.equal('+++');
    await clock.advance(10_000);
    expect(states()).to.equal('-++');
    await clock.advance(30_000);
    expect(states()).to.equal('--+');
    selector.close();
    expect(clock.pending).to.equal(0);
  });

  it('forgets who has left, and sleeps when no heartbeat counts', async () => {
    const { clock, directory, selector } = selecting([{ last_heartbeat: '2030-01-01T00:00:00Z' }]);
    leaseOf(selector);
    expect(clock.pending).to.equal(1);
    directory.publish([]);
    await clock.advance(30_001);
    expect(clock.pending).to.equal(0);
    selector.close();
  });

  it('takes other keys and another age, and refuses what is none', () => {
    const { selector, states } = selecting(
      [{ state: 'healthy' }, { state: 'down' }, { beat: '2025-12-31T23:59:56Z' }, { beat: '2025-12-31T23:59:54Z' }],
      {
        healthKey: 'state',
        heartbeatKey: 'beat',
        maxAge: '5s',
      },
    );
    leaseOf(selector);
    expect(states()).to.equal('+-+-');
    for (const options of [{ maxAge: 0 }, { maxAge: 'soon' }, { healthKey: '' }, { maxage: 1 }])
      expect(() => metadataHealth(options), JSON.stringify(options)).to.throw(TypeError, 'metadataHealth');
  });
});

describe('a filter or a target that throws', () => {
  /** As people write it who have metadata everywhere, but for one instance. */
  const careless = ({ metadata }: Instance): boolean => metadata!['colour'] === 'blue';
  const blue = { metadata: { colour: 'blue' } };

  function selecting(list: readonly Instance[], options: Partial<SelectorOptions>) {
    const errors: unknown[] = [];
    const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => void errors.push(fields) };
    const directory = new ScriptedDirectory(list);
    const selector = createSelector({ service: 'orders', directory, clock: manualClock(), balancer: roundRobin(), logger, ...options });
    const picked = (): string => [...new Set(Array.from({ length: 12 }, () => leaseOf(selector).endpoint.id))].sort().join(' ');
    return { directory, errors, picked };
  }

  for (const [what, options] of [
    ['a filter', { filters: [{ keep: careless }] }],
    ['a target', { routing: { name: 'blue', route: () => ({ key: 'blue', keep: careless }) } }],
  ] as const) {
    it(`leaves out the instance, tells of it once, and takes the rest of the list over: ${what}`, () => {
      const { directory, errors, picked } = selecting([instance('i0'), instance('i1', blue)], options);
      expect(picked(), 'the first list').to.equal('i1');
      // i1 has gone, i2 tells nothing of itself, i3 stands behind it.
      directory.publish([instance('i2'), instance('i3', blue)]);
      expect(picked(), 'who came behind it').to.equal('i3');
      // i3 changes into one that cannot be judged; i4 is there, and nobody who left is called.
      directory.publish([instance('i3', { tags: ['new'] }), instance('i4', blue)]);
      expect(picked(), 'who changed').to.equal('i4');
      expect(errors).to.have.lengthOf(3);
      expect(errors[0]).to.include({ service: 'orders', id: 'i0' }).and.to.have.property('error').that.is.instanceOf(TypeError);
    });
  }

  it('is no reason for callers to wait', () => {
    const { directory, picked } = selecting([], {
      filters: [
        {
          keep() {
            throw new Error('always');
          },
        },
      ],
    });
    directory.publish([instance('i0')]);
    expect(picked).to.throw('none of its 1 instances');
  });
});
