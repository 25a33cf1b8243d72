// What health costs and what it must never do: CPU for a probe, checks under many probes at once, liveness while everything else fails, and
// how soon others hear that readiness has changed.
import { cpuRows } from './health/cpu.js';
import { flipRows } from './health/flips.js';
import { probeRows } from './health/probes.js';
import { report } from './harness.js';
import { onNode24 } from './peers.js';

// The bar is of Node 24; `--here` stays on the Node that runs this.
if (!process.argv.includes('--here')) onNode24(import.meta.url);
report('health', [...(await cpuRows()), ...(await probeRows()), ...(await flipRows())]);
