import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { RouteHandler } from '@ferrule/core';
import type { HttpAdapter, Mountable } from '@ferrule/core/adapter';
import type { ConformanceSubject } from '../conformance.js';

/** What the author of an adapter writes to run `httpAdapterCases` against it; about forty lines. */
export interface HttpAdapterSubject extends ConformanceSubject {
  /** An app of the framework with nothing in it. */
  createApp(): ForeignApp;
  /** The adapter, which adopts the app when one is given and else makes its own. */
  createAdapter(app?: ForeignApp): HttpAdapter;
  /** A native handler of the framework as the handler of one of our routes. */
  native(handler: ForeignMiddleware): RouteHandler;
}

/** The few things that a framework's users do with their app, in words that fit every framework. */
export interface ForeignApp {
  /** Adds middleware behind what is there. */
  use(middleware: ForeignMiddleware): void;
  /** Adds a body parser for JSON, as a user of this framework has one; what it parsed stands where that framework's parsers put it. */
  useJsonParser(): void;
  /** Puts the application's routes here: the adapter's `routes(service)`. */
  useRoutes(service: { readonly mountable: Mountable }): void;
  /** Tells of errors that reached the framework: Express's last error middleware (which passes them on), Koa's `error` event. */
  onError(listener: (error: unknown) => void): void;
  /** An http server of the app, which nobody listens on yet: for apps that call `listen` themselves. */
  createServer(): Server;
}

/** Runs before what was added behind it; what it throws or rejects with goes the framework's way for errors. */
export type ForeignMiddleware = (exchange: ForeignExchange, next: () => Promise<void>) => unknown;

/** A request as a user of the framework sees it. */
export interface ForeignExchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Sets a header field of the reply. */
  header(name: string, value: string): void;
  /** Answers in the framework's own way (`res.status(…).send(…)`, `ctx.body = …`). */
  answer(status: number, text: string): void;
  /** Takes the response over: what follows is written to `res` directly (Koa: `ctx.respond = false`). */
  takeOver(): ServerResponse;
}
