// The default load rule beside others, outside of any simulator: one of four real processes is slow, refuses, stalls or holds open streams.
import { setTimeout as wait } from 'node:timers/promises';
import { client, leastPending, p2c, peakEwma, relativeLatency, roundRobin, staticRegistry } from '@ferrule/core';
import type { Reply } from '@ferrule/core';
import type { Balancer } from '@ferrule/core/adapter';
import { quantile } from '../harness.js';
import type { Row } from '../harness.js';
import { PER_SECOND, Upstream, drive } from '../upstreams/drive.js';

const NODES = 4;
const WARM_UP = 2 * PER_SECOND;
const NOTICE = 2 * PER_SECOND;
const MEASURED = 5 * PER_SECOND;
const STREAMS = 20;

const BALANCERS: Readonly<Record<string, () => Balancer>> = {
  'p2c, relative latency (default)': () => p2c({ load: relativeLatency() }),
  'p2c, peak EWMA': () => p2c({ load: peakEwma() }),
  'p2c, least pending': () => p2c({ load: leastPending() }),
  'round robin': () => roundRobin(),
};

const SCENARIOS = ['slow', 'unavailable', 'stalls', 'streams'] as const;
type Scenario = (typeof SCENARIOS)[number];

/** The odd node's share of the calls, where 1 is what each of the four should have of an even split. */
const BARS: Readonly<Record<Scenario, { op: '<=' | '>='; limit: number }>> = {
  slow: { op: '<=', limit: 0.12 },
  unavailable: { op: '<=', limit: 0.12 },
  stalls: { op: '<=', limit: 1 },
  streams: { op: '>=', limit: 0.5 },
};

async function shareOfOddNode(make: () => Balancer, scenario: Scenario): Promise<{ share: number; failed: number; p99Ms: number }> {
  const nodes = Array.from({ length: NODES }, (_, index) => new Upstream('http', index, []));
  await Promise.all(nodes.map((node) => node.ready()));
  const odd = nodes[0]!;
  const inner = make();
  // The streams all go to the odd node; everything else is the balancer's choice.
  const balancer: Balancer = {
    name: inner.name,
    pick: (view, call) =>
      call.operation.path === '/events' ? view.endpoints.find((endpoint) => endpoint.instance.port === odd.port) : inner.pick(view, call),
  };
  const registry = staticRegistry({ bench: nodes.map((node) => `http://127.0.0.1:${node.port}`) });
  const bench = client('bench', { registry, balancer });
  const streams: Reply[] = [];
  try {
    await drive(() => bench.get('/'), WARM_UP);
    if (scenario === 'streams') {
      for (let index = 0; index < STREAMS; index++) streams.push(await bench.request('GET', '/events', { stream: true }));
      for (const { body } of streams) (body as NodeJS.ReadableStream).resume();
    } else {
      await odd.ask({ type: 'fault', fault: scenario });
    }
    const first = await drive(() => bench.get('/'), NOTICE);
    const before = await odd.ask({ type: 'hits' });
    const then = await drive(() => bench.get('/'), MEASURED);
    const hits = (await odd.ask({ type: 'hits' })) - before;
    return { share: (hits / MEASURED) * NODES, failed: first.failed + then.failed, p99Ms: quantile(then.latenciesMs, 0.99) };
  } finally {
    for (const { body } of streams) (body as NodeJS.ReadableStream & { destroy(): void }).destroy();
    await bench[Symbol.asyncDispose]();
    for (const node of nodes) node.kill();
    await wait(50);
  }
}

/** Who asks the odd node how often, by balancer. */
export async function shareRows(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const scenario of SCENARIOS) {
    for (const [name, make] of Object.entries(BALANCERS)) {
      const { share, failed, p99Ms } = await shareOfOddNode(make, scenario);
      const own = name.includes('default');
      rows.push({
        id: `${scenario}: share of the odd node, ${name}`,
        unit: 'of an even share',
        value: share,
        ...(own ? BARS[scenario] : {}),
        samples: { ours: [share], peer: [] },
      });
      rows.push({
        id: `${scenario}: failed, ${name}`,
        unit: 'calls',
        value: failed,
        ...(own ? { op: '<=' as const, limit: 0 } : {}),
        samples: { ours: [failed], peer: [] },
      });
      rows.push({ id: `${scenario}: p99, ${name}`, unit: 'ms', value: p99Ms, samples: { ours: [p99Ms], peer: [] } });
    }
  }
  return rows;
}
