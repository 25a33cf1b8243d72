// The first depth of adoption: two policies around a function. Prints what CommonJS modules it took with it.
import { createRequire } from 'node:module';
import { guard, timeout } from '@ferrule/core';

const answer = await guard(async () => 'guarded', timeout('1s'))();
process.stdout.write(`${answer}\n${Object.keys(createRequire(import.meta.url).cache).join('\n')}\n`);
