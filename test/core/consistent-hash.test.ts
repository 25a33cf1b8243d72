import { expect } from 'chai';
import { maglev, ringHash } from '@ferrule/core';
import type { CallField, HashOptions } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import type { Balancer, View } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { instance, outbound, viewOf } from './selection-fixtures.js';

const key = { header: 'x-user' };
const KEYS = 200_000;
const calls = Array.from({ length: 4_000 }, (_, n) => outbound({ headers: { 'x-user': `user-${n}` } }));

function endpointsOf(count: number, weight = 1): Endpoint[] {
  return Array.from({ length: count }, (_, index) => new Endpoint(instance(`node-${index}`, { weight })));
}

/** A balancer whose key is whatever was last put here: a call a key would be slow. */
function keyed(
  make: (options: HashOptions) => Balancer,
  options: Omit<HashOptions, 'key'> = { loadFactor: false },
): (view: View, key: string) => Endpoint {
  let text = '';
  const balancer = make({ key: () => text, ...options });
  const [call] = calls;
  return (view, given) => {
    text = given;
    return balancer.pick(view, call!)!;
  };
}

function owners(pick: (view: View, key: string) => Endpoint, view: View, keys = KEYS): string[] {
  return Array.from({ length: keys }, (_, n) => pick(view, `key-${n}`).id);
}

function maxToMean(found: readonly string[], count: number): number {
  const counts = new Map<string, number>();
  for (const id of found) counts.set(id, (counts.get(id) ?? 0) + 1);
  return (Math.max(...counts.values()) * count) / found.length;
}

function moved(before: readonly string[], after: readonly string[], gone: string): number {
  return before.filter((id, index) => id !== gone && id !== after[index]).length / before.length;
}

describe('ringHash', () => {
  it('shares keys out to within 20 % of the mean with 160 points, which it does not with 10', () => {
    const view = viewOf(endpointsOf(50));
    expect(maxToMean(owners(keyed(ringHash), view), 50)).to.be.at.most(1.2);
    expect(
      maxToMean(
        owners(
          keyed((options) => ringHash({ ...options, points: 10 })),
          view,
        ),
        50,
      ),
    ).to.be.at.least(1.5);
  });

  it('moves the keys of an endpoint that goes and no others, and moves them back', () => {
    const pick = keyed(ringHash);
    const all = endpointsOf(20);
    const view: { endpoints: readonly Endpoint[]; version: number; now: number } = { endpoints: all, version: 1, now: 0 };
    const before = owners(pick, view, 20_000);
    for (const [version, gone] of [
      [2, 3],
      [4, 11],
    ] as const) {
      view.endpoints = all.filter((_, index) => index !== gone);
      view.version = version;
      expect(moved(before, owners(pick, view, 20_000), `node-${gone}`)).to.equal(0);
      view.endpoints = [...all].reverse();
      view.version = version + 1;
      expect(owners(pick, view, 20_000)).to.deep.equal(before);
    }
  });

  it('is the same ring for a client that saw the endpoints come one by one, and many of them go', () => {
    const all = endpointsOf(40);
    const fresh = owners(keyed(ringHash), viewOf(all.slice(20)), 5_000);
    const pick = keyed(ringHash);
    const changing = { endpoints: all.slice(0, 1), version: 1, now: 0 };
    for (let count = 1; count <= 40; count++) {
      changing.endpoints = all.slice(0, count);
      changing.version++;
      pick(changing, 'x');
    }
    for (let first = 1; first <= 20; first++) {
      changing.endpoints = all.slice(first);
      changing.version++;
      pick(changing, 'x');
    }
    expect(owners(pick, changing, 5_000)).to.deep.equal(fresh);
  });
});

describe('maglev', () => {
  it('shares keys out to within 5 % of the mean', () => {
    expect(maxToMean(owners(keyed(maglev), viewOf(endpointsOf(50)), 2_000_000), 50)).to.be.at.most(1.05);
  }).timeout(20_000);

  it('moves less than 0.8 % of the keys of those that stay, where a plain modulo moves nearly all', () => {
    const all = endpointsOf(50);
    const rest = all.filter(({ id }) => id !== 'node-7');
    const before = owners(keyed(maglev), viewOf(all));
    expect(moved(before, owners(keyed(maglev), viewOf(rest)), 'node-7')).to.be.at.most(0.008);
    const modulo = (count: number): string[] => Array.from({ length: KEYS }, (_, n) => `node-${n % count}`);
    expect(moved(modulo(50), modulo(49), 'node-49')).to.be.at.least(0.9);
  });
});

for (const [name, make] of Object.entries({ ringHash, maglev })) {
  describe(`${name}, as every consistent hash`, () => {
    it('gives twice the weight twice the keys', () => {
      const view = viewOf([...endpointsOf(20).slice(0, 10), ...endpointsOf(20, 2).slice(10)]);
      const heavy = owners(keyed(make), view, 50_000).filter((id) => Number(id.slice(5)) >= 10).length;
      expect(heavy / 50_000).to.be.closeTo(2 / 3, 0.05);
    });

    /** Calls of skewed keys that come and end at random; the largest excess over ceil(1.25 × mean) that one pick led to. */
    function excess(loadFactor: number | false): number {
      const random = seededRandom(7);
      const endpoints = endpointsOf(15);
      const view = viewOf(endpoints);
      const pick = keyed(make, { loadFactor });
      const open: Endpoint[] = [];
      let most = -Infinity;
      for (let step = 0; step < 20_000; step++) {
        if (open.length > 0 && random() < (open.length < 200 ? 0.3 : 0.6)) {
          const [ended] = open.splice(Math.floor(random() * open.length), 1);
          ended!.open--;
          continue;
        }
        const picked = pick(view, `hot-${Math.floor(random() ** 4 * 50)}`);
        picked.started(0);
        open.push(picked);
        most = Math.max(most, picked.open - Math.ceil((1.25 * open.length) / endpoints.length));
      }
      return most;
    }

    it('never gives an endpoint more than ceil(1.25 × the mean) of the open calls, however hot a key is', () => {
      expect(excess(1.25)).to.be.at.most(0);
      expect(excess(false)).to.be.at.least(10);
    });

    it('sends the overflow of a full endpoint to many others', () => {
      const endpoints = endpointsOf(20);
      for (const endpoint of endpoints) endpoint.open = 4;
      const view = viewOf(endpoints);
      const plain = keyed(make);
      const full = plain(view, 'key-1');
      full.open = 50;
      const pick = keyed(make, { loadFactor: 1.25 });
      const to = new Set<string>();
      for (let n = 0; n < 2_000; n++) {
        if (plain(view, `key-${n}`) === full) to.add(pick(view, `key-${n}`).id);
      }
      expect(to.has(full.id)).to.equal(false);
      expect(to.size).to.be.at.least(10);
    });

    it('declines a call without its key, and takes a second attempt elsewhere', () => {
      const balancer = make({ key });
      const view = viewOf(endpointsOf(10));
      expect(balancer.pick(view, outbound())).to.equal(undefined);
      let elsewhere = 0;
      for (let n = 0; n < 100; n++) {
        const headers = { 'x-user': `user-${n}` };
        const first = balancer.pick(view, outbound({ headers }));
        expect(balancer.pick(view, outbound({ headers }))).to.equal(first);
        if (balancer.pick(view, outbound({ headers, attempt: 2 })) !== first) elsewhere++;
      }
      expect(elsewhere).to.be.at.least(75);
    });

    it('reads its key in the query and the path too', () => {
      const view = viewOf(endpointsOf(10));
      const byHeader = make({ key }).pick(view, outbound({ headers: { 'x-user': 'u1' } }));
      for (const field of [{ query: 'user' }, { param: 'user' }] satisfies CallField[])
        expect(make({ key: field }).pick(view, outbound({ query: { user: 'u1' }, params: { user: 'u1' } }))).to.equal(byHeader);
    });

    it('refuses what is no key and no factor', () => {
      expect(() => make({} as never)).to.throw(TypeError, `${name} key: it is missing`);
      expect(() => make({ key: {} as never })).to.throw(TypeError, `${name} key`);
      expect(() => make({ key: { header: 'a b' } })).to.throw(
        TypeError,
        `${name} key.header: "a b" cannot be in the name of a header. Give one such as { header: 'x-user' }.`,
      );
      expect(() => make({ key: { metadata: 'user:id' } })).to.throw(TypeError, `${name} key.metadata: "user:id" cannot be in the name of a header`);
      for (const loadFactor of [1, 0.5, NaN, Infinity, '2'])
        expect(() => make({ key, loadFactor: loadFactor as never })).to.throw(TypeError, `${name} loadFactor`);
      expect(() => make({ key, loadFacter: 2 } as never)).to.throw(TypeError, 'Did you mean loadFactor?');
    });
  });
}

it('ringHash refuses points that are none', () => {
  for (const points of [0, 1.5, 5_000, '9']) expect(() => ringHash({ key, points: points as never })).to.throw(TypeError, 'ringHash points');
});
