import { ejector } from '@ferrule/core';
import { plainEwma } from '../controls/ewma.js';
import { goZero } from '../controls/go-zero.js';
import { kratos } from '../controls/kratos.js';
import { bar, control, ratios, told } from '../finding.js';
import type { Finding, Scenario } from '../finding.js';
import { normal } from '../draws.js';
import { simulate } from '../fleet.js';
import type { Tally } from '../tally.js';
import { defaultRule, leastPendingRule, peakEwmaRule, roundRobinRule } from '../rule.js';
import type { Rule } from '../rule.js';

const USUAL_MS = 167;
const SLOW_MS = 2_000;

/** "Beyond Round Robin" (Linkerd, 2016): eleven servers of 167 ms, one of which takes 2 s for half of a minute; no queues. */
export const linkerd: Scenario = {
  name: 'linkerd',
  shows: "Linkerd's published experiment comes out as published, and the default ahead of it",
  run({ seeds }) {
    const within = (rule: Rule, clients: number): readonly number[] =>
      seeds.map(
        (seed) =>
          simulate({
            rule,
            clients,
            seed,
            servers: 11,
            workers: Infinity,
            serviceMs: normal(USUAL_MS, 5),
            perSecond: 1_000,
            warmUpSeconds: 0,
            seconds: 60,
            events: (fleet) => {
              fleet.at(15, () => void (fleet.servers[0]!.speed = USUAL_MS / SLOW_MS));
              fleet.at(45, () => void (fleet.servers[0]!.speed = 1));
            },
          }).within(1_000) * 100,
      );
    return [
      bar('default, M=1: within 1 s', within(defaultRule, 1), '%', '>=', 99.85),
      bar('default, M=20: within 1 s', within(defaultRule, 20), '%', '>=', 99.8),
      told('peak EWMA, M=1 (published: about 99.9)', within(peakEwmaRule, 1), '%'),
      told('Kratos, M=1', within(kratos, 1), '%'),
      told('go-zero, M=1', within(goZero, 1), '%'),
      control('least pending, M=1 (published: about 99)', within(leastPendingRule, 1), '%', '<=', 99.7),
      control('round robin, M=1 (published: about 95)', within(roundRobinRule, 1), '%', '<=', 95.9),
    ];
  },
};

const FREEZES_AT = 20;
const FREEZES_FOR = 2;

/** One of ten servers stands still for 2 s, as with a blocked event loop or a long collection. */
export const freeze: Scenario = {
  name: 'freeze',
  shows: 'a server that stood still gets nothing meanwhile, and its share back after',
  run({ seeds }) {
    const run = (rule: Rule, clients: number): readonly Tally[] =>
      seeds.map((seed) =>
        simulate({
          rule,
          clients,
          seed,
          warmUpSeconds: 5,
          seconds: 80,
          events: (fleet) => fleet.at(FREEZES_AT, () => fleet.servers[0]!.pause(FREEZES_FOR * 1_000)),
        }),
      );
    /** Seconds from its end until one with half of a fair share; 60 when there is none. */
    const back = (tally: Tally): number => {
      for (let second = 0; second < 60; second++) {
        const from = FREEZES_AT + FREEZES_FOR + second;
        if (tally.share(0, from, from + 1) >= 0.05) return second + 1;
      }
      return 60;
    };
    const findings: Finding[] = [];
    for (const clients of [1, 20]) {
      const ours = run(defaultRule, clients);
      findings.push(
        bar(
          `default, M=${clients}: share while it stands still`,
          ours.map((tally) => tally.share(0, FREEZES_AT, FREEZES_AT + FREEZES_FOR) * 100),
          '%',
          '<=',
          1,
        ),
        bar(`default, M=${clients}: until half of its share is back`, ours.map(back), 's', '<=', 25),
        told(`peak EWMA, M=${clients}: the same`, run(peakEwmaRule, clients).map(back), 's'),
        control(`plain EWMA, M=${clients}: the same (60: never)`, run(plainEwma, clients).map(back), 's', '>=', 60),
      );
    }
    return findings;
  },
};

const JOINS_AT = 25;

/** An eleventh server joins, which is ten times slower for its first 5 s: caches are cold, code is not compiled. */
export const cold: Scenario = {
  name: 'cold',
  shows: 'a newcomer that is slow at first is tried gently',
  run({ seeds }) {
    const run = (rule: Rule, eject: boolean): readonly Tally[] =>
      seeds.map((seed) =>
        simulate({
          rule,
          clients: 20,
          seed,
          ejector: eject ? ejector() : false,
          servers: 11,
          listed: 10,
          perSecond: 2_400,
          seconds: 25,
          events: (fleet) => {
            fleet.servers[10]!.speed = 0.1;
            fleet.at(JOINS_AT, () => fleet.list(Array.from({ length: 11 }, (_, server) => server)));
            fleet.at(JOINS_AT + 5, () => void (fleet.servers[10]!.speed = 1));
          },
        }),
      );
    const grown = (tallies: readonly Tally[], quantile: number): readonly number[] =>
      ratios(
        tallies.map((tally) => tally.percentile(quantile, JOINS_AT * 1_000, (JOINS_AT + 6) * 1_000)),
        tallies.map((tally) => tally.percentile(quantile, 10_000, JOINS_AT * 1_000)),
      );
    const ours = run(defaultRule, true);
    return [
      bar('default and slow start, M=20: p99 of the next 6 s against before', grown(ours, 0.99), '×', '<=', 1.15),
      bar('default and slow start, M=20: p99.9', grown(ours, 0.999), '×', '<=', 1.5),
      bar(
        'default and slow start, M=20: share of its first second',
        ours.map((tally) => tally.share(10, JOINS_AT, JOINS_AT + 1) * 100),
        '%',
        '<=',
        1,
      ),
      told('peak EWMA without slow start: p99.9', grown(run(peakEwmaRule, false), 0.999), '×'),
      control('plain EWMA, which begins at 0, without slow start: p99', grown(run(plainEwma, false), 0.99), '×', '>=', 5),
    ];
  },
};
