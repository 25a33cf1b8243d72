import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { backoff } from '@ferrule/core';
import type { Backoff, Jitter } from '@ferrule/core';
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
    ['linear with a step', backoff.linear({ base: '1s', step: '2s', cap: '6s' }), [1000, 3000, 5000, 6000], [1000, 3000, 5000, 6000]],
    ['linear with full jitter', backoff.linear({ base: 100, cap: 250, jitter: 'full' }), [0, 0, 0], [100, 200, 250]],
    ['exponential with equal jitter', backoff.exponential({ jitter: 'equal' }), [13, 25, 50, 100, 125], [25, 50, 100, 200, 250]],
    ['exponential ± 20 %', backoff.exponential({ jitter: 0.2 }), [20, 40, 80, 160, 200], [30, 60, 120, 240, 250]],
    ['fixed ± 50 %', backoff.fixed(20, { jitter: 0.5 }), [10, 10], [30, 30]],
    ['a base above the default cap', backoff.exponential({ base: '1s' }), [1000, 1000], [1000, 1000]],
    // What the original design named.
    [
      '1 s, twice as long each time, at most 30 s',
      backoff.exponential({ base: '1s', cap: '30s' }),
      [1e3, 2e3, 4e3, 8e3, 16e3, 3e4],
      [1e3, 2e3, 4e3, 8e3, 16e3, 3e4],
    ],
    ['1 s, 2 s longer each time, at most 20 s', backoff.linear({ base: '1s', step: '2s', cap: '20s' }), [1e3, 3e3, 5e3], [1e3, 3e3, 5e3]],
    ['5 s', backoff.fixed('5s'), [5e3, 5e3], [5e3, 5e3]],
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

  it('is a finite wait within bounds for any step, of every kind, jitter and bounds', () => {
    const jitter = fc.oneof(fc.constantFrom('none' as const, 'full' as const, 'equal' as const), fc.double({ min: 0, max: 1, noNaN: true }));
    const ms = fc.double({ min: 0.001, max: 2 ** 31 - 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.tuple(ms, ms).map(([a, b]) => ({ base: Math.min(a, b), cap: Math.max(a, b) })),
        jitter,
        fc.double({ min: 1, max: 1000, noNaN: true }),
        ms,
        fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2 ** 31 - 1 })),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (bounds, chance, factor, step, wait, draw, share) => {
          const random = (): number => draw;
          for (const kind of [
            backoff.fullJitter(bounds),
            backoff.exponential({ ...bounds, factor, jitter: chance }),
            backoff.linear({ ...bounds, step, jitter: chance }),
            backoff.decorrelated(bounds),
          ]) {
            expect(kind(wait, random, bounds.cap * share)).to.be.within(0, bounds.cap);
          }
          expect(backoff.fixed(bounds.base, { jitter: chance })(wait, random, 0)).to.be.within(0, 2 * bounds.base);
        },
      ),
    );
  });

  it('keeps what a jitter promises of the wait that it is of', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (wait, draw) => {
        const of = (jitter: Jitter): number => backoff.exponential({ base: 10, cap: 10_000, jitter })(wait, () => draw, 0);
        const full = of('none');
        expect(of('full')).to.be.within(0, full);
        expect(of('equal')).to.be.within(full / 2, full);
        expect(of(0.2)).to.be.within(full * 0.8 - 1e-9, Math.min(10_000, full * 1.2 + 1e-9));
        expect(of(0)).to.equal(full);
      }),
    );
  });

  for (const [make, message] of [
    [() => backoff.fullJitter({ base: 0 }), 'backoff.fullJitter base: 0'],
    [() => backoff.fullJitter({ base: '1s', cap: '500ms' }), 'backoff.fullJitter cap: 500 ms is below the base of 1000 ms'],
    [() => backoff.exponential({ factor: 0.5 }), 'backoff.exponential factor: 0.5'],
    [() => backoff.fixed('soon'), 'backoff.fixed delay: "soon"'],
    [() => backoff.exponential({ jitter: 1.5 }), 'backoff.exponential jitter: 1.5 is no jitter'],
    [() => backoff.linear({ jitter: 'some' as never }), 'backoff.linear jitter: "some" is no jitter'],
    [() => backoff.linear({ step: -1 }), 'backoff.linear step: -1'],
    [() => backoff.fixed(5, { jitter: Number.NaN }), 'backoff.fixed jitter: NaN'],
    [() => backoff.fixed(5, { cap: 5 } as never), 'backoff.fixed: there is no option "cap"'],
  ] as const) {
    it(`refuses at construction: ${message}`, () => {
      expect(make).to.throw(TypeError, message);
    });
  }
});
