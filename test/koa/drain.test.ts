import { buffer } from 'node:stream/consumers';
import Koa from 'koa';
import { koaAdapter } from '@ferrule/koa';
import { drainCases } from '../support/drain-cases.js';
import { drainRoutes, mounted } from '../support/drain-routes.js';

drainCases('Koa, routes of the service', (work) => mounted(koaAdapter(), drainRoutes(work)));

drainCases('Koa, routes of the app', (work) => {
  const app = new Koa();
  app.silent = true; // a cut body is an error of the app, as it should be; its report is not wanted here
  app.use(async (ctx, next) => {
    if (ctx.path === '/quick') ctx.body = 'quick';
    else if (ctx.path === '/large') ctx.body = work.large();
    else if (ctx.path === '/slow') {
      await work.hold();
      ctx.body = 'slow';
    } else if (ctx.path === '/stream') {
      ctx.respond = false;
      ctx.status = 200;
      await work.stream(ctx.res);
    } else if (ctx.path === '/body') {
      await buffer(ctx.req);
      ctx.body = 'read';
    } else await next();
  });
  return mounted(koaAdapter({ app }));
});
