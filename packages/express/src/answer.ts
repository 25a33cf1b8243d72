import type { NextFunction, Request, Response } from 'express';
import { REASONS, isServiceError } from '@ferrule/core';
import type { Reply } from '@ferrule/core';
import { writeReply } from '@ferrule/core/adapter';
import type { Exchange } from '@ferrule/core/adapter';

const PENDING = Symbol('ferrule.pending');

/** A response that waits for the app's error middleware: what it is sent when none of them answers. */
type PendingResponse = Response & { [PENDING]?: Reply };

/** Express' request as an exchange. A body is there when a parser of the app ran. */
export function exchangeOf(req: Request, res: Response, next: NextFunction): Exchange {
  return { req, res, body: req.body as unknown, next };
}

/**
 * Answers with what a route gave. The error behind a 5xx goes on to the app's error middleware first, which may log, report or
 * answer; `lastAnswer` sends the reply when it did not. An app of our own has none, so there `alone` spares the way.
 * What comes after the headers, of a stream or a native handler, goes to the error middleware too.
 */
export function answer(run: Promise<Reply>, exchange: Exchange, res: Response, next: NextFunction, alone: boolean = false): void {
  const fail = (error: unknown): void => next(error ?? new Error(`${String(error)} was thrown`));
  const succeeded = (reply: Reply): void => {
    if (reply.sent) return void exchange.work?.catch(fail);
    if (!alone && reply.error !== undefined && reply.status >= 500) {
      (res as PendingResponse)[PENDING] = reply;
      return fail(reply.error);
    }
    writeReply(res, reply, exchange.req.method!, fail);
  };
  const failed = (error: unknown): void => {
    // The client has left: there is nobody to answer, and nothing went wrong that Express would have to print.
    if (res.closed && isServiceError(error) && error.reason === REASONS.disconnected) return;
    fail(error);
  };
  void run.then(succeeded, failed);
}

/** The reply that a route has made already for an error that now arrives at the end of the error middleware. */
export function pendingReply(res: Response): Reply | undefined {
  return (res as PendingResponse)[PENDING];
}
