// npm run consul: a Consul dev agent on http://127.0.0.1:8500 to try things with; it forgets everything when it ends.
// npm run consul -- --port 8501: on another port; npm run consul -- --fetch: only makes sure that there is a binary, and prints where.
// The binary is CONSUL_BIN, `consul` on the PATH, or Debian's package, unpacked into .cache (needs apt-get; nothing is installed).
import { parseArgs } from 'node:util';
import { consulAgent, consulBinary } from './lib/consul.mjs';

const { values: options } = parseArgs({ options: { fetch: { type: 'boolean', default: false }, port: { type: 'string', default: '8500' } } });
const binary = await consulBinary({ fetch: true });
if (binary === undefined) {
  process.stderr.write('There is no Consul here and none could be fetched. Install it and put it on the PATH, or give its path in CONSUL_BIN.\n');
  process.exitCode = 1;
} else if (options.fetch) {
  process.stdout.write(`${binary}\n`);
} else {
  const agent = await consulAgent(binary, { httpPort: Number(options.port) });
  await agent.start();
  process.stdout.write(`${agent.address} (its page: ${agent.address}/ui). Ctrl-C ends it.\n`);
  const keepAlive = setInterval(() => {}, 1 << 30);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await agent.kill('SIGTERM');
      clearInterval(keepAlive);
    });
  }
}
