import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Params, RouteHandler, Wrapper } from '@ferrule/core';
import { compose } from '@ferrule/core';
import { depthOne, nativeHandler, outsideOfRoute, shown } from '@ferrule/core/adapter';
import type { Exchange } from '@ferrule/core/adapter';
import { answer, exchangeOf } from './answer.js';

/**
 * One wrapped handler in an existing app: `app.get('/x', handle(fn, timeout('500ms'), bulkhead(20)))`. The app's own path gives the
 * params; errors go to the app's error middleware (`problemErrors()` makes problems of them).
 * @throws TypeError when a wrapper that runs its handler again stands around a native one.
 */
export function handle(fn: RouteHandler, ...wrappers: readonly Wrapper[]): RequestHandler {
  const stack = depthOne(fn, compose(...wrappers), wrappers);
  return function ferruleHandle(req, res, next) {
    // Not with req.baseUrl: that is what the client sent, not the template of the mount path.
    const path = (req.route as { path?: unknown } | undefined)?.path;
    const exchange = exchangeOf(req, res, next);
    answer(stack(exchange, typeof path === 'string' ? path : '', paramsOf(req)), exchange, res, next);
  };
}

/** Express gives a wildcard as a list of segments. */
function paramsOf(req: Request): Params {
  const params = req.params as Record<string, string | string[]>;
  for (const name in params) {
    const value = params[name];
    if (Array.isArray(value)) params[name] = value.join('/');
  }
  return params as Params;
}

/**
 * An Express handler as a route handler. It answers through `res`; calling `next()` declines to the rest of the app,
 * whose answer then counts as its own.
 */
export function native(fn: (req: Request, res: Response, next: NextFunction) => unknown): RouteHandler {
  if (typeof fn !== 'function') throw new TypeError(`native: ${shown(fn)} is no handler. Give one of the framework's own kind.`);
  return nativeHandler((exchange: Exchange) => {
    // The rest of the app is not part of the call any more.
    const next: NextFunction = (error?: unknown) => void outsideOfRoute(exchange.res, () => exchange.next?.(error));
    return fn(exchange.req as Request, exchange.res as Response, next);
  });
}
