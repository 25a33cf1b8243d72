// npm run test:long: what takes a minute and longer (files named *.long.ts), and is no part of npm test.
import { mocha } from './lib/mocha.mjs';
import { prepare } from './lib/prepare.mjs';

await prepare();
const { code } = await mocha(['--pass-with-no-tests', ...process.argv.slice(2)], { long: true });
process.exitCode = code;
