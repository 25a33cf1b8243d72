import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { npm, root, tool } from './run.mjs';

const INSTALLED = join(root, 'node_modules/.ferrule-lock');
const BUILT = join(root, '.cache/built');

/** Installs what is missing and builds what changed; when nothing did, that is known from a stamp in a fraction of a second. Exits when either fails. */
export async function prepare() {
  await install();
  await build();
}

/** `npm ci` when node_modules is missing or belongs to another lock file. */
export async function install() {
  const wanted = fingerprintOfLock();
  if (existsSync(INSTALLED) && readFileSync(INSTALLED, 'utf8') === wanted) return;
  if (!holdsWhatTheLockNames()) {
    process.stdout.write('Installing dependencies (npm ci)\n');
    const code = await npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], { quiet: true });
    if (code !== 0) fail('npm ci failed. Is the registry reachable, and does package-lock.json fit every package.json (npm run check:lock)?', code);
  }
  writeFileSync(INSTALLED, wanted);
}

/**
 * `tsc -b`, and the bundles of the packages whose JavaScript it leaves to us. Removes what was made from sources that are no longer there:
 * mocha would go on running such tests.
 */
export async function build({ force = false } = {}) {
  const projects = projectFolders();
  const stamp = fingerprintOfSources(projects);
  const complete = projects.every(({ out }) => existsSync(out));
  if (!force && complete && existsSync(BUILT) && readFileSync(BUILT, 'utf8') === stamp) return;
  rmSync(BUILT, { force: true });
  for (const project of projects) removeOrphans(project);
  // tsc trusts its own notes and does not see that an output folder was deleted.
  const code = await tool('node_modules/typescript/bin/tsc', ['-b', ...(force || !complete ? ['--force'] : [])]);
  // Loaded here: the bundler is not there before npm has run, and not needed when nothing changed.
  const { bundle } = await import('./bundle.mjs');
  await Promise.all(projects.filter(({ bundled }) => bundled).map(({ folder }) => bundle(folder)));
  if (code !== 0) fail('The build failed.', code);
  mkdirSync(dirname(BUILT), { recursive: true });
  writeFileSync(BUILT, stamp);
}

function fail(message, code) {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

function fingerprintOfLock() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/** Whether someone ran npm himself: npm writes down what it installed. */
function holdsWhatTheLockNames() {
  const hidden = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hidden)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(hidden, 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    if (!path.includes('node_modules/') || optional === true || link === true) return true;
    return present[path]?.version === version && existsSync(join(root, path, 'package.json'));
  });
}

/** Every project that the root's tsconfig names: its folder, where its sources lie and where its output goes. */
function projectFolders() {
  const { references } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
  return references.map(({ path }) => {
    const folder = join(root, path);
    const { compilerOptions } = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8'));
    const { rootDir, outDir, emitDeclarationOnly: bundled = false } = compilerOptions;
    return { folder, source: join(folder, rootDir), out: join(folder, outDir), bundled };
  });
}

function fingerprintOfSources(projects) {
  const hash = createHash('sha256').update(fingerprintOfLock());
  for (const name of ['tsconfig.json', 'tsconfig.base.json']) hash.update(readFileSync(join(root, name)));
  for (const { folder } of projects) {
    for (const file of filesBelow(folder)) {
      if (!/\.[cm]?ts$|(?:^|\/)(?:tsconfig|package)\.json$/.test(file)) continue;
      const { size, mtimeMs } = statSync(file);
      hash.update(`${relative(root, file)}\0${size}\0${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

function removeOrphans({ source, out, bundled }) {
  if (!existsSync(out)) return;
  const made = bundled ? /\.d\.ts(?:\.map)?$/ : /\.(?:d\.[cm]?ts|[cm]?js)(?:\.map)?$/; // the bundler looks after its own
  for (const file of filesBelow(out, [])) {
    const stem = relative(out, file).replace(made, '');
    if (stem === relative(out, file)) continue;
    if (!['.ts', '.mts', '.cts', '.d.ts'].some((suffix) => existsSync(join(source, stem + suffix)))) rmSync(file);
  }
}

function* filesBelow(folder, skipped = ['node_modules', 'dist']) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || skipped.includes(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path, skipped);
    else if (entry.isFile()) yield path;
  }
}
