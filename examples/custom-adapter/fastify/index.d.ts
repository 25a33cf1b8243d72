import type { RouteHandler } from '@ferrule/core';
import type { HttpAdapter, Mountable } from '@ferrule/core/adapter';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';

export interface FastifyAdapterOptions {
  /** The app to adopt; its hooks, plugins and routes stay as they are. Default: a new one. */
  readonly app?: FastifyInstance;
}

export function fastifyAdapter(options?: FastifyAdapterOptions): HttpAdapter;

/** The service's routes as a plugin: `app.register(routes(service), { prefix: '/api' })`. */
export function routes(service: { readonly mountable: Mountable }): FastifyPluginAsync;

/** A Fastify handler as a route's handler; `next()` declines. */
export function native(handler: (request: FastifyRequest, reply: FastifyReply, next: () => Promise<void>) => unknown): RouteHandler;
