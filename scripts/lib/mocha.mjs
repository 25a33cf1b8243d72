import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { root, tool } from './run.mjs';

const SUITE = 'test/dist/**/*.test.js';
const LONG = 'test/dist/**/*.long.js';

/**
 * Runs tests and resolves to what came of it: the exit code and the counts, undefined when mocha did not get as far.
 * `args` are mocha's, and a file may be named by its source (`test/core/retry.test.ts`). Without one the whole suite runs.
 */
export async function mocha(args = [], { node, coverage = false, long = false, timeoutMs } = {}) {
  mkdirSync(join(root, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(root, '.cache/mocha-'));
  const counts = join(folder, 'counts.json');
  const named = args.map(compiled);
  const files = named.some((arg) => arg.endsWith('.js')) ? [] : [long ? LONG : SUITE];
  const command = ['node_modules/mocha/bin/mocha.js', '--reporter', 'scripts/lib/reporter.cjs', ...named, ...files];
  try {
    const options = { timeoutMs, env: { FERRULE_COUNTS: counts }, ...(node !== undefined && { node }) };
    const code = coverage
      ? await tool('node_modules/c8/bin/c8.js', [process.execPath, ...command], options)
      : await tool(command[0], command.slice(1), options);
    return { code, counts: existsSync(counts) ? JSON.parse(readFileSync(counts, 'utf8')) : undefined };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `12 passed, 0 failed, 1 skipped` over several runs. */
export function totalLine(runs, failedSteps = 0) {
  const sum = (key) => runs.reduce((total, { counts }) => total + (counts?.[key] ?? 0), 0);
  return `${sum('passed')} passed, ${sum('failed') + failedSteps} failed, ${sum('skipped')} skipped`;
}

function compiled(arg) {
  const path = relative(root, resolve(root, arg));
  if (!arg.endsWith('.ts') || !path.startsWith(`test${sep}`)) return arg;
  return join('test/dist', relative('test', path)).replace(/\.ts$/, '.js');
}
