import { parseArgs } from 'node:util';

/**
 * The command line of a real server to try things with. `--fetch` only makes sure that there is a binary, and prints where; else it runs
 * on `--port` until a signal ends it.
 */
export async function tryServer({ name, variable, port, binary, server, says }) {
  const { values: options } = parseArgs({ options: { fetch: { type: 'boolean', default: false }, port: { type: 'string', default: String(port) } } });
  const path = await binary({ fetch: true });
  if (path === undefined) {
    process.stderr.write(`There is no ${name} here and none could be fetched. Install it and put it on the PATH, or give its path in ${variable}.\n`);
    process.exitCode = 1;
    return;
  }
  if (options.fetch) {
    process.stdout.write(`${path}\n`);
    return;
  }
  const running = await server(path, Number(options.port));
  await running.start();
  process.stdout.write(`${says(running)}. Ctrl-C ends it.\n`);
  const keepAlive = setInterval(() => {}, 1 << 30);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await running.stop();
      clearInterval(keepAlive);
    });
  }
}
