import type { Middleware } from 'koa';
import { placeRoutes } from '@ferrule/core/adapter';
import type { Mountable } from '@ferrule/core/adapter';
import { answer, answerAlone, exchangeOf } from './answer.js';
import type { AnyContext } from './answer.js';

const DECLINED = Symbol('ferrule.declined');
const OURS = Symbol('ferrule.routes');

/**
 * The service's routes as middleware: where it stands in the app, after authentication and parsers, there they run, mounted below a
 * prefix too. What they do not know goes on to the app.
 * @throws TypeError when it is no service.
 */
export function routes(service: { readonly mountable: Mountable }): Middleware {
  return middlewareOf(placeRoutes(service));
}

/** `alone`: no middleware of an app stands around. */
export function middlewareOf(mountable: Mountable, { alone = false }: { readonly alone?: boolean } = {}): Middleware {
  const { routes: table } = mountable;
  const give = alone ? answerAlone : answer;
  const errors = mountable.errors === 'problem' ? mountable : undefined;
  const middleware: Middleware = function ferruleRoutes(ctx, next) {
    const { req } = ctx;
    const match = table.match(req.method!, req.url!);
    if (match !== undefined) {
      const exchange = exchangeOf(ctx, next);
      return match.run(exchange).then((reply) => give(ctx, reply, exchange, errors));
    }
    (ctx.res as { [DECLINED]?: string })[DECLINED] = req.url!;
    return next();
  };
  Object.defineProperty(middleware, OURS, { value: true });
  return middleware;
}

/** Whether the middleware is that of a service's routes. */
export function isOurs(middleware: Middleware): boolean {
  return OURS in middleware;
}

/** The path that the routes declined, without the prefix below which they are mounted. */
export function declinedUrl(ctx: AnyContext): string | undefined {
  return (ctx.res as { [DECLINED]?: string })[DECLINED];
}
