import type { ServerResponse } from 'node:http';
import { begins } from '../call/begun.js';
import type { Call, Params } from '../call/call.js';
import { isIdempotentMethod, operation } from '../call/operation.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { inboundCall } from './inbound-call.js';
import { requestIds } from './request-id.js';
import { callOf } from './tracking.js';

const NO_PARAMS: Params = Object.freeze(Object.create(null) as Record<string, string>);

/**
 * The call of a response, for errors of foreign middleware and for what nobody took: the one of the route that it came by, else a new one,
 * so that these replies and problems have a request id like all others. Made only where it is needed: a request that the app answers pays nothing.
 */
export function unmatchedCalls(service: string, clock: Clock = systemClock): (res: ServerResponse) => Call {
  const source = { clock, newId: requestIds() };
  const unmatched = operation(service, 'ANY', '', { name: 'unmatched', idempotent: false });
  return (res) => {
    const known = callOf(res);
    if (known !== undefined) return known;
    const call = inboundCall({ req: res.req, res }, unmatched, NO_PARAMS, '', source);
    // A handler of the app may do anything before it fails.
    if (!isIdempotentMethod(res.req.method ?? '')) begins(call);
    return call;
  };
}
