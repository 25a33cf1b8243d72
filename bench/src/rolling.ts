// Rolling restarts under constant load from clients that do not retry, and stops with a stuck request. Everything runs in processes of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchAgent } from './discovery/consul-agent.js';
import { report } from './harness.js';
import type { Row } from './harness.js';
import { restartRows } from './rolling/restart.js';
import { stuckRows } from './rolling/stuck.js';

const rows: Row[] = [...(await stuckRows())];
const directory = mkdtempSync(join(tmpdir(), 'ferrule-rolling-'));
try {
  rows.push(...(await restartRows('file', directory)));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
const agent = await benchAgent();
if (agent === undefined) throw new Error('There is no Consul here and none can be fetched. Put `consul` on the PATH, or its path into CONSUL_BIN.');
try {
  rows.push(...(await restartRows('consul', agent.address)));
} finally {
  await agent.kill('SIGTERM');
}
report('rolling', rows);
