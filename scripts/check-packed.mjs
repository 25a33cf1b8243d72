// npm run check:packed: packs every package and the examples of custom-adapter, puts the tarballs into a folder outside of the repository
// as npm would, and uses them there: the README's code as ESM and by require on this Node and on 24, a TypeScript consumer, the module
// graph of the first depth of adoption, and the packages of a stranger. What they declare as dependencies is linked to the copies
// that `npm ci` has installed, and nothing else: an import that nobody declared fails.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { node24 } from './lib/node24.mjs';
import { prepare } from './lib/prepare.mjs';
import { npm, root } from './lib/run.mjs';

await prepare();
const packed = [...foldersIn('packages'), ...foldersIn('examples/custom-adapter')];
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ferrule-packed-')));
const problems = [];
try {
  await install();
  await check();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;

async function install() {
  const tarballs = join(folder, 'tarballs');
  mkdirSync(tarballs);
  const workspaces = packed.flatMap((path) => ['--workspace', path]);
  if ((await npm(['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', tarballs, ...workspaces], { quiet: true })) !== 0)
    throw new Error('npm pack failed');
  const wanted = new Set(['@types/node', '@types/express', '@types/koa']);
  for (const path of packed) {
    const { name, version } = manifestOf(join(root, path));
    const target = join(folder, 'node_modules', name);
    mkdirSync(target, { recursive: true });
    await run('tar', ['-xzf', join(tarballs, `${name.slice(1).replace('/', '-')}-${version}.tgz`), '-C', target, '--strip-components=1']);
    // From the packed manifest: a stranger gets no other.
    const { dependencies, peerDependencies } = manifestOf(target);
    for (const dependency of Object.keys({ ...dependencies, ...peerDependencies })) wanted.add(dependency);
  }
  for (const name of wanted) {
    const [target, source] = [join(folder, 'node_modules', name), join(root, 'node_modules', name)];
    if (existsSync(target)) continue;
    if (!existsSync(source)) throw new Error(`${name} is a dependency of a package and is not installed here. Run npm ci.`);
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(source, target);
  }
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n');
  for (const file of readdirSync(join(root, 'scripts/packed'))) cpSync(join(root, 'scripts/packed', file), join(folder, file));
}

async function check() {
  const { markedBlocks } = await import(pathToFileURL(join(root, 'test/dist/repository/readme-blocks.js')).href);
  const blocks = markedBlocks('README.md', readFileSync(join(root, 'README.md'), 'utf8')).filter(({ mode }) => mode !== 'skip');
  const codeOf = ({ after, code }) => (after === undefined ? code : `${codeOf(blocks.find(({ name }) => name === after))}\n${code}`);
  const programs = blocks.filter(({ mode }) => mode === 'run');
  if (programs.length === 0) problems.push('README.md has no code that runs.');
  for (const block of blocks) writeFileSync(join(folder, `${block.name}.mts`), codeOf(block));
  for (const block of programs) writeFileSync(join(folder, `${block.name}.cts`), asCommonJs(codeOf(block)));
  writeEntries();
  await compile();

  const newest = await node24();
  if (newest === undefined) problems.push('Node 24 cannot be had.');
  const nodes = [process.execPath, newest].filter((node) => node !== undefined);
  await Promise.all(
    nodes.flatMap((node) => [
      ...programs.flatMap((block) =>
        ['mjs', 'cjs'].map((kind) =>
          readmeProgram(
            node,
            kind,
            block,
            programs.find(({ name }) => name === block.with),
          ),
        ),
      ),
      strangers(node),
      entries(node),
      depthOne(node),
    ]),
  );
}

/** The same code as a CommonJS file: imports are emitted as calls of require, and what awaits stands in a function. */
function asCommonJs(code) {
  const imports = [];
  const rest = code.replace(/^import .*\n/gm, (line) => (imports.push(line), ''));
  return `${imports.join('')}\nvoid (async () => {\n${rest}\n})();\n`;
}

/** Every entry of every package: as a module, by require, and whether both give the same. */
function writeEntries() {
  const names = packed.flatMap((path) => {
    const { name, exports } = manifestOf(join(folder, 'node_modules', manifestOf(join(root, path)).name));
    return Object.keys(exports).flatMap((entry) => (entry === './package.json' ? [] : [`${name}${entry.slice(1)}`]));
  });
  const imports = names.map((name, index) => `import * as entry${index} from '${name}';\n`).join('');
  writeFileSync(
    join(folder, 'entries.mts'),
    `${imports}export const entries: readonly object[] = [${names.map((_, index) => `entry${index}`).join(', ')}];\n`,
  );
  const run = `const names = ${JSON.stringify(names)};
Promise.all(names.map(async (name) => {
  const [required, imported] = [require(name), await import(name)];
  for (const key of Object.keys(imported)) if (required[key] !== imported[key]) throw new Error(name + ' gives another ' + key + ' to require');
  if (Object.keys(imported).length === 0) throw new Error(name + ' exports nothing');
})).then(() => console.log(names.length + ' entries'));
`;
  writeFileSync(join(folder, 'entries-required.cjs'), run);
}

async function entries(node) {
  const { code, output } = await program(node, ['entries-required.cjs']).ended;
  if (code !== 0 || !/^\d+ entries$/m.test(output)) problems.push(`${titleOf(node, 'every entry by require')} ended with ${code}: ${output}`);
}

async function compile() {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
  };
  const files = readdirSync(folder).filter((file) => /\.[cm]?ts$/.test(file));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const { stdout } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'], { cwd: folder });
  // What the declarations of others have wrong is theirs; ours are read in full.
  const ours = stdout.split('\n').filter((line) => /error TS/.test(line) && !/^(?:\.\.\/|node_modules\/)(?!.*@ferrule)/.test(line));
  problems.push(...ours.map((line) => `TypeScript: ${line}`));
  for (const file of files.filter((name) => name !== 'consumer.ts'))
    if (!existsSync(join(folder, file.replace(/ts$/, 'js')))) problems.push(`TypeScript made nothing of ${file}.`);
}

/** Runs until it has printed what is expected; then it has to end on SIGTERM, as a service does. */
/** Runs a block; when another one runs beside it, that one first, in the same directory for temporary files, where the default registry lies. */
async function readmeProgram(node, kind, block, companion) {
  const file = `${block.name}.${kind}`;
  const TMPDIR = mkdtempSync(join(folder, 'tmp-'));
  const stop = new AbortController();
  const beside = companion === undefined ? undefined : program(node, [`${companion.name}.${kind}`], { TMPDIR }, companion.expect, stop.signal);
  await beside?.printed;
  // One that another runs beside is no service: it ends by itself.
  const { code, output } = await program(node, [file], { TMPDIR }, companion === undefined ? block.expect : undefined).ended;
  stop.abort();
  const other = await beside?.ended;
  if (code !== 0 || (block.expect !== undefined && !output.includes(block.expect)))
    problems.push(`${titleOf(node, file)} ended with ${code}: ${output}`);
  if (other !== undefined && other.code !== 0)
    problems.push(`${titleOf(node, `${companion.name}.${kind}`)} ended with ${other.code}: ${other.output}`);
}

async function strangers(node) {
  const { code, output } = await program(node, ['strangers.mjs']).ended;
  if (code !== 0 || !/\{"doc":"7"\}.*"fastify":"0\.1\.0".*"hub":"0\.1\.0"/.test(output))
    problems.push(`${titleOf(node, 'strangers.mjs')} ended with ${code}: ${output}`);
}

/** What the first depth must not cost, and that this would notice. */
async function depthOne(node) {
  const loadedBy = async (file, costly) => {
    const graph = join(folder, `${file}.${basename(dirname(node))}.${Math.random()}.graph`);
    const { code, output } = await program(node, ['--import', './resolved.mjs', file], { PACKED_RESOLVED: graph }).ended;
    if (code !== 0) problems.push(`${titleOf(node, file)} ended with ${code}: ${output}`);
    const modules = `${existsSync(graph) ? readFileSync(graph, 'utf8') : ''}${output}`;
    if (!modules.includes('@ferrule/core/dist/index.js')) problems.push(`${titleOf(node, file)}: the hook saw nothing of @ferrule/core.`);
    return costly.filter((name) => modules.includes(`/node_modules/${name}/`));
  };
  const expected = ['inversify', 'reflect-metadata', 'undici'];
  const [full, ...cheap] = await Promise.all([
    loadedBy('container.mjs', expected),
    loadedBy('depth-one.mjs', [...expected, 'express', 'koa']),
    loadedBy('depth-one-app.mjs', expected),
  ]);
  if (cheap.flat().length > 0)
    problems.push(`${titleOf(node, 'The first depth of adoption')} loads ${cheap.flat().join(', ')}: import them where they are needed.`);
  if (expected.some((name) => !full.includes(name)))
    problems.push(`${titleOf(node, 'container.mjs')} was to load ${expected.join(', ')}, and ${full.join(', ')} were seen: the check is blind.`);
}

/** Runs until it ends. Once it has printed `until` it gets SIGTERM, or, with a `stop`, once that says so. */
function program(node, args, env = {}, until, stop) {
  let hasPrinted;
  const printed = new Promise((resolve) => (hasPrinted = resolve));
  const ended = new Promise((resolve) => {
    const child = execFile(
      node,
      args,
      { cwd: folder, env: { ...process.env, ...env }, timeout: 25_000, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        hasPrinted();
        resolve({ code: error === null ? 0 : (error.code ?? error.signal), output: `${stdout}${stderr}` });
      },
    );
    let seen = '';
    child.stdout.on('data', (chunk) => {
      if (until === undefined || seen.includes(until)) return; // a second signal would end it at once
      seen += String(chunk);
      if (!seen.includes(until)) return;
      hasPrinted();
      if (stop === undefined) child.kill('SIGTERM');
    });
    stop?.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  });
  return { printed, ended };
}

async function run(command, args, options = {}) {
  try {
    return await promisify(execFile)(command, args, options);
  } catch (error) {
    if (error.stdout === undefined || command === 'tar') throw error;
    return error; // a compiler that complains has said so on stdout
  }
}

function titleOf(node, file) {
  return `${file} on ${node === process.execPath ? `Node ${process.versions.node}` : 'Node 24'}`;
}

function foldersIn(parent) {
  return readdirSync(join(root, parent))
    .map((name) => join(parent, name))
    .filter((path) => existsSync(join(root, path, 'package.json')));
}

function manifestOf(path) {
  return JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
}
