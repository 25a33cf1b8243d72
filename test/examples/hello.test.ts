import { expect } from 'chai';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { markedBlocks } from '../repository/readme-blocks.js';
import { root } from '../repository/repository.js';

const source = (name: string): string => readFileSync(join(root, 'examples/hello/src', `${name}.ts`), 'utf8');
const withoutImports = (code: string): string => code.replace(/^import .*\n/gm, '').trim();

describe('examples/hello', () => {
  it("is the README's code, fifteen lines each", () => {
    const blocks = markedBlocks('README.md', readFileSync(join(root, 'README.md'), 'utf8'));
    for (const name of ['server', 'client']) {
      expect(withoutImports(source(name))).to.equal(withoutImports(blocks.find((block) => block.name === name)!.code));
      expect(source(name).trimEnd().split('\n').length).to.be.at.most(15);
    }
  });

  it('runs: the client finds the server, which ends on SIGTERM', async function () {
    this.timeout(30_000);
    // A directory for temporary files of its own: the default registry lies there.
    const temporary = mkdtempSync(join(tmpdir(), 'ferrule-hello-'));
    const started: ChildProcess[] = [];
    const start = (name: string): { readonly child: ChildProcess; text(): string } => {
      const file = join(root, 'examples/dist/hello/src', `${name}.js`);
      const child = spawn(process.execPath, [file], { env: { ...process.env, TMPDIR: temporary } });
      started.push(child);
      let text = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += String(chunk)));
      return { child, text: () => text };
    };
    try {
      const server = start('server');
      while (!server.text().includes('greeter listens')) await once(server.child.stdout!, 'data');
      const asking = start('client');
      const [code] = (await once(asking.child, 'close')) as [number];
      expect([code, asking.text().trim()]).to.deep.equal([0, "{ hello: 'Ada' }"]);
      server.child.kill('SIGTERM');
      const [stopped] = (await once(server.child, 'close')) as [number];
      expect(stopped, server.text()).to.equal(0);
    } finally {
      for (const child of started) child.kill('SIGKILL');
      rmSync(temporary, { recursive: true, force: true });
    }
  });
});
