import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import express from 'express';
import type { Express, NextFunction, Request, Response } from 'express';
import Koa from 'koa';
import type { Context, Next } from 'koa';
import { expressAdapter, native as expressNative, routes as expressRoutes } from '@ferrule/express';
import { koaAdapter, native as koaNative, routes as koaRoutes } from '@ferrule/koa';
import type { ForeignApp, ForeignExchange, ForeignMiddleware, HttpAdapterSubject } from '@ferrule/testing';

type ExpressApp = ForeignApp & { readonly native: Express };
type KoaApp = ForeignApp & { readonly native: Koa };

/** Express 5, as its users write it. */
export const expressSubject: HttpAdapterSubject = {
  name: 'express',
  createApp(): ExpressApp {
    const app = express().disable('x-powered-by');
    return {
      native: app,
      use: (middleware) => void app.use(expressHandler(middleware)),
      useJsonParser: () => void app.use(express.json()),
      useRoutes: (service) => void app.use(expressRoutes(service)),
      onError: (listener) =>
        void app.use((error: unknown, _req: Request, _res: Response, next: NextFunction) => {
          listener(error);
          next(error);
        }),
      createServer: () => createServer(app),
    };
  },
  createAdapter: (app) => expressAdapter(app === undefined ? {} : { app: (app as ExpressApp).native }),
  native: (handler) => expressNative(expressHandler(handler)),
};

/** Koa 3, as its users write it. */
export const koaSubject: HttpAdapterSubject = {
  name: 'koa',
  createApp(): KoaApp {
    const app = silentKoa();
    return {
      native: app,
      use: (middleware) => void app.use(koaHandler(middleware)),
      useJsonParser: () => void app.use(readJson),
      useRoutes: (service) => void app.use(koaRoutes(service)),
      onError: (listener) => void app.on('error', listener),
      createServer: () => createServer(app.callback()),
    };
  },
  createAdapter: (app) => koaAdapter({ app: app === undefined ? silentKoa() : (app as KoaApp).native }),
  native: (handler) => koaNative(koaHandler(handler)),
};

/** An app of Koa's own writes every error to the console. */
function silentKoa(): Koa {
  const app = new Koa();
  app.silent = true;
  return app;
}

export const subjects: readonly HttpAdapterSubject[] = [expressSubject, koaSubject];

function expressHandler(middleware: ForeignMiddleware): (req: Request, res: Response, next: NextFunction) => unknown {
  return (req, res, next) => middleware(exchangeOfExpress(req, res), () => Promise.resolve(next()));
}

function exchangeOfExpress(req: Request, res: Response): ForeignExchange {
  return {
    req,
    res,
    header: (name, value) => void res.setHeader(name, value),
    answer: (status, text) => void res.status(status).type('text').send(text),
    takeOver: () => res,
  };
}

function koaHandler(middleware: ForeignMiddleware): (ctx: Context, next: Next) => unknown {
  return (ctx, next) => middleware(exchangeOfKoa(ctx), next);
}

function exchangeOfKoa(ctx: Context): ForeignExchange {
  return {
    req: ctx.req,
    res: ctx.res,
    header: (name, value) => ctx.set(name, value),
    answer(status, text) {
      ctx.status = status;
      ctx.body = text;
    },
    takeOver() {
      ctx.respond = false;
      return ctx.res;
    },
  };
}

/** What koa-bodyparser does for JSON: `ctx.request.body`, and an http-error of status 400. */
export async function readJson(ctx: Context, next: Next): Promise<void> {
  if (ctx.is('json') !== false && ctx.is('json') !== null) {
    try {
      (ctx.request as { body?: unknown }).body = JSON.parse(await textOf(ctx.req)) as unknown;
    } catch (error) {
      ctx.throw(400, 'The body is no JSON', { cause: error });
    }
  }
  await next();
}

async function textOf(req: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of req.setEncoding('utf8')) text += String(piece);
  return text;
}
