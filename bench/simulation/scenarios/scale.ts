import { subset } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import { prequal } from '../controls/prequal.js';
import { exponential, normal } from '../draws.js';
import { bar, control, ratios, told } from '../finding.js';
import type { Scenario } from '../finding.js';
import { instanceOf, simulate } from '../fleet.js';
import type { Experiment, Fleet } from '../fleet.js';
import { defaultRule, peakEwmaRule, roundRobinRule } from '../rule.js';
import type { Rule } from '../rule.js';

const MEAN_MS = 60;
/** Mean and deviation of the normal distribution that has that mean once it is cut at 0, which adds 8.33 %. */
const MU_MS = MEAN_MS / 1.0833;
const CONTENDED_FOR = exponential(1_000);
const FREE_FOR = exponential(4_000);
const FREE_SPEED = 2.5;

/** Each server is alone on its machine for some seconds, then has to share it for one. */
export function antagonists({ servers, agenda, random }: Fleet): void {
  for (const server of servers) {
    const flip = (): void => {
      const free = server.speed === 1;
      server.speed = free ? FREE_SPEED : 1;
      agenda.schedule((free ? FREE_FOR : CONTENDED_FOR)(random), flip);
    };
    if (random() < 0.8) server.speed = FREE_SPEED;
    agenda.schedule((server.speed === 1 ? CONTENDED_FOR : FREE_FOR)(random), flip);
  }
}

/** A hundred clients and a hundred servers, each promised a part of a machine, at 1.27 times what they were promised. */
export function hundred(rule: Rule, seed: number, share: number, size?: number): Experiment {
  return {
    rule,
    seed,
    servers: 100,
    clients: 100,
    serviceMs: normal(MU_MS, MU_MS),
    meanMs: MEAN_MS,
    load: 1.27,
    roundTripMs: 0.6,
    seconds: 35 * share,
    events: antagonists,
    ...(size !== undefined && { subset: (index: number, peers: number) => subset({ size, index, peers }) }),
  };
}

/** The experiment of Prequal's authors (NSDI 2024). */
export const antagonistic: Scenario = {
  name: 'antagonists',
  shows: 'with a subset of the servers each, clients do without probes what Prequal does with three a call',
  run({ seeds, share }) {
    const p99 = (rule: Rule, size?: number): readonly number[] => seeds.map((seed) => simulate(hundred(rule, seed, share, size)).percentile(0.99));
    const ours = p99(defaultRule, 12);
    const theirs = p99(prequal);
    return [
      bar('default, subset of 12: p99', ours, 'ms', '<=', 175),
      bar('default, subset of 12: p99 against Prequal', ratios(ours, theirs), '×', '<=', 1.25),
      ...(share < 1 ? [] : [told('default, subset of 20: p99', p99(defaultRule, 20), 'ms'), told('default, all 100: p99', p99(defaultRule), 'ms')]),
      told('Prequal: p99', theirs, 'ms'),
      control('round robin against it', ratios(p99(roundRobinRule), ours), '×', '>=', 4),
      control('peak EWMA against it', ratios(p99(peakEwmaRule), ours), '×', '>=', 2.5),
    ];
  },
};

const list = (count: number): Instance[] => Array.from({ length: count }, (_, server) => instanceOf(server));

function clientsPerServer(servers: number, clients: number, drawn: (client: number) => ReturnType<typeof subset>): readonly number[] {
  const counts = new Map(list(servers).map(({ id }) => [id, 0]));
  for (let client = 0; client < clients; client++) for (const { id } of drawn(client)(list(servers))) counts.set(id, counts.get(id)! + 1);
  return [...counts.values()];
}

/** Who gets which servers, without any traffic. */
export const subsets: Scenario = {
  name: 'subset',
  shows: 'each server has as many clients as the others, and a change of the list moves one server of a client',
  run() {
    const shapes = [
      [100, 100, 12],
      [300, 30, 20],
      [37, 11, 12],
    ] as const;
    const spread = shapes.map(([servers, clients, size]) => {
      const counts = clientsPerServer(servers, clients, (index) => subset({ size, index, peers: clients }));
      return Math.max(...counts) - Math.min(...counts);
    });
    const changes: number[] = [];
    for (let client = 0; client < 100; client++) {
      const own = subset({ size: 20, client: `client-${client}` });
      const before = new Set(own(list(100)).map(({ id }) => id));
      for (const after of [own(list(101)), own(list(100).toSpliced(client, 1))]) changes.push(after.filter(({ id }) => !before.has(id)).length);
    }
    const drawn = clientsPerServer(100, 100, (client) => subset({ size: 20, client: `client-${client}` }));
    return [
      bar('by index: most clients of a server less fewest', [Math.max(...spread)], 'clients', '<=', 1),
      bar('by name: new servers of a client after one comes or goes', [Math.max(...changes)], 'servers', '<=', 1),
      control('by name: most clients of a server less fewest', [Math.max(...drawn) - Math.min(...drawn)], 'clients', '>=', 2),
    ];
  },
};
