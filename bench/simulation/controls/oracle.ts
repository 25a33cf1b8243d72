import type { Endpoint } from '@ferrule/core/adapter';
import type { Rule } from '../rule.js';

/** The endpoint of least cost, ties broken at random: what the rules that compare all have in common. */
export function least(endpoints: readonly Endpoint[], costOf: (endpoint: Endpoint) => number, random: () => number): Endpoint | undefined {
  let best: Endpoint | undefined;
  let bestCost = Infinity;
  let ties = 0;
  for (const endpoint of endpoints) {
    const cost = costOf(endpoint);
    if (cost > bestCost) continue;
    ties = cost < bestCost ? 1 : ties + 1;
    bestCost = cost;
    if (ties === 1 || random() * ties < 1) best = endpoint;
  }
  return best;
}

/** What nobody can have: join the shortest queue, by the servers' own counts and speeds. */
export const oracle: Rule = {
  name: 'oracle (true queues)',
  make: ({ random, busyness }) => ({
    name: 'oracle',
    pick: ({ endpoints }) => least(endpoints, ({ id }) => busyness(Number(id.slice(1))), random),
  }),
};
