import { oracle } from '../controls/oracle.js';
import { bar, control, ratios, told } from '../finding.js';
import type { Finding, Scenario } from '../finding.js';
import { simulate } from '../fleet.js';
import type { Tally } from '../tally.js';
import { defaultRule, leastPendingRule, peakEwmaRule, roundRobinRule } from '../rule.js';
import type { Rule } from '../rule.js';

/** One of ten servers is ten times slower. */
export const slow: Scenario = {
  name: 'slow',
  shows: 'a server that is ten times slower costs the tail next to nothing',
  run({ seeds, share }) {
    const run = (rule: Rule, clients: number, speed: number): readonly Tally[] =>
      seeds.map((seed) => simulate({ rule, clients, seconds: 40 * share, seed, events: ({ servers }) => void (servers[0]!.speed = speed) }));
    const at = (tallies: readonly Tally[], quantile: number): readonly number[] => tallies.map((tally) => tally.percentile(quantile));
    const findings: Finding[] = [];
    for (const clients of [1, 20]) {
      const healthy = run(defaultRule, clients, 1);
      const ours = run(defaultRule, clients, 0.1);
      const against = (tallies: readonly Tally[], quantile: number): readonly number[] => ratios(at(tallies, quantile), at(healthy, quantile));
      findings.push(
        bar(`default, M=${clients}: p99 against all healthy`, against(ours, 0.99), '×', '<=', 1.25),
        bar(`default, M=${clients}: p99.9 against all healthy`, against(ours, 0.999), '×', '<=', 2),
        bar(
          `default, M=${clients}: share of the slow one`,
          ours.map((tally) => tally.share(0, 10) * 100),
          '%',
          '<=',
          0.6,
        ),
        bar(
          `default, M=${clients}: failed`,
          ours.map((tally) => tally.failed * 100),
          '%',
          '<=',
          0,
        ),
        told(`peak EWMA, M=${clients}: p99.9 against all healthy`, against(run(peakEwmaRule, clients, 0.1), 0.999), '×'),
      );
      const blind = run(roundRobinRule, clients, 0.1);
      findings.push(
        control(`round robin, M=${clients}: p99`, against(blind, 0.99), '×', '>=', 50),
        control(
          `round robin, M=${clients}: timed out`,
          blind.map((tally) => tally.timedOut * 100),
          '%',
          '>=',
          8,
        ),
      );
      if (clients === 20) findings.push(control('least pending, M=20: p99', against(run(leastPendingRule, clients, 0.1), 0.99), '×', '>=', 8));
    }
    return findings;
  },
};

export const MIXED_SPEEDS = [0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1, 2, 2];

/** Servers of three speeds; the load is that of ten at speed 1. */
export const mixed: Scenario = {
  name: 'mixed',
  shows: 'servers of three speeds are used nearly as well as by one who sees their queues',
  run({ seeds, share }) {
    const run = (rule: Rule, clients: number): readonly Tally[] =>
      seeds.map((seed) =>
        simulate({
          rule,
          clients,
          seconds: 40 * share,
          seed,
          events: ({ servers }) => servers.forEach((server, index) => (server.speed = MIXED_SPEEDS[index]!)),
        }),
      );
    const findings: Finding[] = [];
    for (const clients of [1, 20]) {
      const best = run(oracle, clients).map((tally) => tally.percentile(0.99));
      const ours = run(defaultRule, clients);
      findings.push(
        bar(
          `default, M=${clients}: p99 against the oracle`,
          ratios(
            ours.map((tally) => tally.percentile(0.99)),
            best,
          ),
          '×',
          '<=',
          1.45,
        ),
        bar(
          `default, M=${clients}: failed`,
          ours.map((tally) => tally.failed * 100),
          '%',
          '<=',
          0,
        ),
        control(
          `round robin, M=${clients}: failed`,
          run(roundRobinRule, clients).map((tally) => tally.failed * 100),
          '%',
          '>=',
          25,
        ),
      );
    }
    return findings;
  },
};
