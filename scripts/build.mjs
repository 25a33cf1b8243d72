// npm run build: installs what is missing and compiles what changed; `-- --force` compiles everything.
import { build, install } from './lib/prepare.mjs';

await install();
await build({ force: process.argv.includes('--force') });
