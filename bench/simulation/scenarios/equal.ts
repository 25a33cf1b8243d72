import { bar, control, ratios } from '../finding.js';
import type { Finding, Scenario } from '../finding.js';
import { simulate } from '../fleet.js';
import { defaultRule, leastPendingRule, leastRequestsRule, randomRule } from '../rule.js';
import type { Rule } from '../rule.js';

/** Ten equal servers, nearly full. */
export const equal: Scenario = {
  name: 'equal',
  shows: 'with equal servers the default waits hardly longer than a scan of all of them',
  run({ seeds, share }) {
    const p99 = (rule: Rule, clients: number): readonly number[] =>
      seeds.map((seed) => simulate({ rule, clients, load: 0.9, seconds: 40 * share, seed }).percentile(0.99));
    const findings: Finding[] = [];
    for (const [clients, limit] of [
      [1, 1.15],
      [20, 1.1],
    ] as const) {
      const scanned = p99(leastRequestsRule, clients);
      findings.push(bar(`default, M=${clients}: p99 against a full scan`, ratios(p99(defaultRule, clients), scanned), '×', '<=', limit));
      findings.push(control(`random, M=${clients}`, ratios(p99(randomRule, clients), scanned), '×', '>=', 1.7));
    }
    return findings;
  },
};

/** Every server fails two calls in a hundred, at once: that is nobody's fault, and nobody may be avoided for it. */
export const uniformErrors: Scenario = {
  name: 'uniform-errors',
  shows: 'failures that all servers share alike change neither latency nor shares',
  run({ seeds, share }) {
    const run = (rule: Rule, seed: number) =>
      simulate({
        rule,
        load: 0.8,
        clients: 5,
        seconds: 40 * share,
        seed,
        events: ({ servers }) => {
          for (const server of servers) server.failing = 0.02;
        },
      });
    const ours = seeds.map((seed) => run(defaultRule, seed));
    const blind = seeds.map((seed) => run(leastPendingRule, seed).percentile(0.99));
    const unfair = ours.map((tally) => Math.max(...Array.from({ length: 10 }, (_, server) => Math.abs(tally.share(server, 10) * 10 - 1))) * 100);
    return [
      bar(
        'default: p99 against least pending',
        ratios(
          ours.map((tally) => tally.percentile(0.99)),
          blind,
        ),
        '×',
        '<=',
        1.1,
      ),
      bar('default: furthest from an even share', unfair, '%', '<=', 10),
    ];
  },
};
