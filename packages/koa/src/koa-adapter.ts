import Koa from 'koa';
import type { Middleware } from 'koa';
import type { RequestListener } from 'node:http';
import { ServerHost } from '@ferrule/core/adapter';
import type { Address, HttpAdapter, ListenOptions, Mountable } from '@ferrule/core/adapter';
import { writeContext } from './answer.js';
import type { AnyContext } from './answer.js';
import { answerError } from './problem-errors.js';
import { declinedUrl, middlewareOf } from './routes.js';

export interface KoaAdapterOptions {
  /** The app to adopt; its middleware stays as it is. Default: a new one, which is silent: the service's logger hears of errors. */
  readonly app?: Koa;
}

/**
 * Koa 3 under a service. Around all that the app has stands one middleware, from the moment the adapter is made: it answers for errors
 * that nobody caught, and 404 or 405 for what nobody took. Mounting adds the routes behind all, unless `routes(service)` has placed them.
 * With `errorHandling: 'native'` errors and 404 are left to the app.
 *
 * An app that calls `callback()` or `listen()` itself does so after it has placed the routes: Koa looks at its middleware once.
 */
export function koaAdapter(options: KoaAdapterOptions = {}): HttpAdapter {
  const app = options.app ?? new Koa();
  let mounted: Mountable | undefined;
  let listener: RequestListener | undefined;
  if (options.app !== undefined) app.middleware.unshift(outermost(() => mounted));
  // Nobody can listen to the `error` event of an app of our own, and Koa would write to the console: the service's logger hears of errors.
  else app.silent = true;
  const host = new ServerHost((req, res) => void (listener ??= app.callback())(req, res));

  return {
    name: 'koa',
    mount(mountable: Mountable): void {
      host.mount(mountable);
      mounted = mountable;
      if (!mountable.placed) app.use(middlewareOf(mountable));
      // In an app of our own nobody stands around the routes: what they leave is known behind them, at less cost.
      if (options.app === undefined && mountable.errors === 'problem') app.use(last(mountable));
    },
    attach: (server) => host.attach(server),
    listen: (listen?: ListenOptions): Promise<Address> => host.listen(listen),
    startDraining: () => host.startDraining(),
    close: (signal?: AbortSignal) => host.close(signal),
  };
}

/** Answers for what nobody caught and nobody took, from the moment that a service is mounted. */
function outermost(mountableOfNow: () => Mountable | undefined): Middleware {
  return function ferruleOutermost(ctx, next) {
    const mountable = mountableOfNow();
    if (mountable === undefined || mountable.errors === 'native') return next();
    return next().then(
      () => void (isUnanswered(ctx) && writeContext(ctx, mountable.fallthrough(ctx.res, declinedUrl(ctx) ?? ctx.url))),
      (error: unknown) => answerError(ctx, error, mountable),
    );
  };
}

function last(mountable: Mountable): Middleware {
  return function ferruleLast(ctx) {
    writeContext(ctx, mountable.fallthrough(ctx.res, declinedUrl(ctx) ?? ctx.url));
  };
}

/** Koa would say `Not Found` in plain text: nobody has set a body, and nobody writes by himself. */
function isUnanswered(ctx: AnyContext): boolean {
  return ctx.status === 404 && (ctx.body === undefined || ctx.body === null) && ctx.respond !== false && !ctx.headerSent && ctx.writable;
}
