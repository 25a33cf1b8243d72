// The first depth of adoption in an app: one wrapped handler on each framework.
import { createRequire } from 'node:module';
import { timeout } from '@ferrule/core';
import * as onExpress from '@ferrule/express';
import * as onKoa from '@ferrule/koa';

for (const { handle, problemErrors } of [onExpress, onKoa])
  process.stdout.write(`${typeof handle(() => 'x', timeout('1s'))} ${typeof problemErrors()}\n`);
process.stdout.write(`${Object.keys(createRequire(import.meta.url).cache).join('\n')}\n`);
