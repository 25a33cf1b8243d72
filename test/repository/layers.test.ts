import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LAYERS, importCycles, importsOf, layerViolations } from './layers.js';
import { packageSources, root } from './repository.js';

describe('the order of the layers', () => {
  it('is kept by every file of every package', () => {
    const sources = packageSources();
    expect(sources.length).to.be.greaterThan(50);
    expect(layerViolations(sources)).to.deep.equal([]);
  });

  it('gives a place to every folder of core', () => {
    const folders = readdirSync(join(root, 'packages/core/src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of folders) expect(LAYERS, name).to.have.property(name);
  });

  it('is an order: what a folder may import may never import it', () => {
    for (const [folder, allowed] of Object.entries(LAYERS)) {
      for (const lower of allowed) expect(LAYERS[lower] ?? [], `${lower} and ${folder}`).to.not.include(folder);
    }
    expect(LAYERS['server']).to.not.include('client');
    expect(LAYERS['client']).to.not.include('server');
  });

  for (const [path, text] of [
    ['packages/core/src/time/clock.ts', `import { x } from '../client/transport.js';`],
    ['packages/core/src/call/call.ts', `import type { X } from '../wrappers/wrapper.js';`],
    ['packages/core/src/server/router.ts', `import { x } from '../client/stack.js';`],
    ['packages/core/src/client/stack.ts', `export * from '../server/stack.js';`],
    ['packages/core/src/wrappers/retry.ts', `const x = await import('../registry/file.js');`],
    ['packages/core/src/wrappers/retry.ts', `import {\n  a,\n  b,\n} from '../registry/file.js';`],
    ['packages/core/src/call/call.ts', `import '../index.js';`],
    ['packages/core/src/call/call.ts', `import { x } from '@ferrule/core';`],
    ['packages/core/src/server/router.ts', `import express from 'express';`],
    ['packages/core/src/nowhere/x.ts', `import { x } from '../time/clock.js';`],
    ['packages/core/src/call/call.ts', `import { x } from '../../../testing/src/index.js';`],
    ['packages/express/src/index.ts', `import { x } from '@ferrule/core/dist/call/call.js';`],
    ['packages/express/src/index.ts', `import { x } from '@ferrule/koa';`],
    ['packages/koa/src/index.ts', `import { x } from '../../core/src/call/call.js';`],
  ] as const) {
    it(`would notice: ${path} with ${JSON.stringify(text)}`, () => {
      expect(layerViolations([{ path, text }])).to.have.length(1);
    });
  }

  for (const [path, text] of [
    ['packages/core/src/client/stack.ts', `import { x } from '../call/call.js';\nimport { y } from './transport.js';\nimport { z } from 'undici';`],
    ['packages/core/src/index.ts', `export { x } from './client/stack.js';`],
    ['packages/core/src/call/call.ts', `// import { x } from '../client/stack.js';\n/* import '../client/stack.js'; */`],
    ['packages/express/src/index.ts', `import { x } from '@ferrule/core/adapter';\nimport express from 'express';`],
  ] as const) {
    it(`allows: ${path} with ${JSON.stringify(text)}`, () => {
      expect(layerViolations([{ path, text }])).to.deep.equal([]);
    });
  }
});

describe('imports', () => {
  it('form no ring of files', () => {
    expect(importCycles(packageSources(), { types: false })).to.deep.equal([]);
  });

  it('would be noticed when they did, also through several files', () => {
    const ring = [
      { path: 'packages/core/src/a/a.ts', text: `import { b } from '../b/b.js';` },
      { path: 'packages/core/src/b/b.ts', text: `export { c } from './c.js';` },
      { path: 'packages/core/src/b/c.ts', text: `import { type X, a } from '../a/a.js';` },
    ];
    expect(importCycles(ring, { types: false })).to.have.length(1);
    const byType = [
      ...ring.slice(0, 2),
      { path: 'packages/core/src/b/c.ts', text: `import { type A } from '../a/a.js';\nimport type { B } from '../a/a.js';` },
    ];
    expect(importCycles(byType, { types: false })).to.deep.equal([]);
    expect(importCycles(byType, { types: true })).to.have.length(1);
  });

  it('are read in every form, and not in comments or texts', () => {
    const text = `import a from './1.js'; import * as b from "./2.js"\nimport { c as d } from './3.js';\nexport * from './4.js';\nexport type { E } from './5.js';\nimport './6.js';\nawait import('./7.js');\nconst no = 'import x from "./8.js"'; // import './9.js'`;
    expect(importsOf({ path: 'x.ts', text }).map(({ specifier }) => specifier)).to.deep.equal([
      './1.js',
      './2.js',
      './3.js',
      './4.js',
      './5.js',
      './6.js',
      './7.js',
    ]);
  });
});
