// npm run demo: installs and builds what is missing, then runs examples/shop. Options after `--` are the demo's.
import { spawn } from 'node:child_process';
import { prepare } from './lib/prepare.mjs';
import { root } from './lib/run.mjs';

await prepare();
// In this terminal's own process group, so that Ctrl-C reaches the demo, which ends its processes itself.
const child = spawn(process.execPath, ['--enable-source-maps', 'examples/dist/shop/src/demo.js', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => process.exit(code ?? 1));
