// The main job, on real processes: services that find each other, share load and survive. See README.md.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Membership } from './membership.js';
import { Shop } from './shop.js';
import { shoppers } from './shoppers.js';
import { story } from './story.js';
import { PhaseRecord, summarize } from './summary.js';
import type { Summary } from './summary.js';
import { Screen, linesOf } from './table.js';

const REQUESTS_PER_SECOND = 240;
const REFRESH_MS = 250;
/** A phase's shares count from here: balancers may take a moment to notice. */
const SETTLE_MS = 2_000;

const { values: options } = parseArgs({
  options: { naive: { type: 'boolean', default: false }, json: { type: 'string' }, registry: { type: 'string', default: 'file' } },
});
if (options.registry !== 'file' && options.registry !== 'consul') throw new TypeError(`--registry: ${options.registry} is neither file nor consul`);
const directory = options.registry === 'file' ? mkdtempSync(join(tmpdir(), 'ferrule-demo-')) : undefined;
const screen = new Screen(process.stdout);
const shop = new Shop({ registry: directory ?? 'consul', naive: options.naive, onEvent: (text) => screen.say(text) });
process.once('exit', () => {
  shop.killAll();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

screen.say(`a gateway, four instances of orders and two of users${options.naive ? ', with round robin and no policies' : ''}`);
await shop.open();
const summary = await run();
await shop.close();
print(summary);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(summary, null, 2)}\n`);
process.exitCode = summary.failed === 0 ? 0 : 1;

async function run(): Promise<Summary> {
  const membership = new Membership((text) => screen.say(text));
  const records = story.map((phase) => new PhaseRecord(phase.name));
  let current = records[0]!;
  // A visit belongs to the phase in which it began.
  const begun: { at: number; record: PhaseRecord }[] = [];
  const traffic = shoppers(shop.gatewayPort, REQUESTS_PER_SECOND, (visit) => {
    const record = begun.findLast(({ at }) => at <= visit.startedAt)?.record ?? current;
    record.visits.push(visit);
    if (visit.failure !== undefined && record.failures.length <= 5) screen.say(`FAILED in ${record.name}: ${visit.failure}`);
  });
  for (const [index, phase] of story.entries()) {
    current = records[index]!;
    const at = performance.now();
    begun.push({ at, record: current });
    screen.say(`— ${phase.name}`);
    let acting = true;
    const act = phase.act(shop).finally(() => (acting = false));
    act.catch(() => {}); // awaited below
    await shop.endpoints(); // what came before belongs to the phase before
    while (acting || performance.now() - at < phase.seconds * 1_000) {
      await wait(REFRESH_MS);
      const reports = await shop.endpoints();
      membership.see(reports);
      if (performance.now() - at > SETTLE_MS) current.addAttempts(reports);
      screen.draw(
        `${phase.name}: ${current.visits.length} requests, ${current.failures.length} failed`,
        linesOf(reports, (name) => shop.hostOf(name)),
      );
    }
    await act;
    tell(current);
  }
  await traffic.stop();
  return summarize(records);
}

function tell(record: PhaseRecord): void {
  const { requests, failed, p50Ms, p99Ms, shares } = record.summary();
  const parts = Object.entries(shares).map(([name, share]) => `${name} ${(100 * share).toFixed(1)} %`);
  screen.say(`  ${requests} requests, ${failed} failed, p50 ${p50Ms} ms, p99 ${p99Ms} ms; ${parts.join(', ')}`);
}

function print(result: Summary): void {
  process.stdout.write(`\n${'phase'.padEnd(18)}${'requests'.padStart(10)}${'failed'.padStart(8)}${'p50 ms'.padStart(9)}${'p99 ms'.padStart(9)}\n`);
  for (const row of [...result.phases, { name: 'all', ...result }]) {
    process.stdout.write(
      `${row.name.padEnd(18)}${String(row.requests).padStart(10)}${String(row.failed).padStart(8)}${row.p50Ms.toFixed(1).padStart(9)}${row.p99Ms.toFixed(1).padStart(9)}\n`,
    );
  }
  process.stdout.write(result.failed === 0 ? `\nNo request failed.\n` : `\n${result.failed} of ${result.requests} requests failed.\n`);
}
