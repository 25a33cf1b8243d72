import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './repository.js';

type Manifests = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
interface CheckLock {
  problemsOfLock(lock: unknown, manifests: Manifests): readonly string[];
  manifestsOf(folder: string): Manifests;
}

const LOCK = {
  packages: {
    '': { devDependencies: { tool: '1.0.0' } },
    'node_modules/tool': { version: '1.0.0', integrity: 'sha512-x', optionalDependencies: { '@tool/linux': '1.0.0', '@tool/darwin': '1.0.0' } },
    'node_modules/@tool/linux': { version: '1.0.0', integrity: 'sha512-x', optional: true },
    'node_modules/tool/node_modules/@tool/darwin': { version: '1.0.0', integrity: 'sha512-x', optional: true },
    'node_modules/@ferrule/core': { resolved: 'packages/core', link: true },
  },
};
const MANIFESTS = { '': { devDependencies: { tool: '1.0.0' } } };

describe('check:lock', () => {
  let check: CheckLock;
  before(async () => {
    check = (await import(pathToFileURL(join(root, 'scripts/check-lock.mjs')).href)) as CheckLock;
  });

  it('finds nothing wrong with the lock of this repository', () => {
    const lock: unknown = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
    expect(check.problemsOfLock(lock, check.manifestsOf(root))).to.deep.equal([]);
  });

  it('looks at every workspace', () => {
    expect(Object.keys(check.manifestsOf(root))).to.include.members(['', 'packages/core', 'packages/express', 'packages/koa', 'packages/testing']);
  });

  it('takes a sound lock, with optional packages wherever Node would find them', () => {
    expect(check.problemsOfLock(LOCK, MANIFESTS)).to.deep.equal([]);
  });

  type Packages = Record<string, Record<string, unknown>>;
  const BREAK: readonly (readonly [string, (packages: Packages, manifests: Record<string, Record<string, unknown>>) => void, RegExp])[] = [
    [
      'lacks a binary of another platform',
      (packages) => delete packages['node_modules/@tool/linux'],
      /names the optional dependency @tool\/linux, which the lock lacks/,
    ],
    ['names a registry', (packages) => (packages['node_modules/tool']!['resolved'] = 'https://mirror.test/tool.tgz'), /is resolved to mirror\.test/],
    ['has no checksum', (packages) => delete packages['node_modules/tool']!['integrity'], /has no integrity/],
    [
      'is older than package.json',
      (_, manifests) => (manifests['']!['devDependencies'] = { tool: '1.0.1' }),
      /The root: devDependencies of package.json are not those of the lock/,
    ],
    ['lacks a dependency', (_, manifests) => (manifests['']!['dependencies'] = { other: '^1.0.0' }), /dependencies of package.json are not those/],
    ['lacks a workspace', (_, manifests) => (manifests['packages/new'] = {}), /packages\/new\/package\.json is not in the lock/],
    [
      'has a tool by range',
      (packages, manifests) => (packages['']!['devDependencies'] = manifests['']!['devDependencies'] = { tool: '^1.0.0' }),
      /devDependency tool is \^1\.0\.0: give an exact version/,
    ],
  ];
  for (const [name, breakIt, expected] of BREAK) {
    it(`refuses a lock that ${name}`, () => {
      const lock = structuredClone(LOCK);
      const manifests = structuredClone(MANIFESTS);
      breakIt(lock.packages, manifests);
      const problems = check.problemsOfLock(lock, manifests);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(expected);
    });
  }

  it('refuses a lock of an old npm', () => {
    expect(check.problemsOfLock({ dependencies: {} }, MANIFESTS)[0]).to.match(/npm 7 or later/);
  });
});
