import { bar, control } from '../finding.js';
import type { Depth, Finding, Scenario } from '../finding.js';
import { simulate } from '../fleet.js';
import { leastPendingRule, randomRule } from '../rule.js';
import type { Rule } from '../rule.js';

/** E[T] / S of the supermarket model: sum over i of load^((d^i − d) / (d − 1)) (Mitzenmacher, 2001). */
export function supermarket(load: number, choices: number): number {
  let sum = 0;
  for (let i = 1; i < 60; i++) {
    const term = load ** ((choices ** i - choices) / (choices - 1));
    if (term < 1e-12) break;
    sum += term;
  }
  return sum;
}

const LOADS = [0.5, 0.7, 0.8, 0.9, 0.95];

function meanOf(rule: Rule, load: number, { seeds, share }: Depth): readonly number[] {
  return seeds.map(
    (seed) =>
      simulate({ rule, servers: 100, workers: 1, load, roundTripMs: 0, timeoutMs: 60_000, warmUpSeconds: 10, seconds: 100 * share, seed }).mean / 10,
  );
}

/** Whether the simulator itself can be trusted: against what queueing theory says exactly. */
export const theory: Scenario = {
  name: 'theory',
  shows: 'two choices and one choice wait as long as queueing theory says',
  run(depth) {
    const findings: Finding[] = [];
    const off = (samples: readonly number[], expected: number): readonly number[] => samples.map((one) => Math.abs(one / expected - 1) * 100);
    let atNine: readonly number[] = [];
    for (const load of LOADS) {
      const two = meanOf(leastPendingRule, load, depth);
      if (load === 0.9) atNine = two;
      findings.push(bar(`two choices, load ${load}: off the supermarket model`, off(two, supermarket(load, 2)), '%', '<=', 4));
    }
    for (const load of [0.5, 0.8, 0.9]) {
      const one = meanOf(randomRule, load, depth);
      findings.push(bar(`one choice, load ${load}: off 1/(1−load)`, off(one, 1 / (1 - load)), '%', '<=', 4));
      if (load === 0.9)
        findings.push(
          control(
            'one choice against two, load 0.9',
            one.map((value, index) => value / atNine[index]!),
            '×',
            '>=',
            3,
          ),
        );
    }
    return findings;
  },
};
