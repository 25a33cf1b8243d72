// npm run api: writes the public declarations of every entry of every package to packages/<name>/api/, where a review sees what changed.
// `-- --check` changes nothing and fails on a difference, as CI does. A folder may be named in place of all packages.
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { updateReports } from './lib/api-reports.mjs';
import { prepare } from './lib/prepare.mjs';
import { root } from './lib/run.mjs';

const check = process.argv.includes('--check');
const named = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
if (named.length === 0) await prepare();
const folders =
  named.length > 0 ? named.map((name) => resolve(name)) : readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name));

for (const folder of folders.filter((path) => existsSync(join(path, 'package.json')))) {
  const { written, problems } = updateReports(folder, { check });
  for (const file of written) process.stdout.write(`${file}\n`);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
}
