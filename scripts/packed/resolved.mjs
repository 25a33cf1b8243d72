// Started with --import: writes the URL of every module that is resolved to the file that PACKED_RESOLVED names.
import { register } from 'node:module';

register('./resolve-hook.mjs', import.meta.url);
