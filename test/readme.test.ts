import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { markedBlocks, unmarkedBlocks } from './repository/readme-blocks.js';
import type { Block } from './repository/readme-blocks.js';
import { root } from './repository/repository.js';

const GUIDES = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
const FILES: readonly string[] = ['README.md', 'CONTRIBUTING.md', ...GUIDES.map((file) => `docs/${file.replaceAll('\\', '/')}`)];
const folder = join(root, '.cache/readme');

describe('readme-blocks', () => {
  const TEXT = [
    '# Title',
    '<!-- example: server run expect="listening" -->',
    '```ts',
    "import { get } from '@ferrule/core';",
    '```',
    'text',
    '<!-- example: client after=server -->',
    '',
    '```js',
    'get();',
    '```',
    '<!-- example: idea skip -->',
    '```typescript',
    '…',
    '```',
    '```sh',
    'npm test',
    '```',
  ].join('\n');

  it('finds the blocks that a comment marks, with what is to be done with them', () => {
    expect(markedBlocks('README.md', TEXT)).to.deep.equal([
      {
        file: 'README.md',
        line: 3,
        name: 'server',
        language: 'ts',
        mode: 'run',
        expect: 'listening',
        after: undefined,
        with: undefined,
        code: "import { get } from '@ferrule/core';\n",
      },
      {
        file: 'README.md',
        line: 9,
        name: 'client',
        language: 'js',
        mode: 'check',
        expect: undefined,
        after: 'server',
        with: undefined,
        code: 'get();\n',
      },
      { file: 'README.md', line: 13, name: 'idea', language: 'ts', mode: 'skip', expect: undefined, after: undefined, with: undefined, code: '…\n' },
    ]);
    expect(unmarkedBlocks('README.md', TEXT)).to.deep.equal([]);
  });

  it('finds code that nobody marked, and marks that mark nothing', () => {
    expect(unmarkedBlocks('README.md', 'a\n```ts\nx\n```\n')).to.deep.equal(['README.md:2 is code without a mark']);
    expect(unmarkedBlocks('README.md', '<!-- example: a -->\ntext\n```ts\nx\n```\n')).to.deep.equal([
      'README.md:1 marks no code',
      'README.md:3 is code without a mark',
    ]);
  });

  it('refuses what it does not know', () => {
    expect(() => markedBlocks('x', '<!-- example: a quick -->\n```ts\n```')).to.throw(/x:1: quick/);
    expect(() => markedBlocks('x', '<!-- example: a -->\n```ts\n```\n<!-- example: a -->\n```ts\n```')).to.throw(/x:4: .*a.* twice/);
    expect(() => markedBlocks('x', '<!-- example: a after=b -->\n```ts\n```')).to.throw(/x:1: .*after=b/);
  });
});

describe('the guides', () => {
  const texts = FILES.map((file) => ({ file, text: existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : '' }));
  const blocks = texts.flatMap(({ file, text }) => markedBlocks(file, text)).filter(({ mode }) => mode !== 'skip');
  let complaints = '';
  /** All programs run at a time: most of theirs is waiting, for the drain above all. */
  const running = new Map<string, Promise<Ended>>();

  before(function () {
    this.timeout(60_000);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const block of blocks) writeFileSync(join(folder, `${block.name}.ts`), program(block, blocks));
    const compilerOptions = {
      rootDir: '.',
      outDir: 'dist',
      composite: false,
      incremental: false,
      declaration: false,
      declarationMap: false,
      isolatedDeclarations: false,
      noUnusedLocals: false,
      moduleDetection: 'force',
      types: ['node'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.base.json', compilerOptions, include: ['*.ts'] }));
    if (blocks.length === 0) return;
    const { stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder, '--pretty', 'false'], {
      cwd: root,
      encoding: 'utf8',
    });
    complaints = stdout;
    for (const block of blocks) if (block.mode === 'run') running.set(block.name, runProgram(block, blocks));
  });

  it('are there', () => {
    expect(texts.filter(({ text }) => text === '').map(({ file }) => file)).to.deep.equal([]);
  });

  it('have no code that is not tested', () => {
    expect(texts.flatMap(({ file, text }) => unmarkedBlocks(file, text))).to.deep.equal([]);
  });

  it('name npm test as the command that tests, which is what CI runs', () => {
    expect(texts[0]!.text).to.match(/^\s*(?:\$ )?npm test\b/m);
    expect(readFileSync(join(root, '.ci/run'), 'utf8')).to.include('npm test');
  });

  it('have code that the compiler can read at all', () => {
    expect(complaints.split('\n').filter((line) => line.startsWith('error'))).to.deep.equal([]);
  });

  for (const block of blocks) {
    it(`have code that compiles: ${block.name} (${block.file}:${block.line})`, () => {
      expect(complaints.split('\n').filter((line) => line.includes(`${block.name}.ts(`))).to.deep.equal([]);
    });
    if (block.mode === 'run') {
      it(`have code that runs: ${block.name}${block.expect === undefined ? '' : `, until it prints ${JSON.stringify(block.expect)}`}`, async function () {
        this.timeout(30_000);
        const { code, output } = await running.get(block.name)!;
        expect(code, output).to.equal(0);
        if (block.expect !== undefined) expect(output).to.include(block.expect);
      });
    }
  }
});

/** A block with those that it continues before it. */
function program(block: Block, all: readonly Block[]): string {
  const before = all.find(({ name }) => name === block.after);
  return before === undefined ? block.code : `${program(before, all)}\n${block.code}`;
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/**
 * Runs until it ends by itself, or, once it has printed what is expected, until it has ended on SIGTERM as a service does.
 * A program that another one runs beside is started first, in the same directory for temporary files, where the default registry lies,
 * and meets no service of others.
 */
async function runProgram(block: Block, all: readonly Block[]): Promise<Ended> {
  const temporary = join(folder, 'tmp', block.name);
  mkdirSync(temporary, { recursive: true });
  const companion = all.find(({ name }) => name === block.with);
  if (companion === undefined) return start(block, temporary).ended;
  const server = start(companion, temporary, 'stays');
  await server.printed;
  const result = await start(block, temporary, 'stays').ended; // it ends by itself
  server.stop();
  const { code, output } = await server.ended;
  return code === 0 ? result : { code, output: `${result.output}\nbeside it:\n${output}` };
}

interface Running {
  /** Settles when it has printed what is expected, or has ended. */
  readonly printed: Promise<void>;
  readonly ended: Promise<Ended>;
  stop(): void;
}

function start(block: Block, temporary: string, afterPrint: 'ends' | 'stays' = 'ends'): Running {
  const child = spawn(process.execPath, [join(folder, 'dist', `${block.name}.js`)], { cwd: folder, env: { ...process.env, TMPDIR: temporary } });
  const watchdog = setTimeout(() => child.kill('SIGKILL'), 25_000);
  let output = '';
  let told = false;
  let hasPrinted!: () => void;
  const printed = new Promise<void>((resolve) => (hasPrinted = resolve));
  const collect = (chunk: Buffer): void => {
    output += String(chunk);
    if (told || block.expect === undefined || !output.includes(block.expect)) return;
    told = true; // a second signal would end it at once
    hasPrinted();
    if (afterPrint === 'ends') child.kill('SIGTERM');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ended = new Promise<Ended>((resolve) => {
    const end = (code: number | null): void => {
      clearTimeout(watchdog);
      hasPrinted();
      resolve({ code, output });
    };
    child.once('error', (error) => {
      output += String(error);
      end(null);
    });
    child.once('close', end);
  });
  return { printed, ended, stop: () => void child.kill('SIGTERM') };
}
