import { expect } from 'chai';
import { createSelector, ejector, p2c, peakEwma, roundRobin } from '@ferrule/core';
import type { Ejector } from '@ferrule/core';
import type { Balancer, Clock } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { ScriptedDirectory, instances, leaseOf } from './selection-fixtures.js';

/** What a server does with a call that arrives at `now`. */
type Serve = (server: number, now: number, random: () => number) => { readonly ms: number; readonly ok: boolean };

interface Scenario {
  readonly servers: number;
  /** Independent client processes. */
  readonly clients?: number;
  readonly callsPerSecond: number;
  readonly seconds: number;
  readonly serve: Serve;
  readonly balancer: (random: () => number) => Balancer;
  readonly ejector?: Ejector | false;
  readonly seed?: number;
  /** `even`: one call every 1/callsPerSecond. Default Poisson. */
  readonly arrivals?: 'poisson' | 'even';
  /** Servers that are in the list from a time on. */
  readonly joins?: { readonly at: number; readonly count: number };
}

interface Made {
  readonly at: number;
  readonly server: number;
  ok: boolean;
}

/** Open-loop arrivals at servers that work on any number of calls at once; half a millisecond of network each way. */
function simulate(scenario: Scenario): Made[] {
  const { servers, clients = 1, callsPerSecond, seconds, serve, seed = 1, arrivals = 'poisson', joins } = scenario;
  let now = 0;
  const clock: Clock = { now: () => now, wallTime: () => now, schedule: () => ({ cancel() {} }) };
  const random = seededRandom(seed);
  const events = new Agenda();
  const directories: ScriptedDirectory[] = [];
  const selectors = Array.from({ length: clients }, (_, client) => {
    const directory = new ScriptedDirectory(instances(servers));
    directories.push(directory);
    return createSelector({
      service: 'orders',
      directory,
      balancer: scenario.balancer(seededRandom(seed * 1_000 + client)),
      ejector: scenario.ejector ?? false,
      clock,
      random: seededRandom(seed * 77 + client),
    });
  });
  if (joins !== undefined) events.add(joins.at, () => directories.forEach((directory) => directory.publish(instances(servers + joins.count))));
  const calls: Made[] = [];
  const call = (): void => {
    const lease = leaseOf(selectors[Math.floor(random() * clients)]!);
    const server = Number(lease.endpoint.id.slice(1));
    const made: Made = { at: now, server, ok: true };
    calls.push(made);
    const { ms, ok } = serve(server, now + 0.5, random);
    events.add(now + 1 + ms, () => {
      made.ok = ok;
      lease.answered(ok ? 200 : 503);
      lease.end({ kind: ok ? 'ok' : 'error', status: ok ? 200 : 503 });
    });
    const next = now + ((arrivals === 'even' ? 1 : -Math.log(1 - random())) * 1_000) / callsPerSecond;
    if (next < seconds * 1_000) events.add(next, call);
  };
  events.add(0, call);
  for (let event = events.next(); event !== undefined; event = events.next()) {
    now = event.at;
    event.run();
  }
  return calls;
}

interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** Events in order of time: few are pending at once, so that a sorted array does. */
class Agenda {
  readonly #events: Event[] = [];

  add(at: number, run: () => void): void {
    let place = this.#events.length;
    while (place > 0 && this.#events[place - 1]!.at < at) place--;
    this.#events.splice(place, 0, { at, run });
  }

  next(): Event | undefined {
    return this.#events.pop();
  }
}

const exponential = (random: () => number): number => -Math.log(1 - random()) * 10;

function share(calls: readonly Made[], server: number, from = 0, to = Infinity): number {
  const within = calls.filter(({ at }) => at >= from && at < to);
  return within.filter((call) => call.server === server).length / within.length;
}

const DEFAULT = (random: () => number): Balancer => p2c({ random });
const ROUND_ROBIN = (random: () => number): Balancer => roundRobin({ random });

describe('the default load in simulation', function () {
  this.timeout(30_000);

  const fleet = { servers: 10, callsPerSecond: 1_000, seconds: 20 };
  const blackHole: Serve = (server, _now, random) => (server === 0 ? { ms: 1, ok: false } : { ms: exponential(random), ok: true });
  const slowNode: Serve = (server, _now, random) => ({ ms: exponential(random) * (server === 0 ? 10 : 1), ok: true });

  for (const clients of [1, 10]) {
    it(`leaves a server that fails at once less than 1 % of the calls, without an ejector, ${clients} clients`, () => {
      expect(share(simulate({ ...fleet, clients, serve: blackHole, balancer: DEFAULT }), 0)).to.be.below(0.01);
    });

    it(`leaves a server that is ten times slower less than 3 % of the calls, ${clients} clients`, () => {
      expect(share(simulate({ ...fleet, clients, serve: slowNode, balancer: DEFAULT }), 0)).to.be.below(0.03);
    });
  }

  it('meets bars that round robin misses, and peak EWMA the first', () => {
    expect(share(simulate({ ...fleet, serve: blackHole, balancer: ROUND_ROBIN }), 0)).to.be.within(0.09, 0.11);
    expect(share(simulate({ ...fleet, serve: slowNode, balancer: ROUND_ROBIN }), 0)).to.be.within(0.09, 0.11);
    expect(share(simulate({ ...fleet, serve: blackHole, balancer: (random) => p2c({ random, load: peakEwma() }) }), 0)).to.be.above(0.15);
  });

  it('shares evenly among equals, failures of all of them included', () => {
    const calls = simulate({ ...fleet, serve: (_server, _now, random) => ({ ms: exponential(random), ok: random() >= 0.02 }), balancer: DEFAULT });
    for (let server = 0; server < 10; server++) expect(share(calls, server)).to.be.within(0.085, 0.115);
  });

  describe('with a server that is 100 times slower than its fleet for a while', () => {
    const slowFrom = 5_000;
    const scenario = (balancer: Scenario['balancer'], slowTo: number, seed: number, arrivals: 'poisson' | 'even' = 'poisson'): Scenario => ({
      servers: 3,
      callsPerSecond: 300,
      seconds: slowTo / 1_000 + 26,
      serve: (server, now, random) => ({ ms: (server === 0 && now >= slowFrom && now < slowTo ? 200 : 2) * (0.9 + 0.2 * random()), ok: true }),
      balancer,
      ejector: ejector(),
      seed,
      arrivals,
    });

    for (const arrivals of ['poisson', 'even'] as const) {
      it(`gives it at most 1 % while it is slow, and half of its share within 25 s after, ${arrivals} arrivals`, () => {
        // When it recovers matters: the longest way back is right after it was tried once more.
        for (const [seed, slowTo] of [
          [1, 25_000],
          [2, 28_000],
          [3, 31_000],
          [4, 34_000],
          [5, 37_000],
          [6, 40_000],
          [7, 43_000],
          [8, 46_000],
        ] as const) {
          const calls = simulate(scenario(DEFAULT, slowTo, seed, arrivals));
          expect(share(calls, 0, slowFrom, slowTo)).to.be.at.most(0.01);
          expect(share(calls, 0, slowTo + 24_000, slowTo + 25_000)).to.be.at.least(0.5 / 3);
        }
      });
    }

    it('which round robin does not', () => {
      expect(share(simulate(scenario(ROUND_ROBIN, 25_000, 1)), 0, slowFrom, 25_000)).to.be.above(0.3);
    });
  });

  describe('where calls hardly overlap, evenly spaced', () => {
    // With nothing waiting anywhere, whatever is compared of the latencies decides alone.
    const light = { servers: 3, callsPerSecond: 300, arrivals: 'even' as const };

    it('shares evenly among equals, however little noise there is', () => {
      for (const noiseMs of [0.02, 0.1, 0.5]) {
        for (const seed of [11, 12, 13]) {
          const calls = simulate({
            ...light,
            seconds: 15,
            seed,
            serve: (_server, _now, random) => ({ ms: 2 + noiseMs * random(), ok: true }),
            balancer: DEFAULT,
          });
          for (const from of [2_000, 5_000, 8_000, 11_000]) {
            for (let server = 0; server < 3; server++) expect(share(calls, server, from, from + 3_000)).to.be.within(0.75 / 3, 1.25 / 3);
          }
        }
      }
    });

    it('brings a server back within 25 s after a pause of 2 s, in which it gets at most 1 %', () => {
      const [from, to] = [8_000, 10_000];
      for (const seed of [14, 15, 16]) {
        const serve: Serve = (server, now, random) => ({
          ms: (server === 0 && now >= from && now < to ? to - now : 0) + 2 + 0.1 * random(),
          ok: true,
        });
        const calls = simulate({ ...light, seconds: 36, seed, serve, balancer: DEFAULT, ejector: ejector() });
        expect(share(calls, 0, from, to)).to.be.at.most(0.01);
        expect(share(calls, 0, to + 24_000, to + 25_000)).to.be.at.least(0.5 / 3);
      }
    });

    it('gives a newcomer a share that grows over its slow start, from at most 1 % in the first second', () => {
      const calls = simulate({
        ...light,
        seconds: 30,
        joins: { at: 12_000, count: 1 },
        serve: (_server, _now, random) => ({ ms: 2 + 0.1 * random(), ok: true }),
        balancer: DEFAULT,
        ejector: ejector(),
        seed: 17,
      });
      const shares = [12, 15, 18, 21, 25].map((second) => share(calls, 3, second * 1_000, (second + (second === 12 ? 1 : 2)) * 1_000) * 4);
      expect(shares[0]).to.be.at.most(0.04);
      expect(shares[1]).to.be.within(0.05, 0.35);
      expect(shares[2]).to.be.within(0.3, 0.75);
      expect(shares[3]).to.be.within(0.7, 1.2);
      expect(shares[4]).to.be.within(0.8, 1.2);
    });
  });

  it('with an ejector, a server that fails at once gets its probes and little else', () => {
    const calls = simulate({ ...fleet, serve: blackHole, balancer: ROUND_ROBIN, ejector: ejector() });
    expect(calls.filter(({ ok }) => !ok)).to.have.length.within(6, 9); // five, and a probe after about 5 s and 15 s
  });
});
