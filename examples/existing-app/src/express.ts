// An Express app that was there before Ferrule, and the two steps in which it takes it on.
import express from 'express';
import type { Express, NextFunction, Request, Response } from 'express';
import { ServiceError, bulkhead, createService, get, timeout } from '@ferrule/core';
import type { Service, ServiceOptions } from '@ferrule/core';
import { expressAdapter, handle, problemErrors, routes } from '@ferrule/express';

/** What a report needs, and takes: a query, say. */
export type Report = (id: string, signal: AbortSignal) => Promise<unknown>;

/** The app as it was: its own authentication and its own routes. */
export function existingApp(): Express {
  const app = express();
  app.use((req: Request, res: Response, next: NextFunction) => {
    if (req.get('authorization') === undefined) res.status(401).send('Who are you?');
    else next();
  });
  app.get('/orders/:id', (req: Request, res: Response) => void res.json({ order: req.params['id'] }));
  return app;
}

/** Step 1: one new handler is bounded in time and in number, its errors are problem+json. Nothing else changes. */
export function withOneWrapper(report: Report): Express {
  const app = existingApp();
  app.get(
    '/reports/:id',
    handle((call) => report(call.params['id']!, call.signal), timeout('500ms'), bulkhead(20)),
  );
  app.use(problemErrors());
  return app;
}

/** Step 2: the same app is a service. It has health routes, a registration, graceful shutdown; `GET /orders/:id` is still its own. */
export function asService(report: Report, options: Partial<ServiceOptions> = {}): Service {
  const app = existingApp();
  const service = createService({
    name: 'orders',
    adapter: expressAdapter({ app }),
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
