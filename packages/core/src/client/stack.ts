import type { Reply } from '../call/reply.js';
import type { ErrorMapper } from '../errors/error-mapper.js';
import { TRIED } from '../selection/selector.js';
import type { Selector } from '../selection/selector.js';
import type { EndpointReport } from '../selection/create-selector.js';
import type { Call } from '../call/call.js';
import { observeAttempt } from '../telemetry/observe-attempt.js';
import type { ObserveAttemptOptions } from '../telemetry/observe-attempt.js';
import { observeCall } from '../telemetry/observe-call.js';
import type { ObserveCallOptions } from '../telemetry/observe-call.js';
import { MAX_DELAY_MS, systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { bulkhead } from '../wrappers/bulkhead.js';
import type { BulkheadOptions } from '../wrappers/bulkhead.js';
import { circuitBreaker } from '../wrappers/circuit-breaker.js';
import type { CircuitBreakerOptions } from '../wrappers/circuit-breaker.js';
import { fallback } from '../wrappers/fallback.js';
import { rateLimit } from '../wrappers/rate-limit.js';
import type { KeyedRateLimitOptions, RateLimitOptions } from '../wrappers/rate-limit.js';
import { retry } from '../wrappers/retry.js';
import type { RetryOptions } from '../wrappers/retry.js';
import { timeout } from '../wrappers/timeout.js';
import { compose, named, traitsOf } from '../wrappers/wrapper.js';
import type { Handler, Wrapper } from '../wrappers/wrapper.js';
import { balance } from './balance.js';
import { OUTBOUND } from './outbound.js';
import { ownErrors, remoteErrors } from './remote-errors.js';
import type { Transport } from './transport.js';

/** What a client's calls go through. Whatever may refuse is off unless asked for. */
export interface OutboundPolicies {
  /** For all attempts of a call together. Default 10 s; false: only what the caller of the call has left. */
  readonly timeout?: Duration | false;
  /** For one attempt. Default 5 s; false: the total alone. A request that asks for more time than this has it for one attempt too. */
  readonly attemptTimeout?: Duration | false;
  /** Default on, see `retry()`; false: one attempt. */
  readonly retry?: RetryOptions | boolean;
  /** Default off. */
  readonly circuitBreaker?: CircuitBreakerOptions | boolean;
  /** How many calls may be open at once. Default off. */
  readonly bulkhead?: number | BulkheadOptions;
  /** Default off. */
  readonly rateLimit?: RateLimitOptions | KeyedRateLimitOptions;
  /** What answers in place of a call that failed for good: a Reply, or what makes one. Default off. */
  readonly fallback?: Reply | ((error: unknown, call: Call) => Reply | Promise<Reply>);
  /** From an error reply to an error; RemoteError is the last. */
  readonly errors?: readonly ErrorMapper[];
  /** The application's own, around the call with all its attempts; the first is the outermost. */
  readonly wrappers?: readonly Wrapper[];
  /** The application's own, around each attempt: they see `call.endpoint` and `call.attempt`. */
  readonly attemptWrappers?: readonly Wrapper[];
  /** Spans, metrics and trace headers. Default: what `observeCall()` and `observeAttempt()` do by themselves; false: none. */
  readonly telemetry?: (ObserveCallOptions & ObserveAttemptOptions) | false;
}

export interface OutboundStackOptions extends OutboundPolicies {
  readonly selector: Selector & { endpoints?(): readonly EndpointReport[] };
  readonly transport: Transport;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface OutboundStack {
  readonly handler: Handler;
  /** The wrappers in force, the outermost first, the transport last. */
  readonly names: readonly string[];
}

const TOTAL = '10s';
const ATTEMPT = '5s';

/**
 * The one order of what stands around an outbound call, whatever order its options were written in.
 * @throws TypeError or RangeError when an option of one of the parts does not fit.
 */
export function outboundStack(options: OutboundStackOptions): OutboundStack {
  const {
    selector,
    transport,
    fallback: substitute,
    telemetry = {},
    errors = [],
    wrappers: own = [],
    attemptWrappers = [],
    clock = systemClock,
    random = Math.random,
  } = options;
  const total = options.timeout ?? TOTAL;
  const attempt = options.attemptTimeout ?? ATTEMPT;
  const attemptMs = attempt === false ? Infinity : toMs(attempt, 'attemptTimeout');

  const wrappers: readonly (Wrapper | false)[] = [
    // Above all: what the mappers made of an error reply for the application, which policies could not read.
    errors.length > 0 && ownErrors(),
    // Latency and outcome as the caller feels them, refusals and fallbacks included.
    telemetry !== false && observeCall({ clock, ...telemetry }),
    // Seen from here a call is what the application made of it: one outcome, whatever it took.
    ...own,
    // Above everything that may refuse or give up, so that it stands in for all of it.
    substitute !== undefined && fallback<Reply>((error, call) => (typeof substitute === 'function' ? substitute(error, call as Call) : substitute)),
    // Bounds all attempts and all waits together.
    limit('total', total, () => false, clock),
    // Before any work is done and any permit taken; per call, because a retry is not another call of the application's.
    options.rateLimit !== undefined && rateLimit({ clock, ...options.rateLimit } as KeyedRateLimitOptions),
    // Counts calls with all their attempts: a permit is for what the caller has open.
    options.bulkhead !== undefined &&
      bulkhead(typeof options.bulkhead === 'number' ? { limit: options.bulkhead, clock } : { clock, ...options.bulkhead }),
    // Service-wide, above retry: it counts final outcomes, so that one bad endpoint never opens it (the ejector deals with that one).
    options.circuitBreaker !== undefined &&
      options.circuitBreaker !== false &&
      circuitBreaker({ clock, ...(options.circuitBreaker === true ? {} : options.circuitBreaker) }),
    // Above balance: each attempt picks again, an untried endpoint first.
    options.retry !== false && retry({ clock, random, elsewhere: elsewhere(selector), ...(options.retry === true ? {} : options.retry) }),
    // Below retry, above all that is about one endpoint.
    balance(selector),
    // Knows the endpoint and the attempt's number; its trace headers are this attempt's.
    telemetry !== false && observeAttempt({ clock, target: targetOfCall, ...telemetry }),
    // One endpoint, one attempt.
    ...attemptWrappers,
    // Below balance, so that the endpoint hears of timeouts.
    limit('attempt', attempt, (asked) => asked > attemptMs, clock),
    // Next to the transport: everything above sees errors alone.
    remoteErrors({ mappers: errors, hold: true, clock }),
  ];
  const inForce = wrappers.filter((wrapper) => wrapper !== false);
  return { handler: compose(...inForce)(transport.handle), names: [...inForce.map((wrapper) => traitsOf(wrapper).name), transport.name] };
}

/**
 * A timeout that a request with a time of its own may exceed: such a call has its time as its deadline, which then is the only limit.
 * @param exceeds whether the limit gives way to a request that asked for so many ms; without a time of its own it never does
 */
function limit(scope: 'total' | 'attempt', duration: Duration | false, exceeds: (askedMs: number) => boolean, clock: Clock): Wrapper {
  const byDeadline = timeout({ limit: MAX_DELAY_MS, scope, clock });
  if (duration === false) return withinDeadline(byDeadline);
  const usual = timeout({ limit: duration, scope, clock });
  return named(traitsOf(usual), (next) => {
    const limited = usual(next);
    const asLongAsAsked = byDeadline(next);
    return (call) => {
      const asked = call.values.get(OUTBOUND)?.timeoutMs;
      return asked !== undefined && (scope === 'total' || exceeds(asked)) ? asLongAsAsked(call) : limited(call);
    };
  });
}

/** No limit of its own, but the call's deadline holds when it has one. */
function withinDeadline(byDeadline: Wrapper): Wrapper {
  return named(traitsOf(byDeadline), (next) => {
    const limited = byDeadline(next);
    return (call) => (call.deadline === undefined ? next(call) : limited(call));
  });
}

/** Whether an endpoint is ready that this call has not tried, so that a Retry-After need not be waited for. */
function elsewhere(selector: OutboundStackOptions['selector']): (attempt: unknown) => boolean {
  return (attempt) => {
    const tried = (attempt as Call).values.get(TRIED) ?? [];
    return selector.endpoints?.().some(({ id, state }) => state === 'ready' && !tried.some((endpoint) => endpoint.id === id)) ?? false;
  };
}

function targetOfCall(call: Call): string {
  return call.values.get(OUTBOUND)?.target ?? call.operation.path;
}
