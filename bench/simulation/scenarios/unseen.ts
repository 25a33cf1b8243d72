import { kratos } from '../controls/kratos.js';
import { bar, control, told } from '../finding.js';
import type { Finding, Scenario } from '../finding.js';
import { simulate } from '../fleet.js';
import { adaptiveRule, defaultRule, leastPendingRule, leastRequestsRule, peakEwmaRule, randomRule, roundRobinRule } from '../rule.js';
import type { Rule } from '../rule.js';
import { UNSEEN } from '../unseen-experiments.js';

/** Every rule that is shipped, and the peer that comes nearest. */
const OTHERS: readonly Rule[] = [leastPendingRule, peakEwmaRule, leastRequestsRule, adaptiveRule, roundRobinRule, randomRule, kratos];

/** How far behind the best of all rules the default may be in any of them: a tenth more than it was at worst. */
const BEHIND = 1.25;

/** Scenarios that the constants of the default were not chosen on, with seeds that they were not chosen with. */
export const unseen: Scenario = {
  name: 'unseen',
  shows: 'where the default loses, and to which rule',
  run({ seeds, share }) {
    const findings: Finding[] = [];
    for (const { name, of } of UNSEEN) {
      const seconds = (of.seconds ?? 40) * share;
      const p99 = (rule: Rule): readonly number[] => seeds.map((seed) => simulate({ ...of, seconds, rule, seed: seed + 900 }).percentile(0.99));
      const ours = told(`${name}: default, p99`, p99(defaultRule), 'ms');
      const others = OTHERS.map((rule) => told(`${name}: ${rule.name}`, p99(rule), 'ms'));
      const best = others.reduce((least, one) => (one.value < least.value ? one : least));
      findings.push(ours, ...others);
      findings.push(
        bar(`${name}: default against ${best.label.slice(name.length + 2)}, the best other`, [ours.value / best.value], '×', '<=', BEHIND),
      );
      if (name.includes('slow')) {
        const blind = others.find(({ label }) => label.endsWith(roundRobinRule.name))!;
        findings.push(control(`${name}: round robin against the best`, [blind.value / best.value], '×', '>=', 1.5));
      }
    }
    return findings;
  },
};
