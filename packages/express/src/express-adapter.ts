import express from 'express';
import type { Express } from 'express';
import { ServerHost, checkOptions, claimApp, shown, writeReply } from '@ferrule/core/adapter';
import type { Address, HttpAdapter, ListenOptions, Mountable } from '@ferrule/core/adapter';
import { lastAnswer } from './problem-errors.js';
import { declinedUrl, middlewareOf } from './routes.js';

/** Of this package; a test compares it with package.json. */
const VERSION = '0.1.0';

export interface ExpressAdapterOptions {
  /** The app to adopt; its middleware and routes stay as they are. Default: a new one without `x-powered-by`. */
  readonly app?: Express;
}

/**
 * Express 5 under a service. Mounting adds, behind all that the app has: the routes, unless `routes(service)` has placed them,
 * a 404 or 405 problem for what nobody took, and the error handler that answers when the app's own did not.
 * With `errorHandling: 'native'` the last two are left to the app.
 *
 * An app carries one service. What it adds after `start()` stands behind the 404 and is never reached: add its routes before. The service
 * listens by itself; an app that calls `listen` or `createServer` itself gives that server to `service.attach(server)`, or there are two,
 * and the one of its own has neither health routes nor a drain.
 * @throws TypeError when an option is unknown, or `app` is no Express app.
 */
export function expressAdapter(options: ExpressAdapterOptions = {}): HttpAdapter {
  if (isApp(options)) throw new TypeError('expressAdapter: that is an app. Give it by name: expressAdapter({ app }).');
  checkOptions('expressAdapter', options, ['app']);
  if (options.app !== undefined && !isApp(options.app))
    throw new TypeError(`expressAdapter app: ${shown(options.app)} is no Express app. Give what express() returned, or leave it out.`);
  const app = options.app ?? express().disable('x-powered-by');
  const host = new ServerHost(app, { adopted: options.app !== undefined });

  return {
    name: 'express',
    version: VERSION,
    mount(mountable: Mountable): void {
      if (options.app !== undefined) claimApp(options.app, mountable.name);
      host.mount(mountable);
      if (!mountable.placed) app.use(middlewareOf(mountable, { alone: options.app === undefined }));
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

function isApp(value: unknown): value is Express {
  return typeof value === 'function' && typeof (value as Partial<Express>).use === 'function';
}
