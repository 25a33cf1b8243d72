// npm run check:lock: whether `npm ci` will take package-lock.json everywhere, not only on the machine that wrote it.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/run.mjs';

/**
 * What is wrong with a lock file, each in a sentence.
 * - A native tool lists a binary for each platform as an optional dependency. A registry that carries only some of them makes npm
 *   write a shorter lock, which `npm ci` then refuses: every name has to be there.
 * - A `resolved` field ties the lock to the registry of whoever wrote it.
 * - The lock repeats the dependencies of every package.json; one that was edited by hand must not differ.
 * @param {{ packages?: Record<string, any> }} lock
 * @param {Record<string, any>} manifests package.json by folder, '' for the root
 * @returns {string[]}
 */
export function problemsOfLock(lock, manifests) {
  const { packages } = lock;
  if (typeof packages !== 'object' || packages === null) return ['package-lock.json has no packages: write it with npm 7 or later.'];
  const problems = [];
  for (const [path, entry] of Object.entries(packages)) {
    const name = path === '' ? 'the root' : path;
    if (entry.resolved !== undefined && entry.link !== true)
      problems.push(
        `${name} is resolved to ${new URL(entry.resolved, 'file:///').host || 'a file'}: .npmrc says omit-lockfile-registry-resolved=true.`,
      );
    if (path.includes('node_modules/') && entry.link !== true && entry.integrity === undefined) problems.push(`${name} has no integrity.`);
    for (const optional of Object.keys(entry.optionalDependencies ?? {})) {
      if (lookUp(packages, path, optional) === undefined) {
        problems.push(
          `${name} names the optional dependency ${optional}, which the lock lacks: npm ci will refuse it. Take a version whose binaries are all in the registry.`,
        );
      }
    }
  }
  for (const [path, manifest] of Object.entries(manifests)) {
    const entry = packages[path];
    if (entry === undefined) {
      problems.push(`${path}/package.json is not in the lock: run npm install.`);
      continue;
    }
    for (const kind of ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies']) {
      if (!sameEntries(manifest[kind], entry[kind]))
        problems.push(`${path === '' ? 'The root' : path}: ${kind} of package.json are not those of the lock: run npm install.`);
    }
    for (const [dependency, range] of Object.entries(path === '' ? (manifest.devDependencies ?? {}) : {})) {
      if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(range))
        problems.push(`The root's devDependency ${dependency} is ${range}: give an exact version, so that everyone runs the same tools.`);
    }
  }
  return problems;
}

/** As Node looks: in the package's own node_modules, then in that of each folder above. */
function lookUp(packages, from, name) {
  for (let folder = from; ;) {
    const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[path] !== undefined) return packages[path];
    if (folder === '') return undefined;
    const at = folder.lastIndexOf('/node_modules/');
    folder = at < 0 ? '' : folder.slice(0, at);
  }
}

function sameEntries(a = {}, b = {}) {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** The root's package.json and those of its workspaces, by folder. */
export function manifestsOf(folder) {
  const read = (path) => JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8'));
  const own = read('');
  const manifests = { '': own };
  for (const pattern of own.workspaces ?? []) {
    const parent = pattern.replace(/\/\*$/, '');
    if (!existsSync(join(folder, parent))) continue;
    for (const entry of readdirSync(join(folder, parent), { withFileTypes: true })) {
      const path = `${parent}/${entry.name}`;
      if (entry.isDirectory() && existsSync(join(folder, path, 'package.json'))) manifests[path] = read(path);
    }
  }
  return manifests;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const problems = problemsOfLock(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')), manifestsOf(root));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
