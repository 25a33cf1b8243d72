import { expect } from 'chai';
import { seededRandom } from '@ferrule/testing';
import { Agenda } from '#simulation/agenda.js';
import { bimodal, exponential, normal } from '#simulation/draws.js';
import { holds } from '#simulation/finding.js';
import type { Depth, Finding, Scenario } from '#simulation/finding.js';
import { simulate } from '#simulation/fleet.js';
import { svgOf } from '#simulation/plot.js';
import { defaultRule } from '#simulation/rule.js';
import { SCENARIOS } from '#simulation/scenarios.js';
import { supermarket } from '#simulation/scenarios/theory.js';

/** What is shown in a second or two; `npm run bench -- simulation` runs all of it at full length. */
const QUICK: Readonly<Record<string, Depth>> = {
  theory: { seeds: [1], share: 0.2 },
  equal: { seeds: [1], share: 0.5 },
  slow: { seeds: [1], share: 0.5 },
  mixed: { seeds: [1], share: 0.5 },
  'black-hole': { seeds: [1], share: 1 },
  antagonists: { seeds: [1], share: 0.2 },
  linkerd: { seeds: [1], share: 1 },
  freeze: { seeds: [1], share: 1 },
  'uniform-errors': { seeds: [1], share: 1 },
  cold: { seeds: [2], share: 1 },
  'retry-storm': { seeds: [1], share: 0.7 },
  hedge: { seeds: [1], share: 0.3 },
  limiter: { seeds: [1], share: 0.4 },
  ejection: { seeds: [1], share: 0.5 },
  hash: { seeds: [1], share: 1 },
  subset: { seeds: [1], share: 1 },
  'half-open': { seeds: [1], share: 1 },
};

describe('the acceptance bars of balancing and resilience, simulated', function () {
  this.timeout(30_000);

  for (const [name, depth] of Object.entries(QUICK)) {
    const scenario = SCENARIOS.find((one) => one.name === name) as Scenario;
    it(`${name}: ${scenario.shows}`, async () => {
      const findings = await scenario.run(depth);
      const missed = findings.filter((finding) => !holds(finding)).map(said);
      expect(missed, 'missed').to.deep.equal([]);
      expect(
        findings.some(({ limit, isControl }) => limit !== undefined && !isControl),
        'a bar',
      ).to.equal(true);
    });
  }
});

function said({ label, value, unit, op, limit }: Finding): string {
  return `${label}: ${value} ${unit}, not ${op} ${limit}`;
}

describe('the simulator', () => {
  it('is exact: the same seed gives the same calls, another one does not', () => {
    const run = (seed: number): readonly number[] => {
      const tally = simulate({ rule: defaultRule, clients: 3, seconds: 3, seed });
      return [tally.calls, tally.mean, tally.percentile(0.99), tally.share(0)];
    };
    expect(run(5)).to.deep.equal(run(5));
    expect(run(5)).to.not.deep.equal(run(6));
  });

  it('lets things happen in order of time, and in the order they were added at one time', () => {
    const agenda = new Agenda();
    const happened: string[] = [];
    for (const [name, delay] of [
      ['c', 5],
      ['a', 1],
      ['d', 5],
      ['b', 2],
    ] as const)
      agenda.schedule(delay, () => happened.push(`${name}${agenda.now()}`));
    const timer = agenda.schedule(3, () => happened.push('cancelled'));
    timer.cancel();
    agenda.playSync(10);
    expect(happened).to.deep.equal(['a1', 'b2', 'c5', 'd5']);
    expect(agenda.now()).to.equal(10);
  });

  it('runs all that awaits an event before the next one', async () => {
    const agenda = new Agenda();
    const happened: string[] = [];
    const soon = async (name: string): Promise<void> => {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      happened.push(`${name} at ${agenda.now()}`);
    };
    agenda.schedule(1, () => void soon('first'));
    agenda.schedule(2, () => void soon('second'));
    await agenda.play(3);
    expect(happened).to.deep.equal(['first at 1', 'second at 2']);
  });

  it('knows the supermarket model', () => {
    for (const [load, two] of [
      [0.5, 1.2657],
      [0.9, 2.6141],
      [0.95, 3.383],
    ] as const)
      expect(supermarket(load, 2)).to.be.closeTo(two, 1e-4);
    expect(supermarket(0.99, 3)).to.be.closeTo(3.8578, 1e-3);
  });

  it('draws times with the mean that is asked for', () => {
    const random = seededRandom(1);
    for (const [draw, mean] of [
      [exponential(10), 10],
      [bimodal(10, 0.01, 50), 10],
      [normal(60, 60), 65],
    ] as const) {
      let sum = 0;
      for (let count = 0; count < 100_000; count++) sum += draw(random);
      expect(sum / 100_000).to.be.closeTo(mean, mean * 0.03);
    }
  });

  it('draws well-formed pictures, whatever a rule is called', () => {
    const svg = svgOf([{ group: 'a < b', series: 'x & y', colour: '#000000', p99: 50 }]);
    expect(svg).to.include('a &lt; b').and.include('x &amp; y').and.include('50 ms');
    expect(svg).to.not.match(/NaN|undefined/);
  });
});
