// npm run lint: oxlint with type information (.oxlintrc.json says which rules and why). `-- --fix` mends what can be.
// It reads the declarations that a build makes, so it builds first.
import { prepare } from './lib/prepare.mjs';
import { tool } from './lib/run.mjs';

await prepare();
process.exitCode = await tool('node_modules/oxlint/bin/oxlint', ['--type-aware', '--deny-warnings', ...process.argv.slice(2)]);
