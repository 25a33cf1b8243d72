import type { ErrorRequestHandler } from 'express';
import type { ErrorMapper } from '@ferrule/core';
import { cutShort, replyMapping, unmatchedCalls, writeReply } from '@ferrule/core/adapter';
import type { Mountable } from '@ferrule/core/adapter';
import { pendingReply } from './answer.js';

export interface ProblemErrorsOptions {
  /** Asked in turn before problem+json. */
  readonly mappers?: readonly ErrorMapper[];
  /** The member `service` of the problems. Default: left out. */
  readonly service?: string;
}

/** Error middleware that answers with problem+json: put it last, behind the app's own. */
export function problemErrors(options: ProblemErrorsOptions = {}): ErrorRequestHandler {
  const toReply = replyMapping(options.mappers ?? [], options.service);
  const callFor = unmatchedCalls(options.service ?? '');
  return lastAnswer({ toReply: (error, res) => toReply(error, callFor(res)) });
}

/** Sends the reply for an error that nobody answered; cuts the connection when part of another reply is on its way. */
export function lastAnswer(errors: Pick<Mountable, 'toReply'> & Partial<Pick<Mountable, 'brokeOff'>>): ErrorRequestHandler {
  return function ferruleErrors(error: unknown, req, res, _next) {
    if (res.headersSent) {
      if (!res.writableEnded) cutShort(res);
      errors.brokeOff?.(error, res);
      return;
    }
    writeReply(res, pendingReply(res) ?? errors.toReply(error, res), req.method);
  };
}
