import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { npm, root } from './run.mjs';

/** The binary of Node 24, taken once from the npm package `node` into .cache; undefined when it cannot be had. */
export async function node24() {
  const folder = join(root, '.cache/node-24');
  const binary = join(folder, 'node_modules/.bin/node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    const code = await npm(['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder, 'node@24'], {
      quiet: true,
      timeoutMs: 120_000,
    });
    if (code !== 0) return undefined;
  }
  return existsSync(binary) ? binary : undefined;
}
