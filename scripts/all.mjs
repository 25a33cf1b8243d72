// npm run all: exactly what CI runs. Every step runs, so that one look shows all that is wrong; only a failed build ends it.
// The last line says how many tests passed, failed and were skipped over both Nodes; a failed step counts as one failure.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mocha, totalLine } from './lib/mocha.mjs';
import { node24 } from './lib/node24.mjs';
import { root, tool } from './lib/run.mjs';

/** It takes 8 minutes on two cores; what is not done after more than twice that is ended and fails. */
const LIMIT_MS = 20 * 60_000;
const end = Date.now() + LIMIT_MS;
const remaining = (mostMs) => Math.max(1_000, Math.min(mostMs, end - Date.now()));

const failedSteps = [];
const runs = [];

async function step(name, work) {
  const start = Date.now();
  process.stdout.write(`\n── ${name}\n`);
  let ok = false;
  try {
    ok = await work();
  } catch (error) {
    process.stderr.write(`${error?.stack ?? error}\n`);
  }
  process.stdout.write(`── ${name}: ${ok === true ? 'ok' : 'FAILED'} (${((Date.now() - start) / 1000).toFixed(1)} s)\n`);
  if (ok !== true) process.exitCode = 1;
  if (ok === false) failedSteps.push(name);
  return ok === true;
}

const script =
  (name, args = []) =>
  async () =>
    (await tool(`scripts/${name}.mjs`, args, { timeoutMs: remaining(120_000) })) === 0;

/** Failed tests are counted one by one; the step itself only when it failed in another way: a crash, a hang, leftovers, the coverage floor. */
const tests = (options) => async () => {
  const result = await mocha(['--forbid-only'], { ...options, timeoutMs: remaining(540_000) });
  runs.push(result);
  if (result.code === 0) return true;
  const failed = result.counts?.failed ?? 0;
  return failed > 0 && result.code === Math.min(failed, 255) ? 'counted' : false;
};

if (await step('install and build', script('build'))) {
  await step('format', script('format', ['--check']));
  await step('lint', script('lint'));
  await step('packages', script('check-packages'));
  await step('API reports', script('api', ['--check']));
  await step('packed packages', script('check-packed'));
  await step('lock file', script('check-lock'));
  await step('Consul agent', script('consul', ['--fetch']));
  await step('etcd', script('etcd', ['--fetch']));
  await step('Redis', script('redis', ['--fetch']));
  await step(`tests on Node ${process.versions.node}, with coverage`, tests({ coverage: true }));
  let node;
  if (await step('Node 24 from npm', async () => (node = await node24()) !== undefined)) {
    await step('tests on Node 24', tests({ node }));
  }
}

const line = totalLine(runs, failedSteps.length);
mkdirSync(join(root, '.cache'), { recursive: true });
writeFileSync(join(root, '.cache/total'), `${line}\n`);
process.stdout.write(`\n${failedSteps.length > 0 ? `Failed steps: ${failedSteps.join(', ')}\n` : ''}${line}\n`);
