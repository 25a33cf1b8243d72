import { expect } from 'chai';
import { createSelector, roundRobin, subset } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import { ScriptedDirectory, SERVICE, instance, instances, leaseOf, outbound } from './selection-fixtures.js';

function clientsPerServer(count: number, clients: number, subsetOf: (client: number) => ReturnType<typeof subset>): number[] {
  const list = instances(count);
  const found = new Map(list.map(({ id }) => [id, 0]));
  for (let client = 0; client < clients; client++) for (const { id } of subsetOf(client)(list)) found.set(id, found.get(id)! + 1);
  return [...found.values()];
}

const spreadOf = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts);
const ids = (list: readonly Instance[]): string[] => list.map(({ id }) => id);

describe('subset', () => {
  for (const [servers, peers, size] of [
    [100, 100, 20],
    [300, 30, 20],
    [37, 11, 13],
    [97, 250, 12],
    [25, 3, 12],
    [1_000, 7, 64],
  ] as const) {
    it(`with index and peers gives ${servers} servers equally many of ${peers} clients to within one, ${size} each`, () => {
      expect(spreadOf(clientsPerServer(servers, peers, (index) => subset({ index, peers, size })))).to.be.at.most(1);
    });
  }

  it('by client alone does not: some servers have half as many again', () => {
    expect(spreadOf(clientsPerServer(100, 100, (client) => subset({ client: `c${client}`, size: 20 })))).to.be.at.least(8);
  });

  it('by client changes at most one server of each client when one comes or goes', () => {
    const list = instances(80);
    for (let client = 0; client < 60; client++) {
      const narrow = subset({ client: `c${client}` });
      const before = ids(narrow(list));
      for (const gone of [3, 40, 79]) {
        const fewer = list.filter((_, index) => index !== gone);
        // The default size may grow by one with the list: compared at one size.
        const fixed = subset({ client: `c${client}`, size: before.length });
        const after = ids(fixed(fewer));
        expect(before.filter((id) => !after.includes(id)).length).to.be.at.most(1);
        expect(after.filter((id) => !before.includes(id)).length).to.be.at.most(1);
      }
    }
  });

  it('with index and peers changes few when one comes or goes', () => {
    const list = instances(80);
    const fewer = list.filter((_, index) => index !== 40);
    for (let index = 0; index < 40; index++) {
      const narrow = subset({ index, peers: 40, size: 18 });
      const after = ids(narrow(fewer));
      expect(ids(narrow(list)).filter((id) => !after.includes(id)).length).to.be.at.most(2);
    }
  });

  it('does not depend on the order of the list', () => {
    for (const options of [{ client: 'a' }, { index: 3, peers: 9 }])
      expect(ids(subset(options)([...instances(50)].reverse())).sort()).to.deep.equal(ids(subset(options)(instances(50))).sort());
  });

  it('uses all of up to 20, then 12 at least and twice the root', () => {
    const narrow = subset({ client: 'a' });
    for (const [count, used] of [
      [0, 0],
      [1, 1],
      [20, 20],
      [21, 12],
      [36, 12],
      [100, 20],
      [10_000, 200],
    ] as const)
      expect(narrow(instances(count)).length).to.equal(used);
  });

  it('refuses what does not fit', () => {
    for (const [options, message] of [
      [{}, 'subset client: it is missing'],
      [{ index: 1 }, 'subset peers: it is missing'],
      [{ index: 4, peers: 4 }, 'subset index: 4 is beyond the 4 peers'],
      [{ client: '' }, 'subset client'],
      [{ client: 'a', size: 0 }, 'subset size'],
      [{ client: 'a', sise: 3 }, 'there is no option "sise"'],
    ] as const)
      expect(() => subset(options as never)).to.throw(TypeError, message);
  });
});

describe('a selector with a subset', () => {
  function used(selector: ReturnType<typeof createSelector>, count = 2_000): Set<string> {
    const found = new Set<string>();
    for (let n = 0; n < count; n++) {
      const lease = leaseOf(selector, outbound());
      found.add(lease.endpoint.id);
      lease.end({ kind: 'ok' });
    }
    return found;
  }

  it('picks of the subset alone, and follows the list', () => {
    const directory = new ScriptedDirectory(instances(60));
    const narrow = subset({ client: 'me', size: 12 });
    const selector = createSelector({ service: SERVICE, directory, subset: narrow, balancer: roundRobin(), ejector: false });
    expect([...used(selector)].sort()).to.deep.equal(ids(narrow(instances(60))).sort());
    const fewer = instances(60).filter(({ id }) => id !== ids(narrow(instances(60)))[0]);
    directory.publish(fewer);
    expect([...used(selector)].sort()).to.deep.equal(ids(narrow(fewer)).sort());
    selector.close();
  });

  it('narrows what the filters leave, each zone by itself', () => {
    const list = Array.from({ length: 100 }, (_, index) =>
      instance(`i${index}`, { zone: index % 2 === 0 ? 'here' : 'there', version: index < 70 ? '1' : '2' }),
    );
    const selector = createSelector({
      service: SERVICE,
      directory: new ScriptedDirectory(list),
      subset: subset({ client: 'me', size: 5 }),
      zone: 'here',
      filters: [{ keep: ({ version }) => version === '2' }],
      ejector: false,
    });
    leaseOf(selector).end({ kind: 'ok' });
    expect(selector.levels().map(({ near, instances: size }) => [near, size])).to.deep.equal([
      [true, 5],
      [false, 5],
    ]);
    for (const id of used(selector, 200)) expect(Number(id.slice(1))).to.be.at.least(70);
    selector.close();
  });
});
