// What the look at the module graph has to notice: the container is loaded, and a transport is made.
import '@ferrule/core/di';
import { createRequire } from 'node:module';
import { httpTransport } from '@ferrule/core';

await httpTransport()[Symbol.asyncDispose]();
await new Promise((resolve) => setTimeout(resolve, 50)); // undici comes a moment later
process.stdout.write(`${Object.keys(createRequire(import.meta.url).cache).join('\n')}\n`);
