import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { createSelector } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import { checkInstance, sameInstance } from '@ferrule/core/adapter';
import { eventsOf, instance, scene } from './directory-fixtures.js';
import { outbound } from './selection-fixtures.js';

/** Many instances as a registry keeps them: frozen, sorted, and the same objects in the next list. */
function many(count: number): readonly Instance[] {
  return Array.from({ length: count }, (_, index) => checkInstance(instance(`i${String(index).padStart(5, '0')}`, { port: 1 + (index % 60_000) })));
}

describe('a list of the registry', () => {
  it('agrees with a model, whatever comes, goes, moves, repeats or does not fit (any lists)', async () => {
    const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
    // Frozen ones are the same objects in every list, as registries of ours give them; others are made anew, or changed in place.
    const member = fc.oneof(
      { weight: 6, arbitrary: fc.record({ id: ids, weight: fc.integer({ min: 1, max: 2 }), kind: fc.constantFrom('frozen', 'fresh', 'reused') }) },
      { weight: 1, arbitrary: fc.record({ id: ids, weight: fc.constant(-1), kind: fc.constantFrom('frozen', 'fresh') }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(member, { maxLength: 12 }), { maxLength: 10 }), async (lists) => {
        const { directory, bound, last, settle } = scene();
        await bound();
        const frozen = new Map<string, Instance>();
        const reused = new Map<string, { weight?: number } & Instance>();
        const told = (id: string, weight: number, kind: string): Instance => {
          if (kind === 'fresh') return instance(id, { weight });
          if (kind === 'reused') {
            const same = reused.get(id) ?? { ...instance(id) };
            reused.set(id, same);
            return Object.assign(same, { weight });
          }
          const key = `${id} ${weight}`;
          const same = frozen.get(key) ?? Object.freeze(instance(id, { weight }));
          frozen.set(key, same);
          return same;
        };
        let model = new Map<string, Instance>();
        for (const list of lists) {
          const members = list.map(({ id, weight, kind }) => told(id, weight, kind));
          const expected = new Map<string, Instance>();
          for (const one of members) if (one.weight! > 0 && !expected.has(one.id)) expected.set(one.id, { ...one });
          last().sink.push(members);
          await settle();
          const { instances, state } = directory.lookup('orders');
          expect(instances.map(({ id }) => id)).to.have.members([...expected.keys()]);
          expect(state).to.equal(expected.size === 0 ? 'empty' : 'bound');
          for (const one of instances) {
            expect(sameInstance(one, expected.get(one.id)!), `${one.id} says the same`).to.equal(true);
            const before = model.get(one.id);
            expect(one === before, `${one.id} keeps its object until it changes`).to.equal(before !== undefined && sameInstance(before, one));
            expect(one).to.be.frozen;
          }
          model = new Map(instances.map((one) => [one.id, one]));
        }
        await directory[Symbol.asyncDispose]();
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('in which 1 of 5,000 changed leaves the other 4,999 objects and the endpoints of a selector as they are', async () => {
    const { directory, bound, last, settle, events, clock } = scene();
    let list = many(5_000);
    await bound(...list);
    const selector = createSelector({ service: 'orders', directory, clock, ejector: false });
    const lease = await selector.select(outbound());
    lease.answered(200);
    const before = directory.lookup('orders').instances;
    events.length = 0;
    list = list.map((one, index) => (index === 2_500 ? checkInstance({ ...one, weight: 7 }) : one));
    last().sink.push(list);
    await settle();
    const { instances } = directory.lookup('orders');
    expect(instances.filter((one, index) => one === before[index])).to.have.length(4_999);
    expect(eventsOf(events)).to.deep.equal(['update i02500 @2']);
    expect(selector.endpoints()).to.have.length(5_000);
    expect(selector.endpoints().find(({ id }) => id === lease.endpoint.id)?.waiting).to.equal(0);
    expect(lease.endpoint.latencyMs).to.be.a('number');
    expect(instances).to.include(lease.endpoint.instance);
    selector.close();
  });

  it('is looked at only where it differs, so that an update of one of many looks at one', async () => {
    let checked = 0;
    const { bound, last, settle } = scene({
      accept: () => {
        checked++;
        return true;
      },
    });
    const list = many(1_000);
    await bound(...list);
    expect(checked).to.equal(1_000);
    checked = 0;
    for (const next of [
      list.with(500, checkInstance({ ...list[500]!, weight: 2 })),
      list.with(500, checkInstance({ ...list[500]!, weight: 3 })),
      [checkInstance(instance('a')), ...list],
      list,
      list.slice(1),
      list.toReversed(),
    ]) {
      last().sink.push(next);
      await settle();
    }
    // Changed twice, one more, 500 as it was, none for those that left, and 0 again: what left is forgotten.
    expect(checked).to.equal(5);
  });
});
