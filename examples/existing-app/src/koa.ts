// A Koa app that was there before Ferrule, and the two steps in which it takes it on.
import Koa from 'koa';
import type { Middleware } from 'koa';
import { ServiceError, bulkhead, createService, get, timeout } from '@ferrule/core';
import type { Service, ServiceOptions } from '@ferrule/core';
import { handle, koaAdapter, problemErrors, routes } from '@ferrule/koa';

/** What a report needs, and takes: a query, say. */
export type Report = (id: string, signal: AbortSignal) => Promise<unknown>;

/** The app as it was: its own authentication and its own routes. */
export function existingApp(): Koa {
  const app = new Koa();
  app.use(async (ctx, next) => {
    if (ctx.get('authorization') === '') {
      ctx.status = 401;
      ctx.body = 'Who are you?';
    } else await next();
  });
  app.use(
    at(/^\/orders\/(?<id>[^/]+)$/, (ctx) => {
      ctx.body = { order: (ctx as { params?: Record<string, string> }).params?.['id'] };
    }),
  );
  return app;
}

/** As a router does: runs on a match, with `ctx.params`. */
function at(pattern: RegExp, middleware: Middleware): Middleware {
  return async (ctx, next) => {
    const match = pattern.exec(ctx.path);
    if (match === null) await next();
    else await middleware(Object.assign(ctx, { params: { ...match.groups } }), next);
  };
}

/** Step 1: one new handler is bounded in time and in number, its errors are problem+json. Nothing else changes. */
export function withOneWrapper(report: Report): Koa {
  const app = existingApp();
  const wrapped = handle((call) => report(call.params['id']!, call.signal), timeout('500ms'), bulkhead(20));
  app.use(problemErrors());
  app.use(at(/^\/reports\/(?<id>[^/]+)$/, wrapped));
  return app;
}

/** Step 2: the same app is a service. It has health routes, a registration, graceful shutdown; `GET /orders/:id` is still its own. */
export function asService(report: Report, options: Partial<ServiceOptions> = {}): Service {
  const app = existingApp();
  const service = createService({
    name: 'orders',
    adapter: koaAdapter({ app }),
    routes: [
      get('/reports/:id', timeout('500ms'), bulkhead(20), async (call) => {
        const found = await report(call.params['id']!, call.signal);
        if (found === undefined) throw new ServiceError('NOT_FOUND', `There is no report ${call.params['id']}`, { reason: 'REPORT_NOT_FOUND' });
        return found;
      }),
    ],
    ...options,
  });
  app.use(routes(service)); // where ours run: behind the authentication
  return service;
}
