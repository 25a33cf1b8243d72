import { expect } from 'chai';
import {
  Call,
  PRINCIPAL,
  Reply,
  byVersion,
  client,
  createSelector,
  ejector,
  metadataHealth,
  roundRobin,
  routing,
  staticRegistry,
  valueKey,
} from '@ferrule/core';
import type { Condition, Instance, Router, RoutingOptions, RoutingRule, SelectorOptions, ServiceError, ServiceSelector } from '@ferrule/core';
import { runInContext } from '@ferrule/core/adapter';
import { manualClock, seededRandom } from '@ferrule/testing';
import { fc } from '../support/fast-check.js';
import { ScriptedDirectory, instance, leaseOf, outbound } from './selection-fixtures.js';

const TENANT = valueKey<unknown>('tenant');

const V1 = [instance('a1', { version: '1.4.0', tags: ['blue'] }), instance('a2', { version: '1.5.0', zone: 'eu-1' })];
const V2 = [instance('b1', { version: '2.0.0', metadata: { tier: 'gold' } }), instance('b2', { version: '2.1.0', zone: 'eu-2' })];

function selecting(router: SelectorOptions['routing'], list: readonly Instance[] = [...V1, ...V2], options: Partial<SelectorOptions> = {}) {
  const clock = manualClock();
  const directory = new ScriptedDirectory(list);
  const selector = createSelector({
    service: 'orders',
    directory,
    clock,
    random: seededRandom(1),
    balancer: roundRobin({ random: () => 0 }),
    ...(router !== undefined && { routing: router }),
    ...options,
  });
  return { clock, directory, selector };
}

/** Who is reached by calls made alike. */
function reached(selector: ServiceSelector, make: () => Call = () => outbound(), calls = 40): string {
  const ids = new Set<string>();
  for (let call = 0; call < calls; call++) {
    const lease = leaseOf(selector, make());
    ids.add(lease.endpoint.id);
    lease.end({ kind: 'ok', status: 200 });
  }
  return [...ids].sort().join();
}

function thrown(run: () => unknown): ServiceError {
  try {
    run();
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('it did not throw');
}

describe('a condition of a rule', () => {
  const test = (condition: Condition): ((call: Call) => boolean) => {
    const router = routing([{ name: 'rule', match: [condition], target: { version: '2.0.0' } }], { values: { tenant: TENANT } });
    return (call) => router.route(call, { isEmpty: () => false }) !== undefined;
  };
  const holds = (condition: Condition, call: Call): boolean => test(condition)(call);
  const headers = { 'x-tenant': 'acme', 'x-list': ['a', 'b'], 'x-md-global-color': 'blue', 'x-empty': '' };
  const table: readonly [Condition, boolean][] = [
    [{ header: 'X-Tenant', op: 'equals', value: 'acme' }, true],
    [{ header: 'x-tenant', value: 'acme' }, true],
    [{ header: 'x-tenant', value: 'Acme' }, false],
    [{ header: 'x-none', value: 'acme' }, false],
    [{ header: 'x-tenant', op: 'not_equals', value: 'acme' }, false],
    [{ header: 'x-tenant', op: 'not_equals', value: 'other' }, true],
    [{ header: 'x-none', op: 'not_equals', value: 'acme' }, true],
    [{ header: 'x-list', value: 'b' }, true],
    [{ header: 'x-list', op: 'not_equals', value: 'b' }, false],
    [{ header: 'x-list', op: 'not_equals', value: 'c' }, true],
    [{ header: 'x-tenant', op: 'in', value: ['other', 'acme'] }, true],
    [{ header: 'x-tenant', op: 'in', value: ['other'] }, false],
    [{ header: 'x-tenant', op: 'contains', value: 'cm' }, true],
    [{ header: 'x-tenant', op: 'contains', value: 'mc' }, false],
    [{ header: 'x-tenant', op: 'prefix', value: 'ac' }, true],
    [{ header: 'x-tenant', op: 'prefix', value: 'cm' }, false],
    [{ header: 'x-tenant', op: 'exists' }, true],
    [{ header: 'x-tenant' }, true],
    [{ header: 'x-empty' }, true],
    [{ header: 'x-none' }, false],
    [{ header: 'x-none', op: 'exists', value: false }, true],
    [{ header: 'x-tenant', op: 'exists', value: false }, false],
    [{ header: 'x-tenant', op: 'matches', value: 'a*e' }, true],
    [{ header: 'x-tenant', op: 'matches', value: '?cme' }, true],
    [{ header: 'x-tenant', op: 'matches', value: 'cme' }, false],
    [{ header: 'x-tenant', op: 'matches', value: ['x*', '*me'] }, true],
    [{ header: 'x-tenant', op: 'matches', value: /^ac/g }, true],
    [{ query: 'page', value: 2 }, true],
    [{ query: 'flag', op: 'in', value: ['x', 'y'] }, true],
    [{ query: 'constructor' }, false],
    [{ param: 'id', value: '7' }, true],
    [{ param: 'constructor' }, false],
    [{ metadata: 'color', value: 'blue' }, true],
    [{ metadata: 'x-tenant', value: 'acme' }, true],
    [{ principal: 'id', value: 'u1' }, true],
    [{ principal: 'roles', op: 'equals', value: 'admin' }, true],
    [{ principal: 'level', op: 'in', value: [3, 4] }, true],
    [{ principal: 'beta', value: true }, true],
    [{ principal: 'address' }, false],
    [{ principal: 'constructor' }, false],
    [{ callValue: 'tenant', value: 'acme' }, true],
    [{ callValue: TENANT, value: 'acme' }, true],
    [{ callValue: valueKey('tenant') }, false],
  ];
  for (const [condition, expected] of table) {
    const text = Object.entries(condition).map(([name, value]) => `${name} ${value instanceof RegExp ? String(value) : JSON.stringify(value)}`);
    it(`${text.join(', ')}: ${expected ? 'holds' : 'does not hold'}`, () => {
      const call = outbound({ headers, query: 'page=2&flag=x&flag=z', params: { id: '7' } });
      call.values.set(PRINCIPAL, { id: 'u1', roles: ['user', 'admin'], level: 3, beta: true, address: { city: 'x' } });
      call.values.set(TENANT, 'acme');
      const tested = test(condition);
      expect(tested(call)).to.equal(expected);
      expect(tested(call), 'a RegExp remembers nothing').to.equal(expected);
    });
  }

  it('looks for headers, metadata, the principal and values in the inbound call too, and for params and query not', () => {
    const inbound = new Call({
      side: 'server',
      operation: { service: 'shop', name: 'GET /buy/:id', method: 'GET', path: '/buy/:id', idempotent: true },
      headers: { 'x-tenant': 'acme', color: 'blue' },
      params: { id: '7' },
      query: 'page=2',
    });
    inbound.values.set(PRINCIPAL, { id: 'u1' });
    inbound.values.set(TENANT, 'acme');
    const within = (condition: Condition, change = {}): boolean => runInContext(inbound, () => holds(condition, outbound(change)));
    expect(within({ header: 'x-tenant', value: 'acme' })).to.equal(true);
    expect(within({ header: 'x-tenant', value: 'acme' }, { headers: { 'x-tenant': 'own' } })).to.equal(false);
    expect(within({ metadata: 'color', value: 'blue' })).to.equal(true);
    expect(within({ principal: 'id', value: 'u1' })).to.equal(true);
    expect(within({ callValue: TENANT, value: 'acme' })).to.equal(true);
    expect(within({ param: 'id' })).to.equal(false);
    expect(within({ query: 'page' })).to.equal(false);
  });
});

describe('a pattern', () => {
  const fits = (pattern: string, text: string): boolean => {
    const { selector } = selecting(
      routing([{ name: 'rule', match: [{ header: 'x', op: 'matches', value: pattern }], target: { version: '2.0.0' } }]),
    );
    return leaseOf(selector, outbound({ headers: { x: text } })).endpoint.id === 'b1';
  };

  it('stands for the whole text: a star for any characters, a question mark for one, and a backslash takes the next as it is', () => {
    const table: readonly [string, string, boolean][] = [
      ['', '', true],
      ['*', '', true],
      ['*', 'anything', true],
      ['eu-*', 'eu-west-1', true],
      ['eu-*', 'an eu-west-1', false],
      ['*-1', 'eu-west-1', true],
      ['*-1', 'eu-west-12', false],
      ['*a*b*', 'xxaxxbxx', true],
      ['*a*b*', 'xxbxxaxx', false],
      ['a**b', 'ab', true],
      ['?', '', false],
      ['a?c', 'abc', true],
      ['a?c', 'ac', false],
      ['a\\*c', 'a*c', true],
      ['a\\*c', 'abc', false],
      ['.*', 'abc', false],
      ['(a+)+$', '(a+)+$', true],
      ['*ab', 'aab', true],
      ['*aab', 'aaab', true],
    ];
    for (const [pattern, text, expected] of table) expect(fits(pattern, text), `${pattern} ~ ${text}`).to.equal(expected);
  });

  it('says the same as a regular expression of it, for any pattern and text', () => {
    const text = fc.array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 8 }).map((all) => all.join(''));
    fc.assert(
      fc.property(text, text, (pattern, value) => {
        const regex = new RegExp(`^${pattern.replace(/\*/g, '.*').replace(/\?/g, '.')}$`);
        expect(fits(pattern, value)).to.equal(regex.test(value));
      }),
      { numRuns: 500 },
    );
  });

  it('needs no more than length × pattern steps, where a regular expression would not end', () => {
    const rule = { name: 'rule', match: [{ header: 'x', op: 'matches', value: `${'*a'.repeat(127)}b` }], target: { version: '2.0.0' } } as const;
    const router = routing([rule]);
    expect(router.route(outbound({ headers: { x: 'a'.repeat(8_192) } }), { isEmpty: () => false })).to.equal(undefined);
    expect(router.route(outbound({ headers: { x: `${'a'.repeat(8_192)}b` } }), { isEmpty: () => false }), 'longer than what is read').to.equal(
      undefined,
    );
    expect(router.stats()[0]!.matched).to.equal(0);
  });
});

describe('routing', () => {
  const beta: RoutingRule = { name: 'beta', match: [{ header: 'x-beta', value: '1' }], target: { version: '^2' } };

  it('sends calls that match to the target, and all others to every instance', () => {
    const { selector } = selecting(routing([beta]));
    expect(reached(selector, () => outbound({ headers: { 'x-beta': '1' } }))).to.equal('b1,b2');
    expect(reached(selector)).to.equal('a1,a2,b1,b2');
  });

  it('takes targets of versions, tags, metadata, zones, functions, and all of them together', () => {
    const table: readonly [RoutingRule['target'], string][] = [
      [{ version: '^1' }, 'a1,a2'],
      [{ version: '1.4.0' }, 'a1'],
      [{ tags: ['blue'] }, 'a1'],
      [{ tags: { none: ['blue'] } }, 'a2,b1,b2'],
      [{ metadata: { tier: 'gold' } }, 'b1'],
      [{ metadata: { tier: ['gold', 'tin'] } }, 'b1'],
      [{ zone: 'eu-1' }, 'a2'],
      [{ zone: ['eu-1', 'eu-2'] }, 'a2,b2'],
      [{ version: '^2', zone: ['eu-1', 'eu-2'] }, 'b2'],
      [({ id }) => id.startsWith('a'), 'a1,a2'],
      [{}, 'a1,a2,b1,b2'],
    ];
    for (const [target, expected] of table)
      expect(reached(selecting(routing([{ name: 'rule', target }])).selector), JSON.stringify(target)).to.equal(expected);
  });

  it('asks the highest priority first, and of its matches one by weight', () => {
    const rules: RoutingRule[] = [
      { name: 'rest', target: { version: '1.4.0' }, weight: 3 },
      { name: 'first', priority: 10, match: [{ header: 'x-first' }], target: { version: '2.1.0' } },
      { name: 'some', target: { version: '2.0.0' }, weight: 1 },
      { name: 'off', target: { version: '1.5.0' }, weight: 0 },
      { name: 'last', priority: -1, target: { version: '1.5.0' } },
    ];
    const router = routing(rules, { random: seededRandom(3) });
    const { selector } = selecting(router);
    expect(reached(selector, () => outbound({ headers: { 'x-first': '' } }))).to.equal('b2');
    const counts: Record<string, number> = {};
    for (let call = 0; call < 4_000; call++) {
      const { id } = leaseOf(selector).endpoint;
      counts[id] = (counts[id] ?? 0) + 1;
    }
    expect(Object.keys(counts).sort()).to.deep.equal(['a1', 'b1']);
    expect(counts['a1']).to.be.within(2_900, 3_100);
    const stats = Object.fromEntries(router.stats().map(({ name, ...counted }) => [name, counted]));
    expect(router.stats().map(({ name }) => name)).to.deep.equal(['first', 'rest', 'some', 'off', 'last']);
    expect(stats['first']).to.deep.equal({ matched: 40, chosen: 40, empty: 0 });
    expect(stats['rest']).to.deep.equal({ matched: 4_000, chosen: counts['a1'], empty: 0 });
    expect(stats['off']).to.deep.equal({ matched: 0, chosen: 0, empty: 0 });
  });

  it('is for the services that rules name, or for all', () => {
    const router = routing([{ ...beta, service: 'payments' }]);
    const { selector } = selecting(router);
    expect(reached(selector, () => outbound({ headers: { 'x-beta': '1' } }))).to.equal('a1,a2,b1,b2');
    expect(reached(selector, () => outbound({ headers: { 'x-beta': '1' }, service: 'payments' }))).to.equal('b1,b2');
  });

  it('gives the same key always the same side, with the weights as shares, and raising a weight only moves keys to its rule', () => {
    const sides = (weight: number, others: readonly number[]): string[] => {
      const rules: RoutingRule[] = [
        { name: 'new', weight, target: { version: '2.0.0' }, stableKey: { principal: 'id' } },
        ...others.map((one, index) => ({ name: `old${index}`, weight: one, target: { version: ['1.4.0', '1.5.0', '2.1.0'][index]! } })),
      ];
      const router = routing(rules);
      const states = { isEmpty: () => false };
      return Array.from({ length: 400 }, (_, user) => {
        const call = outbound();
        call.values.set(PRINCIPAL, { id: `user-${user}` });
        const { key } = router.route(call, states)!;
        expect(router.route(call, states)!.key).to.equal(key);
        return key;
      });
    };
    const toNew = JSON.stringify({ version: '2.0.0' });
    const tenth = sides(10, [90]).filter((key) => key === toNew).length;
    expect(tenth).to.be.within(25, 58);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 3 }),
        (weight, more, others) => {
          const before = sides(weight, others);
          const after = sides(weight + more, others);
          for (const [user, key] of after.entries()) if (key !== before[user]) expect(key).to.equal(toNew);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('says what happens when the target is empty: refuse, the next rule, or any instance', () => {
    const gone: RoutingRule = { name: 'gone', priority: 1, target: { version: '^9' } };
    const rest: RoutingRule = { name: 'rest', target: { version: '^1' } };
    const refusing = thrown(() => leaseOf(selecting(routing([gone, rest])).selector));
    expect(refusing).to.include({ code: 'UNAVAILABLE', reason: 'NO_ENDPOINT' });
    expect(refusing.message).to.contain(
      'none of its 4 instances has a weight above 0 and passes the filters for the routing target {"version":"^9"}',
    );
    const next = routing([{ ...gone, whenEmpty: 'next' }, rest]);
    expect(reached(selecting(next).selector)).to.equal('a1,a2');
    expect(next.stats()[0]).to.deep.equal({ name: 'gone', matched: 40, chosen: 0, empty: 40 });
    const any = routing([{ ...gone, whenEmpty: 'any' }, rest]);
    expect(reached(selecting(any).selector)).to.equal('a1,a2,b1,b2');
    expect(reached(selecting(routing([{ ...gone, whenEmpty: 'next' }])).selector)).to.equal('a1,a2,b1,b2');
    // Among rules of one priority, the others take over what an empty one was to get.
    const shared = routing([{ ...gone, priority: 0, weight: 1_000, whenEmpty: 'next' }, rest]);
    expect(reached(selecting(shared).selector)).to.equal('a1,a2');
  });

  it('counts a target as empty when nobody of it is ready, unless the call may probe', async () => {
    const router = routing([{ name: 'new', target: { version: '2.0.0' }, whenEmpty: 'any' }]);
    const { clock, directory, selector } = selecting(router, [...V1, ...V2], { ejector: ejector({ jitter: 0, slowStart: 0 }) });
    for (let failure = 0; failure < 5; failure++) leaseOf(selector).end({ kind: 'refused' });
    expect(reached(selector)).to.equal('a1,a2,b2');
    await clock.advance(5_000);
    const probe = leaseOf(selector, outbound({ method: 'POST' }));
    expect(probe.endpoint.id).to.not.equal('b1');
    const [safe, other] = [leaseOf(selector), leaseOf(selector)];
    expect([safe.endpoint.id, other.endpoint.id === 'b1']).to.deep.equal(['b1', false]);
    expect(router.stats()[0], 'five, and the one that probes').to.include({ chosen: 6 });
    safe.end({ kind: 'ok', status: 200 });
    expect(reached(selector)).to.equal('b1');
    directory.publish(V1);
    expect(reached(selector)).to.equal('a1,a2');
  });

  it('keeps retries of a call with its target, while that has somebody', () => {
    const router = routing(
      [
        { name: 'one', target: { version: '^1' }, whenEmpty: 'next' },
        { name: 'two', target: { version: '^2' }, whenEmpty: 'next' },
      ],
      { random: seededRandom(5) },
    );
    const { directory, selector } = selecting(router);
    for (let time = 0; time < 50; time++) {
      const call = outbound();
      const first = leaseOf(selector, call).endpoint;
      for (let attempt = 2; attempt <= 5; attempt++) expect(leaseOf(selector, call.derive({ attempt })).endpoint.id[0]).to.equal(first.id[0]);
    }
    expect(router.stats().reduce((sum, { chosen }) => sum + chosen, 0)).to.equal(50);
    const call = outbound();
    const side = leaseOf(selector, call).endpoint.id[0];
    directory.publish(side === 'a' ? V2 : V1);
    expect(leaseOf(selector, call.derive({ attempt: 2 })).endpoint.id[0]).to.not.equal(side);
  });

  it('keeps a call that no rule wanted away from rules that want it now', () => {
    const router = routing([beta]);
    const { selector } = selecting(router);
    const call = outbound();
    leaseOf(selector, call);
    expect(router.stats()[0]!.matched).to.equal(0);
    const retried = call.derive({ attempt: 2, headers: { 'x-beta': '1' } });
    leaseOf(selector, retried);
    expect(router.stats()[0]!.matched).to.equal(0);
  });

  it('decides anew for another selector that sees the same call', () => {
    const call = outbound();
    expect(leaseOf(selecting(routing([{ name: 'one', target: { version: '^1' } }])).selector, call).endpoint.id[0]).to.equal('a');
    expect(leaseOf(selecting(routing([{ name: 'two', target: { version: '^2' } }])).selector, call).endpoint.id[0]).to.equal('b');
  });

  it('asks several routers in their order, and takes any object that routes', () => {
    const none: Router = { name: 'none', route: () => undefined };
    const testers = routing([{ name: 'testers', match: [{ header: 'x-test' }], target: { version: '2.1.0' } }]);
    const rest = routing([{ name: 'rest', target: { version: '^1' } }]);
    const { selector } = selecting([none, testers, rest]);
    expect(reached(selector)).to.equal('a1,a2');
    expect(reached(selector, () => outbound({ headers: { 'x-test': '' } }))).to.equal('b2');
  });

  it('stands above the filters, and keys of both do not run into each other', () => {
    const { selector } = selecting(routing([beta]), undefined, { filters: [byVersion({ header: 'x-version' })] });
    expect(reached(selector, () => outbound({ headers: { 'x-beta': '1' } }))).to.equal('b1,b2');
    expect(reached(selector, () => outbound({ headers: { 'x-beta': '1', 'x-version': '2.0.0' } }))).to.equal('b1');
    expect(reached(selector, () => outbound({ headers: { 'x-version': '1.4.0' } }))).to.equal('a1');
    expect(reached(selector, () => outbound({ headers: { 'x-version': '2.0.0' } }))).to.equal('b1');
    expect(reached(selector, () => outbound({ headers: { 'x-version': '>=1.5' } }))).to.equal('a2,b1,b2');
    expect(reached(selector, () => outbound({ headers: { 'x-beta': '1', 'x-version': '>=1.5' } }))).to.equal('b1,b2');
    expect(() => leaseOf(selector, outbound({ headers: { 'x-beta': '1', 'x-version': '^1' } }))).to.throw('routing target');
  });

  it('stands above priorities and zones, which share out what is left', () => {
    const list = [...V1, ...V2].map((one) => ({ ...one, priority: one.id.endsWith('1') ? 1 : 0 }));
    const { selector } = selecting(routing([beta]), list);
    expect(reached(selector, () => outbound({ headers: { 'x-beta': '1' } }))).to.equal('b2');
    expect(reached(selector)).to.equal('a2,b2');
  });

  it('asks for a target when membership changes, never per pick, and keeps the views of all its rules', () => {
    let asked = 0;
    const rules = Array.from({ length: 200 }, (_, index): RoutingRule => {
      return { name: `rule${index}`, match: [{ header: 'x', value: index }], target: () => (asked++, true) };
    });
    const { directory, selector } = selecting(routing(rules));
    for (let round = 0; round < 3; round++) for (let index = 0; index < 200; index++) leaseOf(selector, outbound({ headers: { x: String(index) } }));
    expect(asked).to.equal(200 * 4);
    asked = 0;
    directory.publish([...V1, V2[0]!, { ...V2[1]!, metadata: { build: '2' } }]);
    expect(asked).to.equal(200);
  });

  it('takes rules as they come out of JSON', () => {
    const text = JSON.stringify([
      {
        name: 'testers',
        service: 'orders',
        priority: 10,
        weight: 1,
        match: [
          { header: 'x-env', op: 'in', value: ['staging', 'test'] },
          { callValue: 'tenant', op: 'matches', value: ['ac*', 'test-?'] },
        ],
        target: { version: '^2', tags: { none: ['drain'] }, metadata: { tier: 'gold' } },
        stableKey: { header: 'x-user' },
        whenEmpty: 'next',
      },
    ]);
    const { selector } = selecting(routing(JSON.parse(text) as RoutingRule[], { values: { tenant: TENANT } }));
    const make = (): Call => {
      const call = outbound({ headers: { 'x-env': 'test' } });
      call.values.set(TENANT, 'acme');
      return call;
    };
    expect(reached(selector, make)).to.equal('b1');
    expect(reached(selector)).to.equal('a1,a2,b1,b2');
  });

  it('refuses what does not fit, naming the rule and what would', () => {
    const rule = (change: object): unknown[] => [{ name: 'r', target: {}, ...change }];
    const when = (condition: object): unknown[] => rule({ match: [condition] });
    const wrong: [unknown, string][] = [
      [{}, 'routing: {} is no list of rules'],
      [[{ target: {} }], 'routing rules[0] name: undefined'],
      [[{ name: 'r', target: {}, wieght: 1 }], 'Did you mean weight?'],
      [[...rule({}), ...rule({})], 'two rules are named "r"'],
      [rule({ target: undefined }), 'routing rule "r" target: it is missing'],
      [rule({ target: { versoin: '1' } }), 'Did you mean version?'],
      [rule({ target: { version: '^x.y.z.' } }), 'routing rule "r" target.version: "^x.y.z." is no range'],
      [rule({ target: { tags: 'a' } }), 'routing rule "r" target.tags'],
      [rule({ target: { metadata: { tier: 3 } } }), 'routing rule "r" target.metadata.tier: 3'],
      [rule({ target: { zone: [] } }), 'routing rule "r" target.zone'],
      [rule({ weight: -1 }), 'routing rule "r" weight: -1'],
      [rule({ weight: '10' }), 'routing rule "r" weight'],
      [rule({ priority: 'high' }), 'routing rule "r" priority'],
      [rule({ service: '' }), 'routing rule "r" service'],
      [rule({ whenEmpty: 'maybe' }), 'routing rule "r" whenEmpty: "maybe" is unknown. Use one of refuse, next, any'],
      [rule({ match: {} }), 'routing rule "r" match'],
      [rule({ stableKey: {} }), 'routing rule "r" stableKey: {} names no field'],
      [when({}), 'routing rule "r" match[0]: {} names no field of a call'],
      [when({ heder: 'x' }), 'Did you mean header?'],
      [when({ header: 'x', query: 'y' }), 'names several fields'],
      [when({ header: '' }), 'match[0].header: "" is no name'],
      [when({ header: 'x', opp: 'in' }), 'Did you mean op?'],
      [when({ header: 'x', op: 'like', value: 'y' }), 'match[0] op: "like" is unknown'],
      [when({ header: 'x', op: 'in', value: 'y' }), 'in takes a list'],
      [when({ header: 'x', op: 'equals', value: ['y'] }), 'equals compares with a text'],
      [when({ header: 'x', op: 'equals' }), 'equals compares with a text, a number or a boolean, and was given undefined'],
      [when({ header: 'x', op: 'exists', value: 'yes' }), 'exists takes true or false'],
      [when({ header: 'x', op: 'matches', value: 'a\\' }), 'is no pattern'],
      [when({ header: 'x', op: 'matches', value: 'a'.repeat(257) }), 'is no pattern'],
      [when({ header: 'x', op: 'matches', value: [] }), 'an empty list matches nothing'],
      [when({ header: 'x', op: 'contains', value: /x/ }), 'contains compares with a text'],
      [when({ callValue: 'nobody', value: 'x' }), 'there is no value named "nobody". Give its key in the option values'],
    ];
    for (const [rules, message] of wrong) expect(() => routing(rules as RoutingRule[]), message).to.throw(TypeError, message);
    expect(() => routing([], { stablekey: {} } as RoutingOptions)).to.throw(TypeError, 'Did you mean stableKey?');
    expect(() => routing([], { stableKey: { header: 3 } } as unknown as RoutingOptions)).to.throw(TypeError, 'routing stableKey.header: 3');
  });
});

describe('a client', () => {
  it('takes routing, filters, zone, health and onPriority, and a retry stays with its target', async () => {
    const called: string[] = [];
    const priorities: number[] = [];
    const at = (port: number, change: Partial<Instance>): Partial<Instance> & { host: string; port: number } => ({
      host: '10.0.0.1',
      port,
      ...change,
    });
    const registry = staticRegistry({
      orders: [
        at(1, { version: '1.0.0', zone: 'eu-2' }),
        at(2, { version: '2.0.0', zone: 'eu-1', metadata: { health: 'unhealthy' } }),
        at(3, { version: '2.0.0', zone: 'eu-1' }),
        at(4, { version: '2.0.0', zone: 'eu-1' }),
        at(5, { version: '2.0.0', zone: 'eu-2' }),
        at(6, { version: '3.0.0', zone: 'eu-1', priority: 1 }),
        at(7, { version: '2.0.0', zone: 'eu-1' }),
      ],
    });
    await using orders = client('orders', {
      registry,
      transport: {
        name: 'scripted',
        handle: (call) => {
          called.push(call.endpoint!.origin.slice(-1));
          const status = call.header('x-fail') !== undefined && call.attempt === 1 ? 503 : 200;
          call.answered(status);
          return Promise.resolve(new Reply(status));
        },
        forget: () => {},
        [Symbol.asyncDispose]: () => Promise.resolve(),
      },
      routing: routing([{ name: 'new', match: [{ header: 'x-new' }], target: { version: '^2' } }]),
      filters: [{ keep: ({ version }) => version !== '9.0.0' }],
      zone: 'eu-1',
      health: metadataHealth(),
      onPriority: ({ to }) => priorities.push(to),
      telemetry: false,
      random: seededRandom(1),
    });
    for (let time = 0; time < 30; time++) await orders.get('/x', { headers: { 'x-new': '1' } });
    expect([...new Set(called)].sort()).to.deep.equal(['3', '4', '7']);
    called.length = 0;
    await orders.get('/x', { headers: { 'x-new': '1', 'x-fail': '1' } });
    expect(new Set(called).size, called.join()).to.equal(2);
    for (const port of called) expect(port).to.be.oneOf(['3', '4', '7']);
    expect(priorities).to.deep.equal([0]);
    expect(orders.endpoints().find(({ origin }) => origin.endsWith(':2'))!.state).to.equal('failing');
    expect(() => client('orders', { registry, zone: '' })).to.throw(TypeError, 'zone');
  });
});
