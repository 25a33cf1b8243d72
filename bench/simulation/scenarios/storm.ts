import { backoff, retry, retryBudget, timeout, tokenThrottle } from '@ferrule/core';
import type { RetryOptions } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';
import { bar, control, told } from '../finding.js';
import type { Finding, Scenario } from '../finding.js';
import { leastPendingRule } from '../rule.js';
import { simulatePolicies } from '../through-policies.js';
import type { PolicyTally } from '../through-policies.js';

const SLOW_FROM = 10;
const SLOW_FOR = 5;
const NEVER = 60;

/** The retries of one client; false: none. */
type Retries = ((clock: Clock) => RetryOptions) | false;

const shipped: Retries = () => ({});
/** Three at once, whatever happens. */
const unbudgeted: Retries = () => ({ retries: 3, budgets: [], backoff: () => 0 });
const jittered: Retries = () => ({ retries: 3, budgets: [], immediate: false, backoff: backoff.fullJitter({ base: 50, cap: 500 }) });
const ratioAlone: Retries = (clock) => ({ retries: 3, budgets: [retryBudget({ ratio: 0.2, perSecond: 0, clock })] });
const grpc: Retries = () => ({ retries: 3, budgets: [tokenThrottle({ maxTokens: 10, perSuccess: 0.1 })] });

/** All servers drop to 30 % of their speed for 5 s; clients give an attempt 200 ms, servers finish what was given up. */
async function storm(retries: Retries, load: number, seed: number, seconds: number, dropsLate = false): Promise<PolicyTally> {
  return simulatePolicies({
    rule: leastPendingRule,
    clients: 20,
    load,
    seed,
    dropsLate,
    warmUpSeconds: SLOW_FROM,
    seconds,
    events: (fleet) => {
      fleet.at(SLOW_FROM, () => fleet.servers.forEach((server) => (server.speed = 0.3)));
      fleet.at(SLOW_FROM + SLOW_FOR, () => fleet.servers.forEach((server) => (server.speed = 1)));
    },
    policies: ({ clock, random }) => ({
      above: retries === false ? [] : [retry({ ...retries(clock), clock, random })],
      below: [timeout({ limit: 200, scope: 'attempt', clock })],
    }),
  });
}

/** Seconds from the end of the slowness to the first of three seconds in which 99 % succeed; `NEVER` when there are none. */
function recovery({ goodput }: PolicyTally): number {
  const healed = SLOW_FROM + SLOW_FOR;
  for (let second = healed; second + 3 <= goodput.length; second++)
    if (goodput.slice(second, second + 3).every((share) => share > 0.99)) return second - healed;
  return NEVER;
}

/** Retries are what turns five bad seconds into an outage without end. */
export const retryStorm: Scenario = {
  name: 'retry-storm',
  shows: 'retries under both budgets never keep a service down that could recover',
  async run({ seeds, share }) {
    const findings: Finding[] = [];
    const runs = async (retries: Retries, load: number, seconds: number, dropsLate = false): Promise<PolicyTally[]> => {
      const tallies: PolicyTally[] = [];
      for (const seed of seeds) tallies.push(await storm(retries, load, seed, seconds, dropsLate));
      return tallies;
    };
    for (const [load, limit] of [
      [0.7, 10],
      [0.85, 25],
    ] as const) {
      if (load !== 0.7 && share < 1) continue;
      const seconds = (load === 0.7 ? 25 : 40) * Math.max(share, 0.7);
      const ours = await runs(shipped, load, seconds);
      const late = await runs(shipped, load, seconds, true);
      findings.push(
        bar(`default retry, load ${load}: until 99 % succeed`, ours.map(recovery), 's', '<=', limit),
        bar(
          `default retry, load ${load}: attempts a call`,
          ours.map(({ attempts }) => attempts),
          '',
          '<=',
          1.15,
        ),
        bar(`the same, servers drop what is late: until 99 % succeed`, late.map(recovery), 's', '<=', 3),
        control(`3 retries, no budget, load ${load} (60: never)`, (await runs(unbudgeted, load, seconds)).map(recovery), 's', '>=', NEVER),
      );
      if (share < 1) continue;
      findings.push(
        told(`no retry, load ${load}`, (await runs(false, load, seconds)).map(recovery), 's'),
        told(`3 retries, gRPC's throttle (10, 0.1), load ${load}`, (await runs(grpc, load, seconds)).map(recovery), 's'),
      );
      if (load === 0.7)
        findings.push(
          control('3 retries, full jitter, no budget, load 0.7 (60: never)', (await runs(jittered, load, seconds)).map(recovery), 's', '>=', NEVER),
          told('3 retries, a budget of 20 % alone, load 0.7', (await runs(ratioAlone, load, seconds)).map(recovery), 's'),
        );
    }
    return findings;
  },
};
