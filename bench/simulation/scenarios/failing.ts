import { ejector, retry } from '@ferrule/core';
import type { Ejector } from '@ferrule/core';
import { bar, control, told } from '../finding.js';
import type { Finding, Scenario } from '../finding.js';
import { Fleet, simulate } from '../fleet.js';
import { defaultRule, leastPendingRule, leastRequestsRule, peakEwmaRule } from '../rule.js';
import type { Rule } from '../rule.js';
import { simulatePolicies } from '../through-policies.js';

function failing(count: number): (fleet: Fleet) => void {
  return ({ servers }) => {
    for (let index = 0; index < count; index++) servers[index]!.failing = 1;
  };
}

/** One of ten servers fails at once, and so looks fast. */
export const blackHole: Scenario = {
  name: 'black-hole',
  shows: 'a server that fails fast is not mistaken for a fast one',
  async run({ seeds, share }) {
    const failed = (rule: Rule, clients: number, out: Ejector | false, warmUpSeconds = 10): readonly number[] =>
      seeds.map((seed) => simulate({ rule, clients, ejector: out, warmUpSeconds, seconds: 40 * share, seed, events: failing(1) }).failed * 100);
    const findings: Finding[] = [];
    for (const clients of [1, 20]) {
      const retried: number[] = [];
      for (const seed of seeds) {
        const { failed: lost } = await simulatePolicies({
          rule: defaultRule,
          clients,
          ejector: ejector(),
          warmUpSeconds: 2,
          seconds: 20 * share,
          seed,
          events: failing(1),
          policies: ({ clock, random }) => ({ above: [retry({ retries: 1, clock, random })], below: [] }),
        });
        retried.push(lost * 100);
      }
      findings.push(
        bar(`default, M=${clients}: failed`, failed(defaultRule, clients, false), '%', '<=', 0.25),
        bar(`default and ejector, M=${clients}: failed, once known for 30 s`, failed(defaultRule, clients, ejector(), 30), '%', '<=', 0.05),
        told(`default and ejector, M=${clients}: failed, once known for 10 s`, failed(defaultRule, clients, ejector()), '%'),
        bar(`default, ejector and one retry, M=${clients}: failed`, retried, '%', '<=', 0),
        control(`peak EWMA, M=${clients}`, failed(peakEwmaRule, clients, false), '%', '>=', 15),
      );
    }
    findings.push(control('full scan, M=1', failed(leastRequestsRule, 1, false), '%', '>=', 25));
    return findings;
  },
};

/** Half of the servers can carry it: what fails here fails for want of judgement. */
const LOAD_OF_HALF = 0.4;

/** So many of ten fail at once; then all of them do, for a while. */
export const ejection: Scenario = {
  name: 'ejection',
  shows: 'half of the fleet can fail without a caller noticing, and a fleet that failed as a whole comes back by itself',
  run({ seeds, share }) {
    const failed = (rule: Rule, dead: number, out: Ejector): readonly number[] =>
      seeds.map((seed) => simulate({ rule, ejector: out, load: LOAD_OF_HALF, seconds: 40 * share, seed, events: failing(dead) }).failed * 100);
    const findings: Finding[] = [];
    for (const dead of [1, 3, 5])
      findings.push(bar(`${dead} of 10 dead, at most half ejected: failed`, failed(defaultRule, dead, ejector()), '%', '<=', 0.1));
    findings.push(
      control('3 of 10 dead, at most 10 % ejected (Envoy): failed', failed(defaultRule, 3, ejector({ maxEjected: 0.1 })), '%', '>=', 1),
      control('the same under least pending', failed(leastPendingRule, 3, ejector({ maxEjected: 0.1 })), '%', '>=', 5),
    );
    const outages = seeds.map(outage);
    findings.push(
      bar(
        'all dead for 8 s: calls to one that is ejected, the most',
        outages.map(({ probes }) => probes),
        'calls',
        '<=',
        2,
      ),
      bar(
        'the same: calls that were refused instead of tried',
        outages.map(({ refused }) => refused),
        'calls',
        '<=',
        0,
      ),
      bar(
        'the same: until all are back, twice 5 s and a fifth',
        outages.map(({ backAfterMs }) => backAfterMs / 1_000),
        's',
        '<=',
        12,
      ),
    );
    return findings;
  },
};

const DIES_AT = 10;
const HEALS_AT = 18;

function outage(seed: number): { readonly probes: number; readonly refused: number; readonly backAfterMs: number } {
  let backAt = Infinity;
  let refused = 0;
  /** Calls that began at each server while it was out. */
  const probes = new Map<string, number>();
  const fleet = new Fleet({
    rule: {
      name: 'default, watched',
      make: (world) => {
        const balancer = defaultRule.make(world);
        return {
          ...balancer,
          pick: (view, call) => {
            if (view.endpoints.length === 0) refused++;
            return balancer.pick(view, call);
          },
        };
      },
    },
    ejector: ejector(),
    seed,
    warmUpSeconds: 0,
    seconds: 45,
    events: (world) => {
      const { servers, selectors } = world;
      world.at(DIES_AT, () => servers.forEach((server) => (server.failing = 1)));
      world.at(HEALS_AT, () => servers.forEach((server) => (server.failing = 0)));
      let states = new Map<string, string>();
      const look = (): void => {
        const now = world.agenda.now();
        const endpoints = selectors[0]!.endpoints();
        for (const { id, state } of endpoints)
          if (now < HEALS_AT * 1_000 && state === 'probing' && states.get(id) !== 'probing') probes.set(id, (probes.get(id) ?? 0) + 1);
        states = new Map(endpoints.map(({ id, state }) => [id, state]));
        if (now > HEALS_AT * 1_000 && endpoints.every(({ state }) => state === 'ready')) backAt = Math.min(backAt, now);
        if (now < 45_000) world.agenda.schedule(0.5, look);
      };
      look();
    },
  });
  fleet.run();
  return { probes: Math.max(0, ...probes.values()), refused, backAfterMs: backAt - HEALS_AT * 1_000 };
}
