import type { Middleware } from 'koa';
import type { Monitor } from '@ferrule/core';
import { healthHandler } from '@ferrule/core/adapter';

/** The monitor's health routes as middleware, for an app without a Service: put it first. */
export function healthRoutes(monitor: Monitor): Middleware {
  const answers = healthHandler(monitor);
  return async function ferruleHealth(ctx, next) {
    if (answers(ctx.req, ctx.res)) ctx.respond = false;
    else await next();
  };
}
