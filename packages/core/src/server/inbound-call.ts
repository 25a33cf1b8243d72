import { Call } from '../call/call.js';
import type { CallHeaders, Params } from '../call/call.js';
import { REQUEST_ID } from '../call/context.js';
import type { Operation } from '../call/operation.js';
import { Values } from '../call/values.js';
import type { Clock } from '../time/clock.js';
import { EXCHANGE } from './exchange.js';
import type { Exchange } from './exchange.js';
import { callOf, track } from './tracking.js';

/** Header fields of a deadline, in milliseconds from now; the first that is there and well-formed counts. */
const DEADLINE = 'x-request-timeout-ms';
const GRPC_DEADLINE = 'grpc-timeout';
const MILLISECONDS = /^\d{1,10}$/;
const GRPC_TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const GRPC_UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** What is safe in a header, a log line and a file name. */
const SAFE_ID = /^[A-Za-z0-9._~:+/=@-]{1,128}$/;

/** Where calls get their time and their ids from. */
export interface CallSource {
  readonly clock: Clock;
  readonly newId: () => string;
}

/**
 * The call of a request: its id (taken over when it is safe, else a new UUID; echoed at once, so that every kind of reply has it),
 * its deadline, and a life that ends with the response. `callOf(res)` finds it, for the host that drains.
 */
export function inboundCall(exchange: Exchange, operation: Operation, params: Params, query: string, { clock, newId }: CallSource): Call {
  const { req, res } = exchange;
  const { headers } = req;
  const values = new Values();
  values.set(EXCHANGE, exchange);
  const given = headers['x-request-id'];
  // A route inside of an adopted app, whose request has a call already, keeps the id that the app's own code knows.
  const id = typeof given === 'string' && SAFE_ID.test(given) && !given.includes('../') ? given : (callOf(res)?.values.get(REQUEST_ID) ?? newId());
  values.set(REQUEST_ID, id);
  if (!res.headersSent) res.setHeader('x-request-id', id);
  const call = new Call({ side: 'server', operation, params, query, headers, values, deadline: deadlineOf(headers, clock) });
  track(res, call);
  return call;
}

/** When the caller stops waiting; undefined when it does not say. `timeout` makes the nearer of this and its own limit count, so that it only lowers. */
export function deadlineOf(headers: CallHeaders, clock: Clock): number | undefined {
  const given = headers[DEADLINE];
  if (typeof given === 'string' && MILLISECONDS.test(given)) return clock.now() + Number(given);
  const grpc = headers[GRPC_DEADLINE];
  if (typeof grpc !== 'string') return undefined;
  const match = GRPC_TIMEOUT.exec(grpc);
  return match === null ? undefined : clock.now() + Number(match[1]) * GRPC_UNIT_MS[match[2]!]!;
}
