import type { Params } from '../call/call.js';
import { runInContext } from '../call/context.js';
import { operation } from '../call/operation.js';
import type { Operation } from '../call/operation.js';
import type { Reply } from '../call/reply.js';
import { withReplyHeaders } from '../call/reply-headers.js';
import { systemClock } from '../time/clock.js';
import type { Handler, Wrapper } from '../wrappers/wrapper.js';
import type { Exchange } from './exchange.js';
import { inboundCall } from './inbound-call.js';
import type { CallSource } from './inbound-call.js';
import { refuseReplays } from './native.js';
import { render } from './render.js';
import { requestIds } from './request-id.js';
import type { RouteHandler } from './route.js';
import { endOf } from './router.js';

/** Paths that the app has; the map of operations cannot grow with what a client sends, but an app may make paths at run time. */
const MOST_TEMPLATES = 1_000;

/**
 * One handler with its wrappers outside of any service, for an adapter's `handle()`: context and wrappers, no table, errors left to
 * the framework. `template` is the framework's own path, for example `/users/:id`.
 * @throws TypeError when a wrapper that runs its handler again stands around a native one.
 */
export function depthOne(
  handler: RouteHandler,
  wrap: Wrapper,
  wrappers: readonly Wrapper[],
): (exchange: Exchange, template: string, params: Params) => Promise<Reply> {
  if (typeof handler !== 'function')
    throw new TypeError(`handle: the first argument is ${typeof handler}, not a handler (call) => result. Wrappers come behind it.`);
  refuseReplays(handler, wrappers, 'handle');
  const inside: Handler = wrap(endOf({ handler, options: {} }));
  const run = async (call: Parameters<Handler>[0]): Promise<Reply> => render(withReplyHeaders(await inside(call), call));
  const source: CallSource = { clock: systemClock, newId: requestIds() };
  const operations = new Map<string, Operation>();
  return (exchange, template, params) => {
    const { method = 'GET', url = '' } = exchange.req;
    const key = `${method} ${template}`;
    let what = operations.get(key);
    if (what === undefined) {
      what = operation('', method, template);
      if (operations.size < MOST_TEMPLATES) operations.set(key, what);
    }
    const mark = url.indexOf('?');
    return runInContext(inboundCall(exchange, what, params, mark === -1 ? '' : url.slice(mark + 1), source), run);
  };
}
