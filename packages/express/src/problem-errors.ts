import type { ErrorRequestHandler } from 'express';
import { cutShort, problemAnswers, writeReply } from '@ferrule/core/adapter';
import type { Mountable, ProblemErrorsOptions } from '@ferrule/core/adapter';
import { pendingReply } from './answer.js';

/**
 * Error middleware that answers with problem+json and logs what is behind a 5xx: put it last, behind the app's own.
 * @throws TypeError when an option is unknown or bad.
 */
export function problemErrors(options: ProblemErrorsOptions = {}): ErrorRequestHandler {
  return lastAnswer(problemAnswers(options));
}

/** Sends the reply for an error that nobody answered; cuts the connection when part of another reply is on its way. */
export function lastAnswer(errors: Pick<Mountable, 'toReply' | 'brokeOff'>): ErrorRequestHandler {
  return function ferruleErrors(error: unknown, req, res, _next) {
    if (res.headersSent) {
      if (!res.writableEnded) cutShort(res);
      errors.brokeOff(error, res);
      return;
    }
    writeReply(res, pendingReply(res) ?? errors.toReply(error, res), req.method);
  };
}
