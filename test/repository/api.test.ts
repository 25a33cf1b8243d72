import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './repository.js';

interface ApiReports {
  updateReports(
    folder: string,
    options?: { readonly check?: boolean },
  ): { readonly written: readonly string[]; readonly problems: readonly string[] };
}

describe('the API reports', () => {
  it('are there for every entry of every package', () => {
    for (const name of readdirSync(join(root, 'packages'))) {
      const manifest = join(root, 'packages', name, 'package.json');
      if (!existsSync(manifest)) continue;
      const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports: Record<string, string | { types?: string }> };
      for (const [entry, target] of Object.entries(exports)) {
        if (typeof target === 'string') continue;
        const file = join(root, 'packages', name, 'api', `${entry === '.' ? 'index' : entry.slice(2)}.api.md`);
        expect(existsSync(file), `${file}: run npm run api`).to.equal(true);
      }
    }
  });

  it('do not pass when a public declaration changed, came or went, and pass again after npm run api', async function () {
    this.timeout(60_000);
    // What the command calls; the command itself, which takes seconds to start, is asked once for each of its answers.
    const { updateReports } = (await import(pathToFileURL(join(root, 'scripts/lib/api-reports.mjs')).href)) as ApiReports;
    mkdirSync(join(root, '.cache'), { recursive: true });
    const folder = mkdtempSync(join(root, '.cache/api-'));
    const declare = (file: string, text: string): void => writeFileSync(join(folder, file), text);
    const api = (...args: readonly string[]): { readonly status: number | null; readonly said: string } => {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/api.mjs', ...args, folder], { cwd: root, encoding: 'utf8' });
      return { status, said: stdout + stderr };
    };
    try {
      const manifest = { name: 'changing', version: '0.0.0', exports: { '.': { types: './index.d.ts' }, './package.json': './package.json' } };
      declare('package.json', JSON.stringify(manifest));
      declare('inner.d.ts', 'export interface Options { readonly limit?: number }\n');
      declare('index.d.ts', "import type { Options } from './inner.js';\nexport declare function make(options?: Options): void;\n");
      const missing = api('--check');
      expect(missing.status, missing.said).to.equal(1);
      expect(missing.said).to.match(/api\/index\.api\.md is not what the package exports: there is none\. Run npm run api/);
      const made = api();
      expect(made.status, made.said).to.equal(0);
      expect(api('--check')).to.deep.equal({ status: 0, said: '' });

      // What is not exported by name, but is part of what is.
      declare('inner.d.ts', 'export interface Options { readonly limit: number }\n');
      const changed = updateReports(folder, { check: true });
      expect(changed.written).to.deep.equal([]);
      expect(changed.problems).to.have.length(1);
      expect(changed.problems[0]).to.match(/is now "readonly limit: number/);
      expect(updateReports(folder).problems).to.deep.equal([]);

      declare('index.d.ts', 'export {};\n');
      expect(updateReports(folder, { check: true }).problems).to.have.length(1);
      expect(updateReports(folder).problems).to.deep.equal([]);
      expect(updateReports(folder, { check: true })).to.deep.equal({ written: [], problems: [] });
    } finally {
      rmSync(folder, { recursive: true, force: true });
      rmSync(join(root, '.cache/api', folder.slice(folder.lastIndexOf('/') + 1)), { recursive: true, force: true });
    }
  });
});
