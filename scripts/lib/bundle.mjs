import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

/** Loaded by a dynamic import: what `config/on-demand.ts` stands for. */
const CONFIG = /\/src\/config\/(?!on-demand|config-error)/;
const APART = new RegExp(`/src/[^/]+\\.ts$|/src/di/|${CONFIG.source}`);

/**
 * The JavaScript of a package whose tsconfig leaves it to this script (`emitDeclarationOnly`): one file behind its entries, which loads in a
 * fraction of the time and memory that the modules of its sources take. Apart stay the container's part, so that no other entry loads its
 * dependencies, and what is loaded on demand. Written beside and moved, so that whoever loads the package meanwhile meets whole files.
 */
export async function bundle(folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const entries = Object.keys(exports)
    .filter((entry) => !entry.endsWith('.json'))
    .map((entry) => (entry === '.' ? 'index' : entry.slice(2)));
  const output = join(folder, 'dist');
  const making = join(folder, `.bundle-${process.pid}`); // as deep as dist: the source maps are relative
  try {
    const build = await rolldown({
      cwd: folder,
      input: Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`])),
      external: (id) => !/^[./]/.test(id),
      platform: 'node',
      transform: { target: 'es2023' },
    });
    const { output: files } = await build.write({
      dir: making,
      format: 'esm',
      sourcemap: true,
      chunkFileNames: '[name].js',
      minifyInternalExports: false,
      keepNames: true,
      comments: { legal: true, annotation: true, jsdoc: false }, // the declarations and the sources have them
      codeSplitting: {
        groups: [
          { name: 'shared', test: (id) => !APART.test(id), priority: 2 },
          { name: 'config', test: CONFIG, priority: 1 },
        ],
      },
    });
    await build.close();
    mkdirSync(output, { recursive: true });
    const made = new Set(files.map(({ fileName }) => fileName));
    for (const file of made) renameSync(join(making, file), join(output, file));
    for (const file of readdirSync(output)) if (/\.js(?:\.map)?$/.test(file) && !made.has(file)) rmSync(join(output, file));
  } finally {
    if (existsSync(making)) rmSync(making, { recursive: true });
  }
}
