import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { backoff } from '@ferrule/core';
import type { Backoff } from '@ferrule/core';
import { seededRandom } from '@ferrule/testing';

const least = (): number => 0;
const most = (): number => 1 - Number.EPSILON;

function waits(kind: Backoff, random: () => number, count: number): number[] {
  const all: number[] = [];
  for (let wait = 1; wait <= count; wait++) all.push(Math.round(kind(wait, random, all.at(-1) ?? 0)));
  return all;
}

describe('backoff', () => {
  for (const [name, kind, lowest, highest] of [
    ['full jitter', backoff.fullJitter(), [0, 0, 0, 0, 0, 0], [25, 50, 100, 200, 250, 250]],
    ['full jitter with other bounds', backoff.fullJitter({ base: '1s', cap: '3s' }), [0, 0, 0, 0], [1000, 2000, 3000, 3000]],
    ['exponential', backoff.exponential(), [25, 50, 100, 200, 250], [25, 50, 100, 200, 250]],
    ['exponential with a factor', backoff.exponential({ base: 10, cap: 1000, factor: 10 }), [10, 100, 1000, 1000], [10, 100, 1000, 1000]],
    ['linear', backoff.linear({ base: 100, cap: 250 }), [100, 200, 250, 250], [100, 200, 250, 250]],
    ['fixed', backoff.fixed('20ms'), [20, 20, 20], [20, 20, 20]],
    ['decorrelated', backoff.decorrelated(), [25, 25, 25, 25], [25, 75, 225, 250]],
  ] as const) {
    it(`${name}: from ${lowest.join(', ')} to ${highest.join(', ')} ms`, () => {
      expect(waits(kind, least, lowest.length)).to.deep.equal(lowest);
      expect(waits(kind, most, highest.length)).to.deep.equal(highest);
    });
  }

  it('full jitter spreads evenly over its step', () => {
    const random = seededRandom(7);
    const kind = backoff.fullJitter();
    const quarters = [0, 0, 0, 0];
    for (let draw = 0; draw < 10_000; draw++) quarters[Math.floor(kind(4, random, 0) / 50)]!++;
    for (const quarter of quarters) expect(quarter).to.be.within(2350, 2650);
  });

  it('is a finite wait within bounds for any step, of every kind', () => {
    const kinds = [backoff.fullJitter(), backoff.exponential(), backoff.linear(), backoff.decorrelated()];
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer(),
        fc.double({ min: 0, max: 250, noNaN: true }),
        (kind, wait, seed, previous) => {
          expect(kind(wait, seededRandom(seed), previous)).to.be.within(0, 250);
        },
      ),
    );
  });

  for (const [make, message] of [
    [() => backoff.fullJitter({ base: 0 }), 'backoff.fullJitter base: 0'],
    [() => backoff.fullJitter({ base: '1s', cap: '500ms' }), 'backoff.fullJitter cap: 500 ms is below the base of 1000 ms'],
    [() => backoff.exponential({ factor: 0.5 }), 'backoff.exponential factor: 0.5'],
    [() => backoff.fixed('soon'), 'backoff.fixed delay: "soon"'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(make).to.throw(TypeError, message);
    });
  }
});
