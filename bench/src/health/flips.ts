import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createService, fileRegistry, silentLogger } from '@ferrule/core';
import type { Instance, Registry } from '@ferrule/core';
import { consulRegistry } from '@ferrule/consul';
import { expressAdapter } from '@ferrule/express';
import { benchAgent } from '../discovery/consul-agent.js';
import { median } from '../harness.js';
import type { Row } from '../harness.js';

const FLIPS = 10;
/** A change is told at most once a second. */
const BETWEEN_MS = 1_100;

/** From the moment when a check learns that its dependency is gone, or back, until another reader of the registry has the new status. */
export async function flipRows(): Promise<readonly Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ferrule-flips-'));
  const agent = await benchAgent();
  try {
    const rows = [await flips('file registry', () => fileRegistry({ directory }))];
    // Readiness is told by heartbeats there; with an HTTP check Consul finds out by itself, at its next turn.
    if (agent !== undefined) rows.push(await flips('Consul, TTL check', () => consulRegistry({ address: agent.address, check: 'ttl' })));
    return rows;
  } finally {
    await agent?.kill('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  }
}

async function flips(what: string, open: () => Registry): Promise<Row> {
  const [own, other] = [open(), open()];
  let down = false;
  let changed = (): void => {};
  const service = createService({
    name: 'orders',
    adapter: expressAdapter(),
    registry: own,
    signals: false,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
    drainDelay: 0,
    health: { checks: [{ name: 'database', run: () => !down, cacheFor: 0, onChange: (tell) => ((changed = tell), () => {}) }] },
  });
  await service.start();
  const over = new AbortController();
  let heard: (list: readonly Instance[]) => void = () => {};
  const watching = (async () => {
    for await (const list of other.watch('orders', over.signal)) heard(list);
  })();
  const seen = (status: string): Promise<void> =>
    new Promise((resolve) => {
      heard = (list) => {
        if ((list[0]?.status ?? 'pass') === status) resolve();
      };
    });
  await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
  const took: number[] = [];
  for (let flip = 0; flip < FLIPS; flip++) {
    down = !down;
    const there = seen(down ? 'fail' : 'pass');
    const begun = performance.now();
    changed();
    await there;
    took.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
  }
  over.abort();
  await watching;
  await service.stop();
  await own[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  return { id: `${what}: a change of readiness reaches another reader`, unit: 'ms', value: median(took), samples: { ours: took, peer: [] } };
}
