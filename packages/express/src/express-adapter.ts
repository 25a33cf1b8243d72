import express from 'express';
import type { Express } from 'express';
import { ServerHost, writeReply } from '@ferrule/core/adapter';
import type { Address, HttpAdapter, ListenOptions, Mountable } from '@ferrule/core/adapter';
import { lastAnswer } from './problem-errors.js';
import { declinedUrl, middlewareOf } from './routes.js';

export interface ExpressAdapterOptions {
  /** The app to adopt; its middleware and routes stay as they are. Default: a new one without `x-powered-by`. */
  readonly app?: Express;
}

/**
 * Express 5 under a service. Mounting adds, behind all that the app has: the routes, unless `routes(service)` has placed them,
 * a 404 or 405 problem for what nobody took, and the error handler that answers when the app's own did not.
 * With `errorHandling: 'native'` the last two are left to the app.
 */
export function expressAdapter(options: ExpressAdapterOptions = {}): HttpAdapter {
  const app = options.app ?? express().disable('x-powered-by');
  const host = new ServerHost(app);

  return {
    name: 'express',
    mount(mountable: Mountable): void {
      host.mount(mountable);
      if (!mountable.placed) app.use(middlewareOf(mountable));
      if (mountable.errors === 'native') return;
      app.use(function ferruleFallthrough(req, res) {
        writeReply(res, mountable.fallthrough(res, declinedUrl(res) ?? req.url), req.method);
      });
      app.use(lastAnswer(mountable));
    },
    attach: (server) => host.attach(server),
    listen: (listen?: ListenOptions): Promise<Address> => host.listen(listen),
    startDraining: () => host.startDraining(),
    close: (signal?: AbortSignal) => host.close(signal),
  };
}
