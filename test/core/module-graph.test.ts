import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { root } from '../repository/repository.js';

const IMPORT = /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;

/** Every file and every package that loading `entry` loads, our own packages looked into. */
function graphOf(entry: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, from, bare, dynamic] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      const specifier = (from ?? bare ?? dynamic)!;
      if (specifier.startsWith('.')) visit(join(dirname(file), specifier));
      else if (specifier === '@ferrule/core') visit(join(root, 'packages/core/dist/index.js'));
      else if (specifier.startsWith('@ferrule/core/')) visit(join(root, `packages/core/dist/${specifier.slice('@ferrule/core/'.length)}.js`));
      else seen.add(specifier);
    }
  };
  visit(entry);
  return seen;
}

describe('what an entry point loads', () => {
  for (const entry of ['core/dist/index.js', 'core/dist/adapter.js', 'express/dist/index.js', 'koa/dist/index.js']) {
    it(`neither container nor reflect-metadata: ${entry}`, () => {
      const graph = graphOf(join(root, 'packages', entry));
      expect([...graph].filter((one) => ['inversify', 'reflect-metadata'].includes(one))).to.deep.equal([]);
      expect([...graph].some((one) => one.endsWith('find-my-way'))).to.equal(true);
    });
  }

  it('both: core/dist/di.js, so that the check can fail', () => {
    expect([...graphOf(join(root, 'packages/core/dist/di.js'))]).to.include.members(['inversify', 'reflect-metadata']);
  });
});
