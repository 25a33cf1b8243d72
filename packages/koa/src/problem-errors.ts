import type { Middleware } from 'koa';
import type { ErrorMapper } from '@ferrule/core';
import { replyMapping, unmatchedCalls } from '@ferrule/core/adapter';
import type { Mountable } from '@ferrule/core/adapter';
import { breakOff, emitError, writeContext } from './answer.js';
import type { AnyContext, Errors } from './answer.js';

export interface ProblemErrorsOptions {
  /** Asked in turn before problem+json. */
  readonly mappers?: readonly ErrorMapper[];
  /** The member `service` of the problems. Default: left out. */
  readonly service?: string;
}

/** Middleware that answers with problem+json for what is thrown behind it: put it first. A 5xx still reaches the app's `error` event. */
export function problemErrors(options: ProblemErrorsOptions = {}): Middleware {
  const toReply = replyMapping(options.mappers ?? [], options.service);
  const callFor = unmatchedCalls(options.service ?? '');
  const errors: Pick<Mountable, 'toReply'> = { toReply: (error, res) => toReply(error, callFor(res)) };
  return async function ferruleErrors(ctx, next) {
    try {
      await next();
    } catch (error) {
      answerError(ctx, error, errors);
    }
  };
}

/** Maps an error that arrives at the outermost middleware. What Koa would tell its `error` event it is told here too. */
export function answerError(ctx: AnyContext, error: unknown, errors: Pick<Mountable, 'toReply'> & Partial<Errors>): void {
  if (ctx.headerSent) return breakOff(ctx, error, errors);
  const reply = errors.toReply(error, ctx.res);
  if (reply.status >= 500) emitError(ctx, error, errors);
  // What middleware had set for the reply that it meant to give is not for this one.
  for (const name of ['content-type', 'content-length', 'content-encoding', 'etag', 'last-modified']) ctx.remove(name);
  writeContext(ctx, reply);
}
