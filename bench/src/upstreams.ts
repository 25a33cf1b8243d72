// One of three upstreams goes bad under 300 calls a second: who fails, who waits, and who still asks the bad one.
import { parseArgs } from 'node:util';
import { median, quantile, report } from './harness.js';
import type { Row } from './harness.js';
import { onNode24, peersManifest } from './peers.js';
import { clients } from './upstreams/clients.js';
import type { BenchClient, ClientKind } from './upstreams/clients.js';
import { PER_SECOND, Upstream, drive, freePorts } from './upstreams/drive.js';
import type { Fault } from './upstreams/protocol.js';

const WARM_UP = 300;
const CALLS = 1_800;
/** The bad upstream's share counts after so many calls. */
const NOTICED_AFTER = 100;
const SCENARIOS = ['killed', 'unavailable', 'slow', 'hang'] as const;
type Scenario = (typeof SCENARIOS)[number];

interface Result {
  readonly failed: number;
  readonly p99Ms: number;
  /** Share of the calls, in percent, that reached the bad upstream after it had been noticed. */
  readonly badPercent: number;
}

async function withUpstreams<T>(kind: ClientKind, run: (client: BenchClient, nodes: readonly Upstream[]) => Promise<T>): Promise<T> {
  const ports = kind.upstream === 'moleculer' ? await freePorts(4) : [];
  const nodes = [0, 1, 2].map((index) => new Upstream(kind.upstream, index, ports));
  await Promise.all(nodes.map((node) => node.ready()));
  const client = await kind.open(kind.upstream === 'moleculer' ? ports : nodes.map((node) => node.port), peersManifest());
  try {
    await drive(() => client.call(), WARM_UP);
    return await run(client, nodes);
  } finally {
    await client.close();
    for (const node of nodes) node.kill();
  }
}

function goesBad(kind: ClientKind, scenario: Scenario): Promise<Result> {
  return withUpstreams(kind, async (client, nodes) => {
    const bad = nodes[1]!;
    if (scenario === 'killed') bad.kill();
    else await bad.ask({ type: 'fault', fault: scenario satisfies Fault });
    let before: Promise<number> = Promise.resolve(0);
    const { failed, latenciesMs } = await drive(
      () => client.call(),
      CALLS,
      (index) => {
        if (index === NOTICED_AFTER) before = bad.ask({ type: 'hits' });
      },
    );
    const hits = scenario === 'killed' ? 0 : (await bad.ask({ type: 'hits' })) - (await before);
    return { failed, p99Ms: quantile(latenciesMs, 0.99), badPercent: (100 * hits) / (CALLS - NOTICED_AFTER) };
  });
}

/** Seconds until an upstream that was slow for six seconds has half of its fair share again, measured over the last second. */
function recovery(kind: ClientKind): Promise<number> {
  return withUpstreams(kind, async (client, nodes) => {
    const once = nodes[1]!;
    await once.ask({ type: 'fault', fault: 'slow' });
    await drive(() => client.call(), 6 * PER_SECOND);
    await once.ask({ type: 'fault', fault: 'none' });
    for (let second = 1; second <= 40; second++) {
      const before = await once.ask({ type: 'hits' });
      await drive(() => client.call(), PER_SECOND);
      if ((await once.ask({ type: 'hits' })) - before >= PER_SECOND / 6) return second;
    }
    return Number.POSITIVE_INFINITY;
  });
}

onNode24(import.meta.url);
const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, json: { type: 'string' }, ours: { type: 'boolean', default: false } },
});
const rounds = Number(options.rounds);
const measured = new Map<string, Result[]>();
const kinds = options.ours ? clients.slice(0, 1) : clients;
for (let round = 0; round < rounds; round++) {
  for (const scenario of SCENARIOS) {
    for (const kind of kinds) {
      const key = `${scenario}/${kind.name}`;
      measured.set(key, [...(measured.get(key) ?? []), await goesBad(kind, scenario)]);
    }
  }
}

const BARS: Readonly<Record<keyof Result, number>> = { failed: 0, p99Ms: 10, badPercent: 1 };
const UNITS: Readonly<Record<keyof Result, string>> = { failed: `calls of ${CALLS}`, p99Ms: 'ms', badPercent: '% of calls' };
const rows: Row[] = [];
for (const scenario of SCENARIOS) {
  for (const kind of kinds) {
    for (const figure of ['failed', 'p99Ms', 'badPercent'] as const) {
      const samples = measured.get(`${scenario}/${kind.name}`)!.map((result) => result[figure]);
      const own = kind === clients[0];
      // Of failures the worst round counts: nothing is the promise.
      const value = own && figure === 'failed' ? Math.max(...samples) : median(samples);
      rows.push({
        id: `${scenario}: ${figure}, ${kind.name}`,
        unit: UNITS[figure],
        value,
        ...(own ? { op: '<=' as const, limit: BARS[figure] } : {}),
        samples: own ? { ours: samples, peer: [] } : { ours: [], peer: samples },
      });
    }
  }
}
const recoveries: number[] = [];
for (let round = 0; round < rounds; round++) recoveries.push(await recovery(clients[0]!));
rows.push({
  id: 'slow, then well: half of its share again, ferrule',
  unit: 's',
  value: median(recoveries),
  op: '<=',
  limit: 25,
  samples: { ours: recoveries, peer: [] },
});
report('upstreams', rows);
