import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The package.json of the installed peers, from which they resolve; installs them into .cache when they are missing or others. */
export function peersManifest(): string {
  const wanted = join(root, 'bench/peers/package.json');
  const folder = join(root, '.cache/peers');
  const manifest = join(folder, 'package.json');
  const stamp = join(folder, 'installed');
  const text = readFileSync(wanted, 'utf8');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== text) {
    mkdirSync(folder, { recursive: true });
    copyFileSync(wanted, manifest);
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    writeFileSync(stamp, text);
  }
  return manifest;
}

/** Goes on in Node 24 when this is an older one, which some peers do not run on; takes it from the npm package `node`, into .cache. */
export function onNode24(moduleUrl: string): void {
  if (Number(process.versions.node.split('.')[0]) >= 22) return;
  const folder = join(root, '.cache/node-24');
  const binary = join(folder, 'node_modules/.bin/node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder, 'node@24'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  const { status } = spawnSync(binary, [fileURLToPath(moduleUrl), ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
