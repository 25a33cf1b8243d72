// npm run check:packages: whether each package is fit to be published (publint --strict, licence, readme, contents, ranges),
// and whether anything in the repository is used by nobody (knip).
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { prepare } from './lib/prepare.mjs';
import { root, tool } from './lib/run.mjs';

await prepare();
const problems = [];
const licence = readFileSync(join(root, 'LICENSE'), 'utf8');
const { engines, version: _, ...rootManifest } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const names = readdirSync(join(root, 'packages')).filter((name) => existsSync(join(root, 'packages', name, 'package.json')));
const versions = new Set();

for (const name of names) {
  const folder = join('packages', name);
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  versions.add(manifest.version);
  // npm puts neither of the root's into a package.
  if (!existsSync(join(root, folder, 'LICENSE')) || readFileSync(join(root, folder, 'LICENSE'), 'utf8') !== licence)
    problems.push(`${folder}: LICENSE is missing or is not the root's.`);
  if (!existsSync(join(root, folder, 'README.md'))) problems.push(`${folder}: README.md is missing.`);
  if (manifest.engines?.node !== engines.node) problems.push(`${folder}: engines.node is ${manifest.engines?.node}, the root's is ${engines.node}.`);
  if (manifest.license !== rootManifest.license) problems.push(`${folder}: license is ${manifest.license}.`);
  for (const [dependency, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    if (!/^[\^~>]/.test(range)) problems.push(`${folder}: ${dependency} is pinned to ${range}; an application could not share its copy.`);
  }
  // Two copies of core would not know each other's values, and the framework is the application's.
  if (name !== 'core' && (manifest.dependencies?.['@ferrule/core'] !== undefined || manifest.peerDependencies?.['@ferrule/core'] === undefined))
    problems.push(`${folder}: @ferrule/core has to be a peer dependency.`);
  if ((await tool('node_modules/publint/src/cli.js', ['run', folder, '--strict', '--pack', 'npm'])) !== 0)
    problems.push(`${folder}: publint has complaints.`);
}
if (versions.size > 1) problems.push(`The packages have different versions: ${[...versions].join(', ')}. They are released together.`);
if ((await tool('node_modules/knip/bin/knip.js', ['--no-progress'])) !== 0)
  problems.push('knip: something is used by nobody, or used without being declared.');

for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
