import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { committedFiles, packageSources, root, withoutComments } from './repository.js';

/** What a library must leave to the application. */
const OVERREACH: readonly (readonly [string, RegExp])[] = [
  ['writes to the console: take a Logger', /\bconsole\s*\.\s*\w/],
  ['ends the process', /\bprocess\s*\.\s*(?:exit|abort)\s*\(/],
  ['signals a process; only asking whether one lives (signal 0) is harmless', /\bprocess\s*\.\s*kill\s*\((?![^()]*,\s*0\s*\))/],
  ['sets the exit code', /\bprocess\s*\.\s*exitCode\s*=[^=]/],
  ['depends on NODE_ENV', /\bNODE_ENV\b/],
];

function overreach(code: string): readonly string[] {
  return OVERREACH.filter(([, pattern]) => pattern.test(withoutComments(code))).map(([what]) => what);
}

// Put together from pieces, so that this file does not hold what it looks for.
const HOSTS = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['registry', 'npmmirror', 'com'],
  ['npm', 'pkg', 'github', 'com'],
].map((labels) => labels.join('.'));
const FOLDERS = [
  ['', 'work', 'main'],
  ['', 'work', 'shared'],
  ['', 'tmp', 'brief'],
  ['', 'home', ''],
  ['', 'Users', ''],
].map((parts) => parts.join('/'));

/** Names that only one machine or one company knows: hosts of registries, and where this clone lies. */
function traces(): readonly string[] {
  const found = [...HOSTS, ...FOLDERS];
  const registry = process.env['npm_config_registry'];
  if (registry !== undefined && URL.canParse(registry)) found.push(new URL(registry).host);
  for (const folder of [root, homedir()]) {
    const path = folder.replace(/\/+$/, '');
    // A short path such as /app stands in harmless texts too.
    if (path.split('/').length > 2) found.push(path);
  }
  return found;
}

function tracesIn(text: string): readonly string[] {
  return traces().filter((trace) => text.includes(trace));
}

describe('the packages', () => {
  it('leave console, process and NODE_ENV to the application', () => {
    const found = packageSources().flatMap(({ path, text }) => overreach(text).map((what) => `${path} ${what}`));
    expect(found).to.deep.equal([]);
  });

  it('would be noticed when they did not', () => {
    for (const code of ['console.log(1)', 'process.exit(1)', 'process.exitCode = 1', "process.kill(pid, 'SIGKILL')", "process.env['NODE_ENV']"])
      expect(overreach(code), code).to.have.length(1);
    for (const code of ['// console.log(1)', '/* process.exit() */', 'const consoles = 1', 'process.kill(pid, 0)', 'if (process.exitCode === 1) x()'])
      expect(overreach(code), code).to.deep.equal([]);
  });
});

describe('committed files', () => {
  it('name no registry host and no path of a machine', () => {
    const found: string[] = [];
    for (const path of committedFiles()) {
      let text: string;
      try {
        text = readFileSync(join(root, path), 'utf8');
      } catch {
        continue; // deleted, not yet committed as such
      }
      for (const trace of tracesIn(text)) found.push(`${path} holds ${trace}`);
    }
    expect(found).to.deep.equal([]);
  });

  it('would be noticed when they did', () => {
    for (const trace of [...HOSTS.map((host) => `https://${host}/x`), ...FOLDERS.map((folder) => `at ${folder}/x.js`)])
      expect(tracesIn(trace), trace).to.not.deep.equal([]);
    expect(tracesIn('https://example.test/registry')).to.deep.equal([]);
  });

  it('are none that a tool makes', () => {
    expect(committedFiles().filter((path) => /(?:^|\/)(?:node_modules|dist|coverage|\.cache)\/|\.tsbuildinfo$|\.tgz$/.test(path))).to.deep.equal([]);
  });
});
