import { expect } from 'chai';
import { leastPending, p2c, peakEwma, random, relativeLatency, roundRobin, weighted } from '@ferrule/core';
import { Endpoint, weightOf } from '@ferrule/core/adapter';
import type { Balancer, Load, View } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { instance, outbound, viewOf } from './selection-fixtures.js';

const call = outbound();

function endpointsOf(load: Load, count: number): Endpoint[] {
  const fleet = load.fleet();
  return Array.from({ length: count }, (_, index) => new Endpoint(instance(`i${index}`), fleet));
}

function weightedEndpoints(...weights: number[]): Endpoint[] {
  return weights.map((weight, index) => new Endpoint(instance(`i${index}`, { weight })));
}

function picks(balancer: Balancer, view: View, count: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const { id } = balancer.pick(view, call)!;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

describe('every balancer', () => {
  for (const make of [p2c, roundRobin, random, weighted]) {
    it(`${make.name} declines an empty view and picks the only endpoint of another`, () => {
      const balancer = make({ random: seededRandom(1) });
      const [only] = endpointsOf(leastPending(), 1);
      expect(balancer.pick(viewOf([]), call)).to.equal(undefined);
      expect(balancer.pick(viewOf([only!]), call)).to.equal(only);
      expect(balancer.pick(viewOf([]), call)).to.equal(undefined);
    });
  }
});

describe('p2c', () => {
  it('compares two different endpoints: the one with the highest load is never picked', () => {
    const endpoints = endpointsOf(leastPending(), 5);
    endpoints.forEach((endpoint, index) => (endpoint.waiting = index));
    const counts = picks(p2c({ load: leastPending(), random: seededRandom(2) }), viewOf(endpoints), 2_000);
    expect(counts.has('i4')).to.equal(false);
    // The least loaded wins each of the 4 pairs in 10 that it is in, and so on down.
    for (const [id, wins] of [
      ['i0', 4],
      ['i1', 3],
      ['i2', 2],
      ['i3', 1],
    ] as const)
      expect(counts.get(id)! / 2_000).to.be.closeTo(wins / 10, 0.04);
  });

  it('has no favourite among equals', () => {
    const counts = picks(p2c({ random: seededRandom(3) }), viewOf(endpointsOf(relativeLatency(), 4)), 4_000);
    for (const count of counts.values()) expect(count / 4_000).to.be.closeTo(0.25, 0.03);
  });

  it('takes an endpoint that starts slowly at once beside one that is much worse', () => {
    const load = leastPending();
    const [slow, other] = endpointsOf(load, 2);
    slow!.startSlowly(0, 10_000);
    other!.waiting = 4; // five times the load of an idle one
    const balancer = p2c({ load, random: seededRandom(4) });
    expect(slow!.ramp(0)).to.equal(0.1);
    expect(balancer.pick(viewOf([slow!, other!], 0), call)).to.equal(other);
    expect(slow!.ramp(5_000)).to.equal(0.5);
    expect(picks(balancer, viewOf([slow!, other!], 5_000), 100).get('i0')).to.equal(100);
    other!.waiting = 9;
    expect(picks(balancer, viewOf([slow!, other!], 0), 100).get('i0')).to.equal(100);
    expect(slow!.ramp(10_000)).to.equal(1);
    expect(slow!.ramp(10_001)).to.equal(1);
  });

  for (const [others, waiting] of [
    ['idle like it', 0],
    ['a little busier', 1],
  ] as const) {
    it(`gives an endpoint that starts slowly a share that grows with its ramp beside one that is ${others}`, () => {
      const load = leastPending();
      const [slow, other] = endpointsOf(load, 2);
      slow!.startSlowly(0, 10_000);
      other!.waiting = waiting;
      const balancer = p2c({ load, random: seededRandom(9) });
      // Of equals it is the first in half of the draws; of the cheaper it is always asked.
      const full = waiting === 0 ? 0.5 : 1;
      for (const [now, ramp] of [
        [0, 0.1],
        [2_000, 0.2],
        [4_000, 0.4],
        ...(waiting === 0
          ? ([
              [7_000, 0.7],
              [9_000, 0.9],
            ] as const)
          : []),
      ] as const) {
        const share = (picks(balancer, viewOf([slow!, other!], now), 4_000).get('i0') ?? 0) / 4_000;
        expect(share).to.be.closeTo(full * ramp * ramp, 0.03);
      }
      expect(picks(balancer, viewOf([slow!, other!], 10_000), 4_000).get('i0')! / 4_000).to.be.closeTo(full, 0.03);
    });
  }

  it('prefers neither of two that start slowly alike', () => {
    const endpoints = endpointsOf(leastPending(), 2);
    for (const endpoint of endpoints) endpoint.startSlowly(0, 10_000);
    expect(picks(p2c({ load: leastPending(), random: seededRandom(10) }), viewOf(endpoints, 1_000), 4_000).get('i0')! / 4_000).to.be.closeTo(
      0.5,
      0.03,
    );
  });

  it('refuses what is no load', () => {
    expect(() => p2c({ load: 'latency' as never })).to.throw(TypeError, 'p2c load: "latency" has no fleet(). Give relativeLatency()');
  });
});

describe('relativeLatency', () => {
  function costs(endpoints: readonly Endpoint[], now: number): number[] {
    return endpoints.map((endpoint) => endpoint.meter.cost(endpoint, now));
  }

  it('multiplies latency by waiting calls and takes the fleet’s mean for an endpoint that was never measured', () => {
    const [measured, unknown] = endpointsOf(relativeLatency(), 2);
    measured!.meter.observe(8, 'ok', 0);
    expect(costs([measured!, unknown!], 0)).to.deep.equal([8, 8]);
    unknown!.started(0);
    expect(costs([unknown!], 0)).to.deep.equal([16]);
  });

  it('sees a stall before the first reply is late: waiting calls are at least as slow as they are old', () => {
    const [stalled, other] = endpointsOf(relativeLatency(), 2);
    for (const endpoint of [stalled!, other!]) endpoint.meter.observe(2, 'ok', 0);
    stalled!.started(0);
    stalled!.started(100);
    expect(stalled!.meter.cost(stalled!, 200)).to.equal(3 * 150);
    stalled!.noLongerWaiting(0); // the younger one is left
    expect(stalled!.meter.cost(stalled!, 200)).to.equal(2 * 100);
  });

  it('forgets nothing of a stall when streams are open: they wait no longer', () => {
    const [streaming] = endpointsOf(relativeLatency(), 1);
    for (let stream = 0; stream < 20; stream++) {
      streaming!.started(0);
      streaming!.noLongerWaiting(0);
      streaming!.meter.observe(2, 'ok', 2);
    }
    expect(streaming!.open).to.equal(20);
    expect(streaming!.meter.cost(streaming!, 60_000)).to.equal(2);
  });

  it('counts latencies within a quarter of the fleet’s as equal, so that noise favours nobody', () => {
    const endpoints = endpointsOf(relativeLatency(), 4);
    const measure = (latencies: readonly number[], from: number): void => {
      for (let now = from; now < from + 2_000; now += 10)
        endpoints.forEach((endpoint, index) => endpoint.meter.observe(latencies[index]!, 'ok', now));
    };
    measure([2, 2.02, 2.4, 1.6], 0);
    expect(new Set(costs(endpoints, 2_000)).size).to.equal(1);
    measure([2, 2, 4, 1], 10_000); // the fleet's mean is 2.25
    const [first, second, slow, fast] = costs(endpoints, 12_000) as [number, number, number, number];
    expect(first).to.equal(second);
    expect(slow).to.be.closeTo(4, 0.1);
    expect(fast).to.be.closeTo(1, 0.1);
  });

  it('forgives an idle endpoint its latency, slowly at first and then soon, however slow it was, and never below the fleet', () => {
    for (const ratio of [10, 100, 1_000]) {
      const [slow, fast] = endpointsOf(relativeLatency(), 2);
      slow!.meter.observe(2 * ratio, 'ok', 0);
      for (let now = 0; now < 20_000; now += 10) fast!.meter.observe(2, 'ok', now);
      const after = (seconds: number): number => slow!.meter.cost(slow!, seconds * 1_000) / 2;
      expect(after(2)).to.be.closeTo(ratio ** 0.96, ratio / 100);
      expect(after(10)).to.be.closeTo(ratio ** (1 / Math.E), 0.1);
      expect(after(13)).to.be.above(1.25);
      expect(after(20)).to.be.closeTo(1, 1e-4);
      expect(slow!.meter.cost(slow!, 20_000)).to.equal(fast!.meter.cost(fast!, 20_000));
    }
  });

  it('costs a finite amount whatever was measured', () => {
    const [slow, fast] = endpointsOf(relativeLatency(), 2);
    slow!.meter.observe(1e9, 'ok', 0);
    for (let index = 0; index < 5_000; index++) fast!.meter.observe(0, 'ok', 0);
    for (const now of [0, 1_000, 1e12]) for (const cost of costs([slow!, fast!], now)) expect(cost).to.be.within(0, 1e9);
  });

  it('makes fast failures expensive and forgives them with time', () => {
    const [failing, healthy] = endpointsOf(relativeLatency(), 2);
    for (let now = 0; now < 2_000; now += 10) {
      healthy!.meter.observe(10, 'ok', now);
      if (now < 100) failing!.meter.observe(1, 'failed', now);
    }
    const [bad, good] = costs([failing!, healthy!], 100) as [number, number];
    expect(bad).to.be.above(good * 100);
    expect(failing!.meter.cost(failing!, 60_000)).to.be.below(good);
  });

  it('gives an endpoint that failed three times its share again within half a minute, though no two calls overlap', () => {
    const endpoints = endpointsOf(relativeLatency(), 4);
    const balancer = p2c({ random: seededRandom(4) });
    const shareIn = (fromMs: number, toMs: number, mayFail: number): number => {
      let share = 0;
      for (let now = fromMs; now < toMs; now += 10) {
        const endpoint = balancer.pick(viewOf(endpoints, now), call)!;
        const fails = endpoint === endpoints[0] && share < mayFail;
        if (endpoint === endpoints[0]) share++;
        endpoint.meter.observe(5, fails ? 'failed' : 'ok', now + 5);
      }
      return share / ((toMs - fromMs) / 10);
    };
    expect(shareIn(0, 2_000, 0)).to.be.closeTo(0.25, 0.1);
    expect(shareIn(2_000, 12_000, 3)).to.be.below(0.01);
    expect(shareIn(32_000, 42_000, 0)).to.be.closeTo(0.25, 0.05);
  });

  it('avoids nobody when all fail alike', () => {
    const [one, other] = endpointsOf(relativeLatency(), 2);
    for (let now = 0; now < 5_000; now += 10)
      for (const endpoint of [one!, other!]) endpoint.meter.observe(10, now % 50 === 0 ? 'failed' : 'ok', now);
    const [first, second] = costs([one!, other!], 5_000) as [number, number];
    expect(first / second).to.be.closeTo(1, 0.05);
    expect(first).to.be.below(20);
  });

  it('takes a cancelled call for a lower bound of the latency and for no failure', () => {
    const [endpoint] = endpointsOf(relativeLatency(), 1);
    endpoint!.meter.observe(10, 'ok', 0);
    endpoint!.meter.observe(5, 'cancelled', 1_000);
    expect(endpoint!.meter.cost(endpoint!, 1_000)).to.equal(10);
    endpoint!.meter.observe(500, 'cancelled', 10_000);
    const cost = endpoint!.meter.cost(endpoint!, 10_000);
    expect(cost).to.be.within(400, 500);
  });

  it('does not let a latency of zero hide waiting calls', () => {
    const [busy, idle] = endpointsOf(relativeLatency(), 2);
    for (const endpoint of [busy!, idle!]) endpoint.meter.observe(0, 'ok', 0);
    busy!.started(0);
    expect(busy!.meter.cost(busy!, 0)).to.be.above(idle!.meter.cost(idle!, 0));
  });

  it('refuses a time constant of zero and text without a unit', () => {
    expect(() => relativeLatency({ smoothing: 0 })).to.throw(TypeError, 'relativeLatency smoothing: 0 would forget everything at once');
    expect(() => relativeLatency({ idleDecay: '5' })).to.throw(TypeError, 'relativeLatency idleDecay');
  });
});

describe('peakEwma', () => {
  it('jumps up at once and decays slowly', () => {
    const [endpoint] = endpointsOf(peakEwma(), 1);
    endpoint!.meter.observe(10, 'ok', 0);
    endpoint!.meter.observe(2_000, 'ok', 0);
    expect(endpoint!.meter.cost(endpoint!, 0)).to.equal(2_000);
    expect(endpoint!.meter.cost(endpoint!, 10_000)).to.be.closeTo(2_000 / Math.E, 1e-6);
  });

  it('gives an endpoint without history one call, and no second one before its result', () => {
    const [endpoint] = endpointsOf(peakEwma(), 1);
    expect(endpoint!.meter.cost(endpoint!, 0)).to.equal(0);
    endpoint!.started(0);
    expect(endpoint!.meter.cost(endpoint!, 0)).to.be.above(1e14);
  });

  it('refuses a decay of zero', () => expect(() => peakEwma({ decay: 0 })).to.throw(TypeError, 'peakEwma decay: 0'));
});

describe('leastPending', () => {
  it('counts calls that wait, or those whose body has not ended', () => {
    const byWaiting = endpointsOf(leastPending(), 1)[0]!;
    const byOpen = endpointsOf(leastPending({ count: 'open' }), 1)[0]!;
    for (const endpoint of [byWaiting, byOpen]) {
      endpoint.started(0);
      endpoint.noLongerWaiting(0);
    }
    expect(byWaiting.meter.cost(byWaiting, 0)).to.equal(1);
    expect(byOpen.meter.cost(byOpen, 0)).to.equal(2);
    expect(() => leastPending({ count: 'busy' as never })).to.throw(TypeError, `Use 'waiting' or 'open'`);
  });
});

describe('roundRobin', () => {
  it('hits each endpoint once in n picks, from a random start', () => {
    const endpoints = endpointsOf(leastPending(), 7);
    const starts = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const balancer = roundRobin({ random: seededRandom(seed) });
      const view = viewOf(endpoints);
      starts.add(balancer.pick(view, call)!.id);
      for (let index = 1; index < 7; index++) balancer.pick(view, call);
      expect([...picks(balancer, view, 7).values()]).to.deep.equal([1, 1, 1, 1, 1, 1, 1]);
    }
    expect(starts.size).to.be.above(4);
  });

  it('keeps a turn for each view: two views asked in turn do not starve every second endpoint', () => {
    const balancer = roundRobin({ random: seededRandom(1) });
    const [one, other] = [viewOf(endpointsOf(leastPending(), 2)), viewOf(endpointsOf(leastPending(), 2))];
    const seen = new Map<string, number>();
    for (let index = 0; index < 10; index++) {
      const { id } = balancer.pick(one, call)!;
      balancer.pick(other, call);
      seen.set(id, (seen.get(id) ?? 0) + 1);
    }
    expect(Object.fromEntries(seen)).to.deep.equal({ i0: 5, i1: 5 });
  });

  it('goes on where it was when the list shrinks under it', () => {
    const endpoints = endpointsOf(leastPending(), 4);
    const view = viewOf(endpoints);
    const balancer = roundRobin({ random: () => 0 });
    for (let index = 0; index < 3; index++) balancer.pick(view, call);
    endpoints.length = 2;
    expect([balancer.pick(view, call)!.id, balancer.pick(view, call)!.id, balancer.pick(view, call)!.id]).to.deep.equal(['i0', 'i1', 'i0']);
  });
});

describe('random', () => {
  it('takes all equally', () => {
    const counts = picks(random({ random: seededRandom(5) }), viewOf(endpointsOf(leastPending(), 4)), 4_000);
    for (const count of counts.values()) expect(count / 4_000).to.be.closeTo(0.25, 0.03);
  });
});

describe('weighted', () => {
  it('shares exactly by weight, smoothly, and gives weight 0 nothing', () => {
    const view = viewOf(weightedEndpoints(5, 3, 2, 0));
    const balancer = weighted({ random: seededRandom(6) });
    for (let round = 0; round < 20; round++) {
      const counts = picks(balancer, view, 10);
      expect(counts.has('i3')).to.equal(false);
      for (const [id, share] of [
        ['i0', 5],
        ['i1', 3],
        ['i2', 2],
      ] as const)
        expect(counts.get(id)).to.be.within(share - 1, share + 1);
    }
    const total = picks(balancer, view, 1_000);
    expect(total.get('i0')).to.be.within(499, 501);
    expect(total.get('i2')).to.be.within(199, 201);
  });

  it('declines when every weight is 0', () => {
    expect(weighted().pick(viewOf(weightedEndpoints(0, 0)), call)).to.equal(undefined);
  });

  it('keeps the turns of those that stay when the list changes, and follows a changed weight', () => {
    const endpoints = weightedEndpoints(1, 1, 1);
    const balancer = weighted({ random: seededRandom(7) });
    const view = { ...viewOf(endpoints) };
    picks(balancer, view, 300);
    endpoints[0]!.instance = instance('i0', { weight: 4 });
    view.version++;
    const counts = picks(balancer, view, 600);
    expect(counts.get('i0')).to.be.within(397, 403);
    endpoints.pop();
    view.version++;
    expect(picks(balancer, view, 50).get('i0')).to.be.within(39, 41);
  });

  it('does not start two clients in step', () => {
    const firsts = new Set<string>();
    for (let seed = 0; seed < 30; seed++) firsts.add(weighted({ random: seededRandom(seed) }).pick(viewOf(weightedEndpoints(1, 1, 1)), call)!.id);
    expect(firsts.size).to.equal(3);
  });

  it('reduces the weight of an endpoint that starts slowly', () => {
    const endpoints = weightedEndpoints(1, 1);
    endpoints[0]!.startSlowly(0, 10_000);
    const counts = picks(weighted({ random: seededRandom(8) }), viewOf(endpoints, 5_000), 300);
    expect(counts.get('i0')).to.be.within(99, 101);
  });

  it('takes a weight that is none for 0', () => {
    expect([undefined, 3, 0, -1, NaN, Infinity].map((weight) => weightOf(instance('a', weight === undefined ? {} : { weight })))).to.deep.equal([
      1, 3, 0, 0, 0, 0,
    ]);
  });
});
