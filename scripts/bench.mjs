// npm run bench -- <name> [--json FILE]: builds what is missing, then runs bench/src/<name>.ts.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { prepare } from './lib/prepare.mjs';
import { root } from './lib/run.mjs';

/** A bench is a file that reports; the others beside it are what benches share. */
function benches() {
  const folder = join(root, 'bench/src');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.ts') && /^\s*(?:await )?report\(/m.test(readFileSync(join(folder, file), 'utf8')))
    .map((file) => basename(file, '.ts'));
}

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !/^[\w-]+$/.test(name) || !benches().includes(name)) {
  process.stderr.write(
    `${name === undefined ? 'Which bench?' : `There is no bench ${JSON.stringify(name)}.`} npm run bench -- <name> [--json FILE], with one of: ${benches().join(', ')}.\n`,
  );
  process.exit(1);
}
await prepare();
const script = join(root, 'bench/dist', `${name}.js`);
if (!existsSync(script)) throw new Error(`${script} was not built: bench/tsconfig.json has another outDir.`);
// The path of --json means the folder that the command was given in.
const child = spawn(process.execPath, ['--enable-source-maps', script, ...args], { cwd: process.env['INIT_CWD'] ?? root, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => process.exit(code ?? 1));
