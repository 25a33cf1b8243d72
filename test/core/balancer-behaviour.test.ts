import { expect } from 'chai';
import { adaptive, createSelector, fromConfig, leastRequests, pickFirst, random, roundRobin, weighted } from '@ferrule/core';
import type { AdaptiveBalancer, Instance } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import type { Balancer, View } from '@ferrule/core/adapter';
import { manualClock, seededRandom } from '@ferrule/testing';
import { SERVICE, ScriptedDirectory, instance, instances, leaseOf, outbound, viewOf } from './selection-fixtures.js';

const call = outbound();

function endpointsOf(count: number, change: (index: number) => Partial<Instance> = () => ({})): Endpoint[] {
  return Array.from({ length: count }, (_, index) => new Endpoint(instance(`i${index}`, change(index))));
}

function shares(balancer: Balancer, view: View, picks: number): (id: string) => number {
  const counts = new Map<string, number>();
  for (let index = 0; index < picks; index++) {
    const { id } = balancer.pick(view, call)!;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return (id) => (counts.get(id) ?? 0) / picks;
}

describe('leastRequests', () => {
  for (const count of [4, 40])
    it(`draws among equals, of ${count}: nobody is the favourite`, () => {
      const share = shares(leastRequests({ random: seededRandom(1) }), viewOf(endpointsOf(count)), 20_000);
      for (let index = 0; index < count; index++) expect(share(`i${index}`) * count).to.be.closeTo(1, 0.2);
    });

  it('compares all of up to 32, and different ones beyond: of 33, the fullest is never picked, which a draw with replacement would do', () => {
    const endpoints = endpointsOf(33);
    endpoints.forEach((endpoint, index) => (endpoint.waiting = index));
    for (const choices of [2, 5]) {
      const share = shares(leastRequests({ random: seededRandom(2), choices }), viewOf(endpoints), 20_000);
      expect(share('i32')).to.equal(0);
      expect(share('i31')).to.be[choices === 2 ? 'above' : 'below'](0.0005);
    }
    // The control: the same two draws, that may be the same.
    const chance = seededRandom(2);
    let fullest = 0;
    for (let pick = 0; pick < 20_000; pick++) if (Math.min(Math.floor(chance() * 33), Math.floor(chance() * 33)) === 32) fullest++;
    expect(fullest).to.be.above(5);
    expect(shares(leastRequests({ random: seededRandom(2) }), viewOf(endpoints.slice(1)), 100)('i1')).to.equal(1);
  });

  it('counts calls by weight, and shares by weight while all are idle', () => {
    const endpoints = endpointsOf(2, (index) => ({ weight: index === 0 ? 1 : 3 }));
    expect(shares(leastRequests({ random: seededRandom(3) }), viewOf(endpoints), 8_000)('i1')).to.be.closeTo(0.75, 0.02);
    endpoints[0]!.waiting = 1;
    endpoints[1]!.waiting = 2;
    expect(shares(leastRequests({ random: seededRandom(3) }), viewOf(endpoints), 100)('i1')).to.equal(1);
    endpoints[1]!.waiting = 4;
    expect(shares(leastRequests({ random: seededRandom(3) }), viewOf(endpoints), 100)('i1')).to.equal(0);
  });

  it('counts what was asked for: open streams only where they count', () => {
    const endpoints = endpointsOf(2);
    endpoints[0]!.open = 20;
    expect(shares(leastRequests({ random: seededRandom(4) }), viewOf(endpoints), 2_000)('i0')).to.be.closeTo(0.5, 0.05);
    expect(shares(leastRequests({ random: seededRandom(4), count: 'open' }), viewOf(endpoints), 100)('i0')).to.equal(0);
  });
});

describe('pickFirst', () => {
  it('stays with one endpoint while others come and go, leaves it when it is gone, and stays with the next', () => {
    const endpoints = endpointsOf(5);
    const balancer = pickFirst({ random: seededRandom(5) });
    const view = { endpoints: endpoints.slice(0, 4), version: 1, now: 0 };
    const first = balancer.pick(view, call)!;
    const others = endpoints.filter((endpoint) => endpoint !== first);
    Object.assign(view, { endpoints: [...others.slice(2), first], version: 2 });
    for (let pick = 0; pick < 50; pick++) expect(balancer.pick(view, call)).to.equal(first);
    Object.assign(view, { endpoints: others, version: 3 });
    const second = balancer.pick(view, call)!;
    expect(second).not.to.equal(first);
    Object.assign(view, { endpoints, version: 4 });
    for (let pick = 0; pick < 50; pick++) expect(balancer.pick(view, call)).to.equal(second);
  });

  it('sends a second attempt elsewhere, and the next call to the same one again', () => {
    const selector = createSelector({
      service: SERVICE,
      directory: new ScriptedDirectory(instances(5)),
      balancer: pickFirst({ random: seededRandom(6) }),
    });
    const first = leaseOf(selector).endpoint;
    for (let retry = 0; retry < 20; retry++) expect(leaseOf(selector, outbound({ attempt: 2, tried: [first] })).endpoint).not.to.equal(first);
    expect(leaseOf(selector).endpoint).to.equal(first);
  });

  it('spreads clients: 400 of them take each of four about equally often', () => {
    const view = viewOf(endpointsOf(4));
    const chance = seededRandom(7);
    const counts = new Map<string, number>();
    for (let client = 0; client < 400; client++) {
      const { id } = pickFirst({ random: chance }).pick(view, call)!;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(count).to.be.within(75, 125);
    expect(counts.size).to.equal(4);
  });
});

describe('weighted({ weightOf })', () => {
  const byCores = weighted({ random: seededRandom(8), weightOf: ({ metadata }) => Number(metadata?.['cores']) });

  it('shares by what it says, and gives nothing to 0, NaN, negative and infinite', () => {
    const cores = ['1', '3', '0', 'many', '-2', 'Infinity'];
    const share = shares(byCores, viewOf(endpointsOf(6, (index) => ({ weight: 100, metadata: { cores: cores[index]! } }))), 4_000);
    expect([0, 1, 2, 3, 4, 5].map((index) => Math.round(share(`i${index}`) * 1_000) / 1_000)).to.deep.equal([0.25, 0.75, 0, 0, 0, 0]);
  });

  it('declines when nobody has any, and the fallback takes over', () => {
    const directory = new ScriptedDirectory(instances(3));
    expect(leaseOf(createSelector({ service: SERVICE, directory, balancer: byCores })).endpoint.id).to.match(/^i\d$/);
  });

  it('asks again when an instance changes', () => {
    const directory = new ScriptedDirectory([instance('i0', { metadata: { cores: '1' } }), instance('i1', { metadata: { cores: '0' } })]);
    const selector = createSelector({ service: SERVICE, directory, balancer: byCores });
    expect([leaseOf(selector), leaseOf(selector)].map(({ endpoint }) => endpoint.id)).to.deep.equal(['i0', 'i0']);
    directory.publish([instance('i0', { metadata: { cores: '0' } }), instance('i1', { metadata: { cores: '1' } })]);
    expect([leaseOf(selector), leaseOf(selector)].map(({ endpoint }) => endpoint.id)).to.deep.equal(['i1', 'i1']);
  });
});

describe('roundRobin under changing lists', () => {
  /** How far apart the most and the least picked of those are that are there all the time. */
  function spread(make: (chance: () => number) => Balancer, seed: number, changes: number): number {
    const chance = seededRandom(seed);
    const directory = new ScriptedDirectory(instances(8));
    const selector = createSelector({ service: SERVICE, directory, balancer: make(chance), ejector: false, random: chance });
    const counts = new Map(instances(8).map(({ id }) => [id, 0]));
    let guests: Instance[] = [];
    for (let change = 0; change < changes; change++) {
      for (let pick = 0; pick < 3; pick++) {
        const { endpoint } = leaseOf(selector);
        if (counts.has(endpoint.id)) counts.set(endpoint.id, counts.get(endpoint.id)! + 1);
      }
      guests = chance() < 0.5 ? guests.slice(1) : [...guests, instance(`guest${change}`)];
      directory.publish([...instances(8), ...guests]);
    }
    return Math.max(...counts.values()) - Math.min(...counts.values());
  }

  it('hits each endpoint once in each run of n picks, wherever it starts', () => {
    const balancer = roundRobin({ random: seededRandom(9) });
    const view = viewOf(endpointsOf(7));
    for (let run = 0; run < 20; run++) expect(new Set(Array.from({ length: 7 }, () => balancer.pick(view, call))).size).to.equal(7);
  });

  it('favours nobody by more than the changes displaced, over 200 changes of the list; drawing at random is further off (control)', () => {
    const mean = (make: (chance: () => number) => Balancer): number =>
      [1, 2, 3, 4, 5, 6].map((seed) => spread(make, seed, 200)).reduce((sum, one) => sum + one, 0) / 6;
    const ours = mean((chance) => roundRobin({ random: chance }));
    expect(ours).to.be.below(15);
    expect(mean((chance) => random({ random: chance }))).to.be.above(1.5 * ours);
  });
});

describe('adaptive through a selector', () => {
  it('leaves out who answered 429 for a while, by the lease alone, and says why', async () => {
    const clock = manualClock();
    const balancer = adaptive({ clock, random: seededRandom(10) });
    const selector = createSelector({
      service: SERVICE,
      directory: new ScriptedDirectory(instances(3)),
      balancer,
      clock,
      ejector: false,
      random: seededRandom(11),
    });
    const answer = async (status: number): Promise<Endpoint> => {
      const lease = leaseOf(selector);
      await clock.advance(5);
      lease.answered(status);
      lease.end(status === 429 ? { kind: 'overload', status } : { kind: 'ok', status });
      return lease.endpoint;
    };
    for (let warm = 0; warm < 30; warm++) await answer(200);
    const busy = await answer(429);
    const explained = balancer.explain(busy);
    expect([explained.excluded, explained.congestion]).to.deep.equal(['overload', 'critical']);
    for (let pick = 0; pick < 100; pick++) expect(await answer(200)).not.to.equal(busy);
    await clock.advance(1_000);
    expect(balancer.explain(busy).excluded).to.equal(undefined);
    const again = new Set<Endpoint>();
    for (let pick = 0; pick < 300; pick++) again.add(await answer(200));
    expect(again.has(busy)).to.equal(true);
  });

  it('is made of a configuration, with its weights and its congestion', async () => {
    await using parts = await fromConfig(
      {
        clients: {
          orders: {
            balancer: { type: 'adaptive', weights: { latency: 1, region: 3, congestion: 0, trend: 0 }, region: 'eu', congestion: { maximum: 7 } },
          },
        },
      },
      { env: {} },
    );
    const balancer = parts.clientOptions('orders').balancer as AdaptiveBalancer;
    const selector = createSelector({
      service: SERVICE,
      directory: new ScriptedDirectory([instance('near', { zone: 'eu' }), instance('far', { zone: 'us' })]),
      balancer,
      ejector: false,
    });
    const lease = leaseOf(selector);
    const { parts: scored, limit } = balancer.explain(lease.endpoint);
    expect([scored.latency.weight, scored.region.weight, scored.congestion.weight, limit]).to.deep.equal([0.25, 0.75, 0, 7]);
    expect(scored.region.score).to.equal(lease.endpoint.id === 'near' ? 1 : 0.3);
  });
});
