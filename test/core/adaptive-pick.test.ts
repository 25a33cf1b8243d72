import { expect } from 'chai';
import { adaptive, p2c } from '@ferrule/core';
import type { AdaptiveOptions } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import type { Balancer } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { instance, outbound, viewOf } from './selection-fixtures.js';

const call = outbound();

interface Fleet {
  readonly balancer: Balancer;
  readonly endpoints: Endpoint[];
}

function fleetOf(balancer: Balancer, ...list: Parameters<typeof instance>[1][]): Fleet {
  const fleet = balancer.load!.fleet();
  return { balancer, endpoints: list.map((change, index) => new Endpoint(instance(`i${index}`, change), fleet)) };
}

/** `clients` that know nothing of each other, Poisson arrivals, servers that take `ms(server, now)`: the counts for each server, by second. */
function simulate(clients: readonly Fleet[], perSecond: number, seconds: number, ms: (server: number, now: number) => number): number[][] {
  const random = seededRandom(7);
  const pending: { at: number; end: () => void }[] = [];
  const counts: number[][] = Array.from({ length: seconds }, () => clients[0]!.endpoints.map(() => 0));
  for (let now = 0; now < seconds * 1_000; now += (-Math.log(1 - random()) * 1_000) / perSecond) {
    while (pending.length > 0 && pending.at(-1)!.at <= now) pending.pop()!.end();
    const { balancer, endpoints } = clients[Math.floor(random() * clients.length)]!;
    const endpoint = balancer.pick(viewOf(endpoints, now), call)!;
    const server = endpoints.indexOf(endpoint);
    counts[Math.floor(now / 1_000)]![server]!++;
    endpoint.started(now);
    const at = now + ms(server, now) * -Math.log(1 - random());
    const end = (): void => {
      endpoint.noLongerWaiting(startedAt);
      endpoint.open--;
      endpoint.meter.observe(at - startedAt, 'ok', at);
    };
    const startedAt = now;
    let place = pending.length;
    while (place > 0 && pending[place - 1]!.at < at) place--;
    pending.splice(place, 0, { at, end });
  }
  return counts;
}

function share(counts: readonly number[][], server: number, from = 0, to = Infinity): number {
  const within = counts.slice(from, to);
  const all = within.reduce((sum, second) => sum + second.reduce((a, b) => a + b, 0), 0);
  return within.reduce((sum, second) => sum + second[server]!, 0) / all;
}

const many = (count: number, make: (client: number) => Fleet): Fleet[] => Array.from({ length: count }, (_, client) => make(client));
const TEN = Array.from({ length: 10 }, () => ({}));
const adaptives = (clients: number, list: readonly Parameters<typeof instance>[1][], options: AdaptiveOptions = {}): Fleet[] =>
  many(clients, (client) => fleetOf(adaptive({ ...options, random: seededRandom(client + 1) }), ...list));

/** What the naive version does: the best score of all, whatever waits there. */
function greedy(client: number): Fleet {
  const scores = adaptive({ random: seededRandom(client + 1) });
  const pick: Balancer['pick'] = ({ endpoints, now }) =>
    endpoints.reduce((a, b) => (scores.explain(b, now).score > scores.explain(a, now).score ? b : a));
  return fleetOf({ name: 'greedy', load: scores.load!, pick }, ...TEN);
}

/** The highest share that one server had in any second after the first ones. */
const worst = (counts: readonly number[][]): number =>
  Math.max(...counts.slice(2).flatMap((_, index) => counts[0]!.map((__, server) => share(counts, server, index + 2, index + 3))));

describe('adaptive', function () {
  this.timeout(30_000);

  it('does not herd: of 20 clients, no second sends a tenth server more than a quarter of the calls', () => {
    expect(worst(simulate(adaptives(20, TEN), 1_000, 5, () => 10))).to.be.below(0.25);
  });

  it('would herd by the best score (negative control): the same scores, clients and calls, only the pick is another', () => {
    expect(worst(simulate(many(20, greedy), 1_000, 5, () => 10))).to.be.above(0.25);
  });

  it('leaves a server that is ten times slower less than 4 % of the calls, and gives it its share again when it has recovered', () => {
    const counts = simulate(adaptives(5, TEN), 1_000, 60, (server, now) => (server === 0 && now < 15_000 ? 100 : 10));
    expect(share(counts, 0, 3, 15)).to.be.below(0.04);
    expect(share(counts, 0, 50, 60)).to.be.above(0.06);
  });

  it('prefers its own region, and spills into the other when its own is full', () => {
    const list = [...Array.from({ length: 5 }, () => ({ zone: 'a' })), ...Array.from({ length: 5 }, () => ({ zone: 'b' }))];
    const near = (counts: readonly number[][]): number => [0, 1, 2, 3, 4].reduce((sum, server) => sum + share(counts, server, 2), 0);
    const calm = near(simulate(adaptives(1, list, { region: 'a' }), 100, 10, () => 10));
    const busy = near(simulate(adaptives(1, list, { region: 'a' }), 4_000, 6, () => 50));
    const blind = near(simulate(adaptives(1, list), 100, 10, () => 10));
    // Two of ten drawn at random are both of the other region in 2 of 9 pairs.
    expect(calm).to.be.within(0.7, 0.85);
    expect(busy).to.be.within(0.5, calm);
    expect(blind).to.be.within(0.42, 0.58);
  });

  it('leaves critical and overloaded endpoints out while another is left, however many they are', () => {
    for (const size of [2, 10, 60]) {
      const { balancer, endpoints } = fleetOf(adaptive({ random: seededRandom(2) }), ...Array.from({ length: size }, () => ({})));
      endpoints.forEach((endpoint, index) => {
        if (index === 1) return;
        if (index % 2 === 0) endpoint.waiting = 100;
        else endpoint.meter.observe(1, 'failed', 0);
        endpoint.meter.observe(1, index % 2 === 0 ? 'ok' : 'overload', 0);
        if (index % 2 === 1) endpoint.health.state = 'overloaded';
      });
      for (let pick = 0; pick < 200; pick++) expect(balancer.pick(viewOf(endpoints, 1), call)).to.equal(endpoints[1]);
    }
  });

  it('falls back to the least congested when all are left out', () => {
    const { balancer, endpoints } = fleetOf(adaptive({ random: seededRandom(3) }), ...TEN);
    endpoints.forEach((endpoint, index) => (endpoint.waiting = 100 + ((index * 7) % 10)));
    for (let pick = 0; pick < 50; pick++) expect(balancer.pick(viewOf(endpoints, 1), call)).to.equal(endpoints[0]);
  });

  it('gives a server that it knows nothing of one call, and waits for its answer', () => {
    const { balancer, endpoints } = fleetOf(adaptive({ random: seededRandom(4) }), {}, {});
    endpoints[0]!.meter.observe(1, 'ok', 0);
    expect(balancer.pick(viewOf(endpoints, 1), call)).to.equal(endpoints[1]);
    endpoints[1]!.started(1);
    expect(balancer.pick(viewOf(endpoints, 2), call)).to.equal(endpoints[0]);
  });

  it('leaves out what a rule gives the weight 0, and reads endpoints of another load without failing', () => {
    const rules = [{ description: 'not the old', condition: ({ version }: { version: string | undefined }) => version === '1', adjust: 0 }];
    const { balancer, endpoints } = fleetOf(adaptive({ rules, random: seededRandom(5) }), { version: '1' }, { version: '2' }, { version: '1' });
    for (let pick = 0; pick < 50; pick++) expect(balancer.pick(viewOf(endpoints, 1), call)).to.equal(endpoints[1]);
    const other = fleetOf(p2c(), {}, {});
    expect(other.endpoints).to.include(balancer.pick(viewOf(other.endpoints), call));
    expect(balancer.pick(viewOf([]), call)).to.equal(undefined);
  });
});
