// npm run demo: installs and builds what is missing, then runs examples/shop. Options after `--` are the demo's.
// With `--registry consul` and no CONSUL_HTTP_ADDR it starts a Consul agent for the time of the demo.
import { spawn } from 'node:child_process';
import { consulAgent, consulBinary } from './lib/consul.mjs';
import { prepare } from './lib/prepare.mjs';
import { root } from './lib/run.mjs';

await prepare();
const args = process.argv.slice(2);
const env = { ...process.env };
if (/(?:^| )--registry[ =]consul(?: |$)/.test(args.join(' ')) && !env['CONSUL_HTTP_ADDR']) {
  const binary = await consulBinary({ fetch: true });
  if (binary === undefined) {
    process.stderr.write(
      'There is no Consul here and none could be fetched. Give the address of an agent in CONSUL_HTTP_ADDR, or a binary in CONSUL_BIN.\n',
    );
    process.exit(1);
  }
  const agent = await consulAgent(binary);
  await agent.start();
  env['CONSUL_HTTP_ADDR'] = agent.address;
}
// In this terminal's own process group, so that Ctrl-C reaches the demo, which ends its processes itself.
const child = spawn(process.execPath, ['--enable-source-maps', 'examples/dist/shop/src/demo.js', ...args], {
  cwd: root,
  env,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => process.exit(code ?? 1));
