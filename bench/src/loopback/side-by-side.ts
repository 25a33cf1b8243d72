// The same trouble and the same load for each client in turn: four real processes, of which something happens to one or to all.
import { setTimeout as wait } from 'node:timers/promises';
import { median, quantile } from '../harness.js';
import type { Row } from '../harness.js';
import { peersManifest } from '../peers.js';
import { grpc, ours, undici } from '../upstreams/clients.js';
import type { BenchClient, ClientKind } from '../upstreams/clients.js';
import { PER_SECOND, Upstream, drive } from '../upstreams/drive.js';
import { cockatielFetch, opossumFetch } from '../upstreams/fetch-clients.js';

const NODES = 4;
const WARM_UP = 2 * PER_SECOND;
const STREAMS = 20;

interface Scenario {
  /** In calls; 300 are made a second. */
  readonly calls: number;
  /** What happens, beginning with the first call that is counted. Resolves when it is over. */
  happen(nodes: readonly Upstream[], client: BenchClient): Promise<unknown>;
  /** How much shorter our p99 has to be than that of the best round robin; absent where turns are no worse than anything else. */
  readonly fasterThanTurns?: number;
}

const odd = (nodes: readonly Upstream[]): Upstream => nodes[1]!;

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  calm: { calls: 5 * PER_SECOND, happen: async () => {} },
  slow: { calls: 6 * PER_SECOND, happen: (nodes) => odd(nodes).ask({ type: 'fault', fault: 'slow' }), fasterThanTurns: 5 },
  'black hole': { calls: 6 * PER_SECOND, happen: (nodes) => odd(nodes).ask({ type: 'fault', fault: 'unavailable' }) },
  hang: { calls: 6 * PER_SECOND, happen: (nodes) => odd(nodes).ask({ type: 'fault', fault: 'hang' }), fasterThanTurns: 5 },
  freeze: { calls: 6 * PER_SECOND, happen: async (nodes) => (await wait(500), odd(nodes).freeze(2_000)) },
  /** 2, 4, 8 and 16 ms, one call at a time: even shares would ask 1.2 times of the last what it can do. */
  uneven: {
    calls: 6 * PER_SECOND,
    happen: (nodes) => Promise.all(nodes.map((node, index) => node.ask({ type: 'speed', workMs: 2 * 2 ** index, atOnce: 1 }))),
  },
  'rolling restart': {
    calls: 8 * PER_SECOND,
    async happen(nodes) {
      for (const node of nodes) {
        await wait(500);
        await node.restart();
      }
    },
  },
  streams: {
    calls: 5 * PER_SECOND,
    happen: (_nodes, client) => Promise.all(Array.from({ length: STREAMS }, async () => client.stream?.())),
  },
};

const CLIENTS: readonly ClientKind[] = [ours, undici, grpc, cockatielFetch, opossumFetch];
const TURNS: ReadonlySet<ClientKind> = new Set([grpc, cockatielFetch, opossumFetch]);

interface Result {
  readonly failed: number;
  readonly p99Ms: number;
}

async function run(kind: ClientKind, scenario: Scenario): Promise<Result> {
  const nodes = Array.from({ length: NODES }, (_, index) => new Upstream(kind.upstream, index, []));
  await Promise.all(nodes.map((node) => node.ready()));
  const client = await kind.open(
    nodes.map((node) => node.port),
    peersManifest(),
  );
  try {
    await drive(() => client.call(), WARM_UP);
    const over = scenario.happen(nodes, client);
    const { failed, latenciesMs } = await drive(() => client.call(), scenario.calls);
    await over;
    return { failed, p99Ms: quantile(latenciesMs, 0.99) };
  } finally {
    await client.close();
    for (const node of nodes) node.kill();
    await wait(50);
  }
}

/** `rounds` of every scenario with every client; of failures our worst round counts, of p99 the median. */
export async function sideBySideRows(rounds: number, only?: string): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    if (only !== undefined && only !== name) continue;
    const results = new Map<ClientKind, Result[]>(CLIENTS.map((kind) => [kind, []]));
    for (let round = 0; round < rounds; round++) for (const kind of CLIENTS) results.get(kind)!.push(await run(kind, scenario));
    const figures = (kind: ClientKind, figure: keyof Result): number[] => results.get(kind)!.map((result) => result[figure]);
    for (const kind of CLIENTS) {
      const own = kind === ours;
      const failed = figures(kind, 'failed');
      const p99Ms = figures(kind, 'p99Ms');
      rows.push({
        id: `${name}: failed, ${kind.name}`,
        unit: `calls of ${scenario.calls}`,
        value: own ? Math.max(...failed) : median(failed),
        ...(own ? { op: '<=' as const, limit: 0 } : {}),
        samples: own ? { ours: failed, peer: [] } : { ours: [], peer: failed },
      });
      rows.push({
        id: `${name}: p99, ${kind.name}`,
        unit: 'ms',
        value: median(p99Ms),
        samples: own ? { ours: p99Ms, peer: [] } : { ours: [], peer: p99Ms },
      });
    }
    const mine = figures(ours, 'p99Ms');
    const against = (peers: readonly ClientKind[]): readonly number[] => {
      const best = peers.toSorted((a, b) => median(figures(a, 'p99Ms')) - median(figures(b, 'p99Ms')))[0]!;
      return figures(best, 'p99Ms');
    };
    // Whoever loses calls has no latency worth comparing with: a refusal is quick.
    const whole = CLIENTS.filter((kind) => kind !== ours && Math.max(...figures(kind, 'failed')) === 0);
    const best = against(whole.length > 0 ? whole : CLIENTS.filter((kind) => kind !== ours));
    rows.push({
      id: `${name}: p99 beside the best peer${whole.length > 0 ? ' that loses nothing' : ' (each loses calls)'}`,
      unit: '× peer',
      value: median(mine) / median(best),
      op: '<=',
      limit: 1.1,
      samples: { ours: mine, peer: best },
    });
    if (scenario.fasterThanTurns !== undefined) {
      const turns = against([...TURNS]);
      rows.push({
        id: `${name}: p99 of the best round robin beside ours`,
        unit: '× ours',
        value: median(turns) / median(mine),
        op: '>=',
        limit: scenario.fasterThanTurns,
        samples: { ours: mine, peer: turns },
      });
    }
  }
  return rows;
}
