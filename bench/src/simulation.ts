// Balancing and resilience against the acceptance bars, in simulated time: npm run bench -- simulation [scenario] [--json FILE] [--svg FILE].
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Finding } from '#simulation/finding.js';
import { measurePoints, svgOf } from '#simulation/plot.js';
import { SCENARIOS } from '#simulation/scenarios.js';
import { report } from './harness.js';
import type { Row } from './harness.js';

const SEEDS = [1, 2, 3];
const { values, positionals } = parseArgs({ options: { json: { type: 'string' }, svg: { type: 'string' } }, allowPositionals: true });
const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown.length > 0) {
  process.stderr.write(`There is no scenario ${JSON.stringify(unknown[0])}. One of: ${SCENARIOS.map(({ name }) => name).join(', ')}.\n`);
  process.exit(1);
}

if (values.svg !== undefined) {
  const file = resolve(values.svg);
  mkdirSync(dirname(file), { recursive: true });
  const points = measurePoints();
  writeFileSync(file, svgOf(points));
  report(
    'simulation-plot',
    points.map(({ group, series, p99 }) => ({ id: `${group}: ${series}`, unit: 'ms', value: p99, samples: { ours: [p99], peer: [] } })),
  );
} else {
  const rows: Row[] = [];
  for (const { name, shows, run } of SCENARIOS) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    process.stderr.write(`${name}: ${shows}\n`);
    for (const finding of await run({ seeds: SEEDS, share: 1 })) rows.push(rowOf(name, finding));
  }
  report('simulation', rows);
  if (positionals.length === 0) process.stdout.write('Nanoseconds and bytes of a pick: npm run bench -- balancers.\n');
}

function rowOf(scenario: string, { label, unit, value, op, limit, samples, isControl }: Finding): Row {
  const id = isControl ? `${scenario}: control, which has to be this bad: ${label}` : `${scenario}: ${label}`;
  return { id, unit, value, ...(op !== undefined && limit !== undefined && { op, limit }), samples: { ours: samples, peer: [] } };
}
