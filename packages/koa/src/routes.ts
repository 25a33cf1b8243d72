import type { Middleware } from 'koa';
import type { Mountable } from '@ferrule/core/adapter';
import { answer, exchangeOf } from './answer.js';
import type { AnyContext } from './answer.js';

const DECLINED = Symbol('ferrule.declined');

/**
 * The service's routes as middleware: where it stands in the app, after authentication and parsers, there they run, mounted below a
 * prefix too. What they do not know goes on to the app.
 */
export function routes(service: { readonly mountable: Mountable }): Middleware {
  service.mountable.placed = true;
  return middlewareOf(service.mountable);
}

export function middlewareOf(mountable: Mountable): Middleware {
  const { routes: table } = mountable;
  const errors = mountable.errors === 'problem' ? mountable : undefined;
  return function ferruleRoutes(ctx, next) {
    const { req } = ctx;
    const match = table.match(req.method!, req.url!);
    if (match !== undefined) {
      const exchange = exchangeOf(ctx, next);
      return match.run(exchange).then((reply) => answer(ctx, reply, exchange, errors));
    }
    (ctx.res as { [DECLINED]?: string })[DECLINED] = req.url!;
    return next();
  };
}

/** The path that the routes declined, without the prefix below which they are mounted. */
export function declinedUrl(ctx: AnyContext): string | undefined {
  return (ctx.res as { [DECLINED]?: string })[DECLINED];
}
