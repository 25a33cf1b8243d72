import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import type { Logger } from '../logging/logger.js';
import type { Clock } from '../time/clock.js';
import type { RouteTable } from './router.js';

/** Where to listen, and how long the server is patient. */
export interface ListenOptions {
  /** Address to bind. Default `0.0.0.0`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Limits of the http server, in milliseconds; what is left out keeps Node's default, or the host's where it has a better one. */
  readonly server?: ServerLimits;
}

export interface ServerLimits {
  /** How long an idle keep-alive connection stays open. Above the idle timeout of a load balancer in front. */
  readonly keepAliveTimeout?: number;
  /** How long a client may take to send its headers. */
  readonly headersTimeout?: number;
  /** How long a client may take to send the whole request. */
  readonly requestTimeout?: number;
  /**
   * How long a client may take nothing of a reply that waits for it, before its connection is cut. 0: as long as it likes. Default 60 s,
   * which holds for attached servers too.
   */
  readonly stallTimeout?: number;
  /** Connections at a time; further ones are refused. Default: no limit. */
  readonly maxConnections?: number;
}

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a service gives its adapter. `createMountable` makes one. */
export interface Mountable {
  /** The service's name. */
  readonly name: string;
  readonly routes: RouteTable;
  /** `problem`: what is thrown becomes a reply here; `native`: it goes on to the framework, which answers. */
  readonly errors: 'problem' | 'native';
  readonly logger: Logger;
  readonly clock: Clock;
  /** Answers health requests, and says whether it did. Asked at the level of the http server, before the framework sees the request. */
  health(req: IncomingMessage, res: ServerResponse): boolean;
  /** The call that a response answers: that of its route, else one for what is no route of ours, made when first asked for. */
  callFor(res: ServerResponse): Call;
  /**
   * The reply for an error of the framework's own middleware: the service's mappers, problem+json last. Gives the response its
   * `x-request-id` when no route has, and logs what is behind a 5xx. Never throws.
   */
  toReply(error: unknown, res: ServerResponse): Reply;
  /**
   * The reply for what nobody took, once the app declined too: 404; 405 with `Allow` for another method; 400 when the path is malformed.
   * `url` is the one that the routes have seen, without the prefix below which they are mounted. Gives the response its `x-request-id` too.
   */
  fallthrough(res: ServerResponse, url: string): Reply;
  /** Logs an error that came after the headers of a response: there is no other reply for it. Never throws. */
  brokeOff(error: unknown, res: ServerResponse): void;
  /** The app has put the routes where it wants them; the adapter must not add them again. Set by the adapter's `routes(service)`. */
  placed: boolean;
}

/**
 * Translates a framework: native request in, Reply out. `ServerHost` does the sockets, so that an adapter is only
 * its mounting: `mount` is called once, before `listen` or `attach`, when the app's own middleware is in place.
 */
export interface HttpAdapter {
  /** For example `express`. */
  readonly name: string;
  /** Of the adapter's package, for `describe()`. */
  readonly version?: string;
  mount(app: Mountable): void;
  /** For an app that calls `listen` itself: tracks and drains this server. */
  attach(server: Server): void;
  /** Resolves when connections are accepted; rejects with the reason when the port cannot be bound. */
  listen(options?: ListenOptions): Promise<Address>;
  /** From now on every reply says `Connection: close`; requests are still served. */
  startDraining(): void;
  /** Accepts nothing more and resolves when all exchanges have ended; when `signal` aborts, what is left is cut. */
  close(signal?: AbortSignal): Promise<void>;
}
