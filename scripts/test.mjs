// npm test: installs and builds what is missing, then runs mocha; in CI everything that `npm run all` does.
// npm test -- test/core/retry.test.ts, npm test -- --grep breaker
import { mocha } from './lib/mocha.mjs';
import { prepare } from './lib/prepare.mjs';

const args = process.argv.slice(2);
if (process.env['CI'] === 'true' && args.length === 0) {
  await import('./all.mjs');
} else {
  await prepare();
  const { code } = await mocha(args);
  process.exitCode = code;
}
