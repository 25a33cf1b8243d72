import { expect } from 'chai';
import { adaptive } from '@ferrule/core';
import type { AdaptiveOptions, AdaptiveRule } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { fc } from '../support/fast-check.js';
import { instance, outbound, viewOf } from './selection-fixtures.js';

const call = outbound();
const PARTS = ['latency', 'congestion', 'region', 'trend'] as const;

function fleetOf(options: AdaptiveOptions, ...list: Parameters<typeof instance>[1][]) {
  const balancer = adaptive({ random: seededRandom(1), refresh: 0, ...options });
  const fleet = balancer.load!.fleet();
  const endpoints = list.map((change, index) => new Endpoint(instance(`i${index}`, change), fleet));
  const explain = (index = 0, now = 0) => balancer.explain(endpoints[index]!, now);
  return { balancer, endpoints, explain };
}

/** Answers that the endpoint gave, [at, latency]. */
function answered(endpoint: Endpoint, ...answers: (readonly [number, number])[]): void {
  for (const [at, latency] of answers) endpoint.meter.observe(latency, 'ok', at);
}

describe('the score of adaptive', () => {
  for (const [ms, score] of [
    [0, 1],
    [1, 1],
    [10, Math.log(500) / Math.log(5_000)],
    [100, Math.log(50) / Math.log(5_000)],
    [1_000, Math.log(5) / Math.log(5_000)],
    [4_900, 0.1],
    [5_000, 0.1],
    [60_000, 0.1],
  ] as const) {
    it(`gives a latency of ${ms} ms ${score.toFixed(3)}`, () => {
      const { endpoints, explain } = fleetOf({}, {});
      answered(endpoints[0]!, [0, ms]);
      expect(explain().parts.latency).to.deep.equal({ score, weight: 0.4, contribution: score * 0.4 });
    });
  }

  it('gives an unknown latency 1, and the mean of the region once that is known', () => {
    const { endpoints, explain } = fleetOf({}, { zone: 'a' }, { zone: 'a' }, { zone: 'b' });
    expect(explain()).to.deep.include({ latencyMs: undefined, latencyFrom: 'nowhere' });
    expect(explain().parts.latency.score).to.equal(1);
    answered(endpoints[0]!, [0, 100]);
    explain(1);
    expect(explain(1)).to.deep.include({ latencyMs: 100, latencyFrom: 'region' });
    expect(explain(2)).to.deep.include({ latencyMs: undefined, latencyFrom: 'nowhere' });
  });

  for (const [waiting, level, score] of [
    [0, 'low', 1],
    [4, 'low', 1],
    [5, 'medium', 0.6],
    [7, 'medium', 0.6],
    [8, 'high', 0.3],
    [9, 'high', 0.3],
    [10, 'critical', 0.1],
    [50, 'critical', 0.1],
  ] as const) {
    it(`calls ${waiting} of 10 calls ${level}`, () => {
      const { endpoints, explain } = fleetOf({ congestion: { minimum: 10, maximum: 10 } }, {});
      answered(endpoints[0]!, [0, 5]);
      endpoints[0]!.waiting = waiting;
      expect(explain().congestion).to.equal(level);
      expect(explain().parts.congestion.score).to.equal(score);
      expect(explain().excluded).to.equal(level === 'critical' ? 'critical' : undefined);
    });
  }

  it('calls congestion unknown before the first answer', () => {
    expect(fleetOf({}, {}).explain().parts.congestion).to.deep.equal({ score: 0.8, weight: 0.3, contribution: 0.8 * 0.3 });
  });

  for (const [own, its, nearness, score] of [
    [{ region: 'eu', zone: 'a' }, { zone: 'a', metadata: { region: 'eu' } }, 'zone', 1],
    [{ region: 'eu', zone: 'a' }, { zone: 'b', metadata: { region: 'eu' } }, 'region', 0.8],
    [{ region: 'eu', zone: 'a' }, { zone: 'c', metadata: { region: 'us' } }, 'elsewhere', 0.3],
    [{ region: 'eu' }, { zone: 'b', metadata: { region: 'eu' } }, 'zone', 1],
    [{ region: 'eu' }, {}, 'unknown', 0.5],
    [{ zone: 'a' }, { zone: 'b' }, 'elsewhere', 0.3],
    [{}, { zone: 'b' }, 'unknown', 0.5],
  ] as const) {
    it(`finds ${JSON.stringify(its)} ${nearness}, seen from ${JSON.stringify(own)}`, () => {
      const { explain } = fleetOf(own, its);
      expect(explain().nearness).to.equal(nearness);
      expect(explain().parts.region.score).to.equal(score);
    });
  }

  const line = (slope: number, noise = 0) =>
    Array.from({ length: 20 }, (_, at) => [at * 100, 100 + slope * at + (at % 2 === 0 ? noise : -noise)] as const);
  for (const [name, answers, trend, score] of [
    ['a rising line', line(5), 'degrading', 0.3],
    ['a falling line', line(-4), 'improving', 1],
    ['a constant', line(0), 'stable', 0.7],
    ['noise without a slope', line(0, 50), 'stable', 0.7],
    ['a slope that noise drowns', line(1, 60), 'stable', 0.7],
    ['a certain but tiny slope', line(0.01), 'stable', 0.7],
    ['two samples', line(5).slice(0, 2), 'unknown', 0.7],
    ['samples of one moment', line(5).map(([, ms]) => [7, ms] as const), 'unknown', 0.7],
    ['a rising line a month after the clock started', line(5).map(([at, ms]) => [at + 2.6e9, ms] as const), 'degrading', 0.3],
  ] as const) {
    it(`calls ${name} ${trend}`, () => {
      const { endpoints, explain } = fleetOf({}, {});
      answered(endpoints[0]!, ...answers);
      const found = explain(0, answers.at(-1)![0]);
      expect(found.trend).to.equal(trend);
      expect(found.parts.trend.score).to.equal(score);
    });
  }

  it('takes a trend for over once nothing was heard for as long as it was watched, so that a false alarm ends by itself', () => {
    const { endpoints, explain } = fleetOf({}, {});
    answered(endpoints[0]!, ...line(5));
    expect(explain(0, 2 * 1_900).trend).to.equal('degrading');
    expect(explain(0, 2 * 1_900 + 1).trend).to.equal('unknown');
  });

  it('tells mean and deviation of the newest 20 samples that are not older than 30 s', () => {
    const { endpoints, explain } = fleetOf({}, {});
    answered(endpoints[0]!, ...Array.from({ length: 25 }, (_, at) => [at * 1_000, at] as const));
    const found = explain(0, 24_000);
    expect([found.samples, found.meanMs]).to.deep.equal([20, 14.5]);
    expect(found.deviationMs).to.be.closeTo(Math.sqrt(35), 1e-9);
    expect(explain(0, 50_000).samples).to.equal(5);
    expect(explain(0, 55_000)).to.deep.include({ samples: 0, meanMs: 0, deviationMs: 0, trend: 'unknown', latencyFrom: 'nowhere' });
  });

  it('divides weights by their sum', () => {
    const { parts } = fleetOf({ weights: { latency: 3, congestion: 1, region: 0, trend: 0 } }, {}).explain();
    expect(PARTS.map((part) => parts[part].weight)).to.deep.equal([0.75, 0.25, 0, 0]);
  });

  it('lowers a limit below what was there when the endpoint was overloaded, and raises it again', () => {
    const { endpoints, explain } = fleetOf({}, {});
    const [endpoint] = endpoints;
    explain();
    endpoint!.waiting = 39;
    endpoint!.meter.observe(5, 'overload', 0);
    expect(explain(0, 1)).to.deep.include({ limit: 100, excluded: 'overload', congestion: 'critical' });
    expect(explain(0, 1_000).excluded).to.equal(undefined);
    expect(explain(0, 10_000).limit).to.equal(32);
    answered(endpoint!, [10_001, 5]);
    expect(explain(0, 20_001).limit).to.equal(35);
  });

  const rule = (description: string, priority: number, condition: AdaptiveRule['condition'], adjust: AdaptiveRule['adjust']): AdaptiveRule => ({
    description,
    priority,
    condition,
    adjust,
  });

  it('lets the first rule that matches by priority set the weight, and tells once of one that throws', () => {
    const told: unknown[] = [];
    const logger = { debug() {}, info() {}, warn() {}, error: (fields: unknown) => void told.push(fields) };
    const broken = rule('broken', 9, () => JSON.parse('') as boolean, 5);
    const noWeight = rule(
      'no weight',
      8,
      () => true,
      () => NaN,
    );
    const rules = [
      rule('all', 1, () => true, 0.5),
      broken,
      noWeight,
      rule(
        'v2',
        2,
        ({ version }) => version === '2',
        ({ score }) => (score > 0 ? 2 : 3),
      ),
    ];
    const { explain } = fleetOf({ rules, logger }, { version: '2' }, { version: '1' });
    expect(explain(0)).to.deep.include({ rule: 'v2', weight: 2 });
    expect(explain(1)).to.deep.include({ rule: 'all', weight: 0.5 });
    expect(told.map((fields) => (fields as { rule: string }).rule)).to.deep.equal(['broken', 'no weight']);
  });

  it('refuses what does not fit', () => {
    const ok = { description: 'x', condition: () => true, adjust: 1 };
    for (const [options, message] of [
      [{ weights: { latency: -1 } }, 'adaptive weights.latency: -1'],
      [{ weights: { latency: 0, congestion: 0, region: 0, trend: 0 } }, 'all are 0'],
      [{ weights: { speed: 1 } }, 'adaptive weights: there is no option'],
      [{ congestion: { minimum: 9, maximum: 8 } }, 'adaptive congestion.maximum: 8 is below minimum'],
      [{ congestion: { medium: 0.9, high: 0.8 } }, 'adaptive congestion.high'],
      [{ congestion: { count: 'all' } }, 'adaptive congestion.count'],
      [{ samples: 2 }, 'adaptive samples: 2'],
      [{ interval: 0 }, 'adaptive interval: 0'],
      [{ region: '' }, 'adaptive region'],
      [{ rules: [{ ...ok, adjust: -1 }] }, 'adaptive rules adjust: -1'],
      [{ rules: [{ ...ok, description: '' }] }, 'adaptive rules description'],
      [{ rules: [{ ...ok, condition: true }] }, 'adaptive rules condition'],
    ] as const)
      expect(() => adaptive(options as never), message).to.throw(TypeError, message);
    expect(() => adaptive().explain(new Endpoint(instance('i0')))).to.throw(TypeError, 'adaptive explain: the endpoint i0');
  });

  it('is of endpoints: anything else, such as what a client reports, is refused', () => {
    const { balancer } = fleetOf({}, {});
    for (const none of [undefined, null, 'i0', { id: 'i0', latencyMs: 1 }])
      expect(() => balancer.explain(none as never)).to.throw(TypeError, "is no endpoint. Give one of a view's endpoints");
  });

  it('is from 0 to 1, the sum of its parts, never NaN, and what is picked is in the view, whatever happens', () => {
    const event = fc.record({
      index: fc.nat(4),
      ms: fc.oneof(fc.double({ min: 0, max: 1e5, noNaN: true }), fc.constant(0)),
      step: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 4e4, noNaN: true })),
      ending: fc.constantFrom('ok' as const, 'failed' as const, 'overload' as const, 'cancelled' as const),
      waiting: fc.nat(200),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const { balancer, endpoints, explain } = fleetOf(
          { region: 'a', random: seededRandom(3) },
          { zone: 'a' },
          {},
          { zone: 'b' },
          {},
          { zone: 'a' },
        );
        let now = 0;
        for (const { index, ms, step, ending, waiting } of events) {
          now += step;
          const endpoint = endpoints[index]!;
          endpoint.waiting = waiting;
          endpoint.sumStart = waiting * now;
          endpoint.meter.observe(ms, ending, now);
          expect(endpoints).to.include(balancer.pick(viewOf(endpoints, now), call));
          const { score, parts, cost } = explain(index, now);
          expect(score).to.be.within(0, 1);
          expect(score).to.be.closeTo(
            PARTS.reduce((sum, part) => sum + parts[part].contribution, 0),
            1e-12,
          );
          expect(cost).to.be.within(0, Number.MAX_VALUE);
        }
      }),
      { seed: 6, numRuns: 200 },
    );
  });
});
