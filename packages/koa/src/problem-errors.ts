import type { Middleware } from 'koa';
import { problemAnswers } from '@ferrule/core/adapter';
import type { ProblemErrorsOptions } from '@ferrule/core/adapter';
import { breakOff, emitError, writeContext } from './answer.js';
import type { AnyContext, Errors } from './answer.js';

/**
 * Middleware that answers with problem+json for what is thrown behind it and logs what is behind a 5xx: put it first. A 5xx reaches the
 * app's own listeners for `error` too, but for Koa's, which would write it a second time.
 * @throws TypeError when an option is unknown or bad.
 */
export function problemErrors(options: ProblemErrorsOptions = {}): Middleware {
  const errors = problemAnswers(options);
  return async function ferruleErrors(ctx, next) {
    try {
      await next();
    } catch (error) {
      answerError(ctx, error, errors);
    }
  };
}

/** Maps an error that arrives at the outermost middleware. What Koa would tell its `error` event it is told here too. */
export function answerError(ctx: AnyContext, error: unknown, errors: Errors): void {
  if (ctx.headerSent) return breakOff(ctx, error, errors);
  const reply = errors.toReply(error, ctx.res);
  if (reply.status >= 500) emitError(ctx, error, errors);
  writeContext(ctx, reply);
}
