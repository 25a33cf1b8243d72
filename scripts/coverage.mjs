// npm run coverage: the suite under c8; fails below the floor in .c8rc.json. The lines that no test reaches are in coverage/index.html.
import { mocha } from './lib/mocha.mjs';
import { prepare } from './lib/prepare.mjs';

await prepare();
const { code } = await mocha(process.argv.slice(2), { coverage: true });
process.exitCode = code;
