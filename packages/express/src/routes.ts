import type { RequestHandler, Response } from 'express';
import { placeRoutes } from '@ferrule/core/adapter';
import type { Mountable } from '@ferrule/core/adapter';
import { answer, exchangeOf } from './answer.js';

const DECLINED = Symbol('ferrule.declined');

/**
 * The service's routes as middleware: where it stands in the app, after authentication and parsers, there they run, below a prefix
 * too (`app.use('/api', routes(service))`). What they do not know goes on to the app.
 * @throws TypeError when it is no service.
 */
export function routes(service: { readonly mountable: Mountable }): RequestHandler {
  return middlewareOf(placeRoutes(service));
}

/** `alone`: no middleware of an app stands around. */
export function middlewareOf({ routes: table }: Mountable, { alone = false }: { readonly alone?: boolean } = {}): RequestHandler {
  return function ferruleRoutes(req, res, next) {
    const match = table.match(req.method, req.url);
    if (match !== undefined) {
      const exchange = exchangeOf(req, res, next);
      return answer(match.run(exchange), exchange, res, next, alone);
    }
    (res as Response & { [DECLINED]?: string })[DECLINED] = req.url;
    next();
  };
}

/** The path that the routes declined, without the prefix below which they are mounted. */
export function declinedUrl(res: Response): string | undefined {
  return (res as Response & { [DECLINED]?: string })[DECLINED];
}
