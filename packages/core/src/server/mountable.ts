import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { errorLog } from '../errors/error-log.js';
import type { ErrorMapper } from '../errors/error-mapper.js';
import { replyMapping } from '../errors/error-replies.js';
import type { ErrorReplyOptions } from '../errors/error-replies.js';
import { REASONS, ServiceError } from '../errors/service-error.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import type { InForce } from '../wrappers/in-force.js';
import type { WrapperOption } from '../wrappers/stack.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import type { Mountable } from './http-adapter.js';
import type { Route } from './route.js';
import { RouteTable, isMalformedPath } from './router.js';
import { inboundStack } from './stack.js';
import type { InboundStackOptions } from './stack.js';
import { unmatchedCalls } from './unmatched.js';

export interface MountableOptions {
  readonly name: string;
  readonly routes: readonly Route[];
  readonly health: (req: IncomingMessage, res: ServerResponse) => boolean;
  /** Stand around every route, outermost first; a placed one stands where it says. */
  readonly wrappers?: readonly WrapperOption[];
  /** As in `InboundStackOptions`. */
  readonly rateLimit?: InboundStackOptions['rateLimit'];
  readonly concurrencyLimit?: InboundStackOptions['concurrencyLimit'];
  readonly limits?: readonly Wrapper[];
  /** Asked in turn before problem+json. */
  readonly errors?: readonly ErrorMapper[];
  /** How errors are answered that none of these took. Default: problem+json. */
  readonly errorReplies?: ErrorReplyOptions;
  /** Default `problem`. */
  readonly errorHandling?: 'problem' | 'native';
  /** Default 30 s. */
  readonly timeout?: Duration | false;
  readonly observe?: Wrapper | false;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Hears once of every error behind a 5xx, but for refusals of our own and timeouts, which may come by the thousand. Default: silent. */
  readonly logger?: Logger;
}

/**
 * What an adapter mounts: routes with the inbound stack around them, and the replies for everything else.
 * @throws TypeError when a route is declared twice, an option is bad, a position names no step, or a wrapper that runs its handler again stands around a native one.
 */
export function createMountable(options: MountableOptions): Mountable & {
  /** Names of the wrappers around every route, the outermost first. */
  readonly stack: readonly string[];
  /** The wrappers around its routes, those around one alone under the name of the route: `bulkhead of GET /orders`. */
  readonly inForce: readonly InForce[];
} {
  const {
    name,
    routes,
    health,
    wrappers = [],
    limits = [],
    errors: mappers = [],
    errorHandling = 'problem',
    clock = systemClock,
    logger = silentLogger,
  } = options;
  if (errorHandling !== 'problem' && errorHandling !== 'native')
    throw new TypeError(`errorHandling: ${String(errorHandling)} is unknown. Use 'problem' or 'native'.`);
  const map = replyMapping(mappers, name, options.errorReplies, clock);
  const log = errorLog(logger, name);
  const toReply = (error: unknown, call: Call): Reply => {
    const reply = map(error, call);
    if (reply.status >= 500) log(error, call, 'A request failed');
    return reply;
  };
  const stack = inboundStack({
    ...(errorHandling === 'problem' && { toReply }),
    limits,
    wrappers,
    clock,
    ...(options.random !== undefined && { random: options.random }),
    ...(options.rateLimit !== undefined && { rateLimit: options.rateLimit }),
    ...(options.concurrencyLimit !== undefined && { concurrencyLimit: options.concurrencyLimit }),
    ...(options.timeout !== undefined && { timeout: options.timeout }),
    ...(options.observe !== undefined && { observe: options.observe }),
  });
  const table = new RouteTable(name, routes, stack, clock);
  const callFor = unmatchedCalls(name, clock);

  return {
    name,
    routes: table,
    errors: errorHandling,
    stack: stack.names,
    inForce: [...stack.inForce, ...ofRoutes(table, new Set(stack.wrappers))],
    placed: false,
    logger,
    clock,
    health,
    callFor,
    toReply: (error, res) => toReply(error, callFor(res)),
    fallthrough(res, url) {
      const call = callFor(res);
      if (isMalformedPath(url)) return toReply(new ServiceError('INVALID_ARGUMENT', 'The path has a malformed escape'), call);
      const { method = '' } = res.req;
      const allowed = table.allowed(url);
      // With its own method among them, the handler was asked and declined.
      if (allowed.length === 0 || allowed.includes(method))
        return toReply(new ServiceError('NOT_FOUND', 'There is nothing at this path', { reason: REASONS.routeNotFound }), call);
      const reply = toReply(
        new ServiceError('UNIMPLEMENTED', `${method} is not allowed here`, { status: 405, reason: REASONS.methodNotAllowed, retryable: false }),
        call,
      );
      return reply.with({ headers: { allow: allowed.join(', ') } });
    },
    brokeOff: (error, res) => log(error, callFor(res), 'A request failed after its headers were sent'),
  };
}

/** Those of one controller's class stand around several routes, and are called after the first. */
function ofRoutes(table: RouteTable, known: ReadonlySet<Wrapper>): readonly InForce[] {
  const found = new Map<Wrapper, { readonly name: string; readonly route: string; more: number }>();
  for (const route of table.routes) {
    for (const { name, wrapper } of table.inForceAt(route)) {
      if (known.has(wrapper)) continue;
      const present = found.get(wrapper);
      if (present === undefined) found.set(wrapper, { name, route: route.options.name ?? `${route.method} ${route.path}`, more: 0 });
      else present.more++;
    }
  }
  return Array.from(found, ([wrapper, { name, route, more }]) => ({ name: `${name} of ${route}${more === 0 ? '' : ` and ${more} more`}`, wrapper }));
}
