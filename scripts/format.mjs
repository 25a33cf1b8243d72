// npm run format: rewrites code in the repository's style; `-- --check` only says what is not. Options: .oxfmtrc.json.
import { install } from './lib/prepare.mjs';
import { tool } from './lib/run.mjs';

await install();
process.exitCode = await tool('node_modules/oxfmt/bin/oxfmt', process.argv.slice(2));
