import type { Context, Middleware, Next } from 'koa';
import { compose } from '@ferrule/core';
import type { Params, RouteHandler, Wrapper } from '@ferrule/core';
import { depthOne, nativeHandler, outsideOfRoute, shown } from '@ferrule/core/adapter';
import type { Exchange } from '@ferrule/core/adapter';
import { answer, exchangeOf } from './answer.js';

const NO_PARAMS: Params = Object.freeze(Object.create(null) as Record<string, string>);

/**
 * One wrapped handler in an existing app: `router.get('/x', handle(fn, timeout('500ms'), bulkhead(20)))`. A router's path and params
 * (`ctx._matchedRoute` or `ctx.routerPath`, `ctx.params`) are used; errors go on to the app (`problemErrors()` makes problems of them).
 * @throws TypeError when a wrapper that runs its handler again stands around a native one.
 */
export function handle(fn: RouteHandler, ...wrappers: readonly Wrapper[]): Middleware {
  const stack = depthOne(fn, compose(...wrappers), wrappers);
  return async function ferruleHandle(ctx, next) {
    const { params = NO_PARAMS, _matchedRoute: path } = ctx as { params?: Params; _matchedRoute?: unknown };
    const exchange = exchangeOf(ctx, next);
    await answer(ctx, await stack(exchange, typeof path === 'string' ? path : '', params), exchange);
  };
}

/**
 * A Koa middleware as a route handler. It answers through `ctx`, or through `ctx.res` after `ctx.respond = false`; calling `next()`
 * declines to the rest of the app, whose answer then counts as its own.
 */
export function native(fn: (ctx: Context, next: Next) => unknown): RouteHandler {
  if (typeof fn !== 'function') throw new TypeError(`native: ${shown(fn)} is no handler. Give one of the framework's own kind.`);
  // The rest of the app is not part of the call any more.
  return nativeHandler(
    (exchange: Exchange) => fn(exchange.native as Context, () => outsideOfRoute(exchange.res, exchange.next as Next)),
    isLeftToKoa,
  );
}

function isLeftToKoa({ native: ctx }: Exchange): boolean {
  return (ctx as Context).respond !== false;
}
