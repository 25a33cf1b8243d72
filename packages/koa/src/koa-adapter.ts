import Koa from 'koa';
import type { Middleware } from 'koa';
import type { RequestListener } from 'node:http';
import { ServerHost, checkOptions, claimApp, shown } from '@ferrule/core/adapter';
import type { Address, HttpAdapter, ListenOptions, Mountable } from '@ferrule/core/adapter';
import { writeContext } from './answer.js';
import type { AnyContext } from './answer.js';
import { answerError } from './problem-errors.js';
import { declinedUrl, isOurs, middlewareOf } from './routes.js';

/** Of this package; a test compares it with package.json. */
const VERSION = '0.1.0';

export interface KoaAdapterOptions {
  /** The app to adopt; its middleware stays as it is. Default: a new one, which is silent: the service's logger hears of errors. */
  readonly app?: Koa;
}

/**
 * Koa 3 under a service. Around all that the app has stands one middleware, from the moment the adapter is made: it answers for errors
 * that nobody caught, and 404 or 405 for what nobody took. Mounting adds the routes behind all, unless `routes(service)` has placed them.
 * With `errorHandling: 'native'` errors and 404 are left to the app.
 *
 * An app carries one service. The service listens by itself; an app that calls `callback()` or `listen()` itself gives that server to
 * `service.attach(server)`, and does so after it has placed the routes, because Koa looks at its middleware once: `mount` refuses an app
 * that was looked at before.
 * @throws TypeError when an option is unknown, or `app` is no Koa app.
 */
export function koaAdapter(options: KoaAdapterOptions = {}): HttpAdapter {
  if (isApp(options)) throw new TypeError('koaAdapter: that is an app. Give it by name: koaAdapter({ app }).');
  checkOptions('koaAdapter', options, ['app']);
  if (options.app !== undefined && !isApp(options.app))
    throw new TypeError(`koaAdapter app: ${shown(options.app)} is no Koa app. Give a new Koa(), or leave it out.`);
  const app = options.app ?? new Koa();
  let mounted: Mountable | undefined;
  let listener: RequestListener | undefined;
  if (options.app !== undefined) app.middleware.unshift(outermost(() => mounted));
  // Nobody can listen to the `error` event of an app of our own, and Koa would write to the console: the service's logger hears of errors.
  else app.silent = true;
  const looked = options.app === undefined ? undefined : looksAt(app);
  const host = new ServerHost(
    (req, res) => {
      // Kept when all is in place: who asks before the mount gets what is there then.
      if (mounted === undefined) void callback(app)(req, res);
      else void (listener ??= callback(app))(req, res);
    },
    { adopted: options.app !== undefined },
  );

  return {
    name: 'koa',
    version: VERSION,
    mount(mountable: Mountable): void {
      if (looked?.(mountable.placed) === true) {
        throw new Error(
          `mount: the app's callback() or listen() was called before the routes of ${mountable.name} were placed, and Koa looks at its middleware once. Call app.use(routes(service)) first, or start the service first.`,
        );
      }
      if (options.app !== undefined) claimApp(options.app, mountable.name);
      host.mount(mountable);
      mounted = mountable;
      if (!mountable.placed) app.use(middlewareOf(mountable, { alone: options.app === undefined }));
      // In an app of our own nobody stands around the routes: what they leave is known behind them, at less cost.
      if (options.app === undefined && mountable.errors === 'problem') app.use(last(mountable));
    },
    attach: (server) => host.attach(server),
    listen: (listen?: ListenOptions): Promise<Address> => host.listen(listen),
    startDraining: () => host.startDraining(),
    close: (signal?: AbortSignal) => host.close(signal),
  };
}

/** Not an override that the adapter has put there. */
function callback(app: Koa): RequestListener {
  return Koa.prototype.callback.call(app);
}

/**
 * Watches for the app being made a listener, which it is once and for all with the middleware of that moment. The returned function
 * says whether one was made that lacks the routes: none were placed then, or they were added behind it.
 */
function looksAt(app: Koa): (placed: boolean) => boolean {
  // Koa's own listener is there from the first time on, unless the app has brought one: a sign of a look before the adapter was made.
  let seen = app.listeners('error').includes(app.onerror) ? new Set<unknown>() : undefined;
  const before = app.callback;
  app.callback = () => {
    seen ??= new Set<unknown>(app.middleware);
    return before.call(app);
  };
  return (placed) => seen !== undefined && (!placed || app.middleware.some((one) => isOurs(one) && !seen!.has(one)));
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

function isApp(value: unknown): value is Koa {
  const { use, callback, middleware } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Koa>;
  return typeof use === 'function' && typeof callback === 'function' && Array.isArray(middleware);
}
