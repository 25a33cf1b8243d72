import { ejector, hedge } from '@ferrule/core';
import type { HedgeOptions } from '@ferrule/core';
import { bimodal, exponential } from '../draws.js';
import type { Draw } from '../draws.js';
import { bar, control, ratios, told } from '../finding.js';
import type { Scenario } from '../finding.js';
import { defaultRule } from '../rule.js';
import { percentile, simulatePolicies } from '../through-policies.js';
import type { PolicyTally } from '../through-policies.js';

const RARE = bimodal(10, 0.01, 50);

/** Every hundredth call takes fifty times as long: the balancer cannot know which. */
export const hedging: Scenario = {
  name: 'hedge',
  shows: 'a second attempt at the 95th percentile cuts the tail, and its budget keeps it from doing harm',
  async run({ seeds, share }) {
    const run = async (serviceMs: Draw, load: number, options: HedgeOptions | false): Promise<PolicyTally[]> => {
      const tallies: PolicyTally[] = [];
      for (const seed of seeds)
        tallies.push(
          await simulatePolicies({
            rule: defaultRule,
            ejector: ejector(),
            clients: 5,
            serviceMs,
            load,
            seed,
            warmUpSeconds: 5,
            seconds: 20 * share,
            policies: ({ clock }) => ({ above: options === false ? [] : [hedge({ ...options, clock })], below: [] }),
          }),
        );
      return tallies;
    };
    const at = (tallies: readonly PolicyTally[], quantile: number): readonly number[] =>
      tallies.map(({ latencies }) => percentile(quantile, latencies));
    const plain = await run(RARE, 0.5, false);
    const hedged = await run(RARE, 0.5, {});
    const full = await run(exponential(10), 0.8, false);
    const fullHedged = await run(exponential(10), 0.8, {});
    const unbudgeted = await run(exponential(10), 0.8, { ratio: 1 });
    return [
      bar('hedged, load 0.5: p99.9', at(hedged, 0.999), 'ms', '<=', 60),
      bar(
        'hedged, load 0.5: extra attempts',
        hedged.map(({ attempts }) => (attempts - 1) * 100),
        '%',
        '<=',
        5.2,
      ),
      control('not hedged: p99.9', at(plain, 0.999), 'ms', '>=', 250),
      bar('hedged, load 0.8, nothing to win: p99 against not hedged', ratios(at(fullHedged, 0.99), at(full, 0.99)), '×', '<=', 1.05),
      told(
        'the same: extra attempts',
        fullHedged.map(({ attempts }) => (attempts - 1) * 100),
        '%',
      ),
      control('hedged without a budget, load 0.8: p90 against not hedged', ratios(at(unbudgeted, 0.9), at(full, 0.9)), '×', '>=', 10),
    ];
  },
};
