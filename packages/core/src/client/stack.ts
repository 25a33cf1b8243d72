import { Readable } from 'node:stream';
import { Reply } from '../call/reply.js';
import { checkMappers } from '../errors/error-mapper.js';
import type { ErrorMapper } from '../errors/error-mapper.js';
import { TRIED } from '../selection/selector.js';
import type { Selector } from '../selection/selector.js';
import type { EndpointReport } from '../selection/create-selector.js';
import type { Call } from '../call/call.js';
import { OBSERVE_ATTEMPT_OPTIONS, observeAttempt } from '../telemetry/observe-attempt.js';
import type { ObserveAttemptOptions } from '../telemetry/observe-attempt.js';
import { OBSERVE_CALL_OPTIONS, observeCall } from '../telemetry/observe-call.js';
import type { ObserveCallOptions } from '../telemetry/observe-call.js';
import { checkList, checkOptions } from '../options/check.js';
import { shown } from '../options/shown.js';
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
import { Stack } from '../wrappers/stack.js';
import { isRetryable } from '../wrappers/verdict.js';
import type { WrapperOption } from '../wrappers/stack.js';
import { named, traitsOf } from '../wrappers/wrapper.js';
import type { Handler, Wrapper } from '../wrappers/wrapper.js';
import { balance } from './balance.js';
import { OUTBOUND } from './outbound.js';
import { isUnread } from './request-body.js';
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
  /** The application's own, around the call with all its attempts; the first is the outermost. A placed one stands where it says. */
  readonly wrappers?: readonly WrapperOption[];
  /** The application's own, around each attempt: they see `call.endpoint` and `call.attempt`. */
  readonly attemptWrappers?: readonly WrapperOption[];
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
  checkShapes(options);
  const total = options.timeout ?? TOTAL;
  const attempt = options.attemptTimeout ?? ATTEMPT;
  const attemptMs = attempt === false ? Infinity : toMs(attempt, 'attemptTimeout');

  const steps = [
    // Above all: what the mappers made of an error reply for the application, which policies could not read.
    { name: 'ownErrors', wrapper: errors.length > 0 && ownErrors() },
    // Latency and outcome as the caller feels them, refusals and fallbacks included.
    { name: 'observe(call)', wrapper: telemetry !== false && observeCall({ clock, ...only(OBSERVE_CALL_OPTIONS, telemetry) }) },
    // Seen from here a call is what the application made of it: one outcome, whatever it took.
    { name: 'wrappers' },
    // Above everything that may refuse or give up, so that it stands in for all of it.
    {
      name: 'fallback',
      wrapper:
        substitute !== undefined &&
        fallback<Reply>((error, call) => (typeof substitute === 'function' ? substitute(error, call as Call) : substitute)),
    },
    // Bounds all attempts and all waits together.
    { name: 'timeout(total)', wrapper: limit('total', total, () => false, clock) },
    // Before any work is done and any permit taken; per call, because a retry is not another call of the application's.
    { name: 'rateLimit', wrapper: options.rateLimit !== undefined && rateLimit({ clock, ...options.rateLimit } as KeyedRateLimitOptions) },
    // Counts calls with all their attempts: a permit is for what the caller has open.
    {
      name: 'bulkhead',
      wrapper:
        options.bulkhead !== undefined &&
        bulkhead(typeof options.bulkhead === 'number' ? { limit: options.bulkhead, clock } : { clock, ...options.bulkhead }),
    },
    // Service-wide, above retry: it counts final outcomes, so that one bad endpoint never opens it (the ejector deals with that one).
    {
      name: 'circuitBreaker',
      wrapper:
        options.circuitBreaker !== undefined &&
        options.circuitBreaker !== false &&
        circuitBreaker({ clock, ...(options.circuitBreaker === true ? {} : options.circuitBreaker) }),
    },
    // Above balance: each attempt picks again, an untried endpoint first.
    {
      name: 'retry',
      wrapper: options.retry !== false && retry({ clock, random, elsewhere: elsewhere(selector), ...repeatable(options.retry) }),
    },
    // Below retry, above all that is about one endpoint.
    { name: 'balance', wrapper: balance(selector) },
    // Knows the endpoint and the attempt's number; its trace headers are this attempt's.
    {
      name: 'observe(attempt)',
      wrapper: telemetry !== false && observeAttempt({ clock, target: targetOfCall, ...only(OBSERVE_ATTEMPT_OPTIONS, telemetry) }),
    },
    // One endpoint, one attempt.
    { name: 'attemptWrappers' },
    // Below balance, so that the endpoint hears of timeouts.
    { name: 'timeout(attempt)', wrapper: limit('attempt', attempt, (asked) => asked > attemptMs, clock) },
    // Next to the transport: everything above sees errors alone.
    { name: 'remoteErrors', wrapper: remoteErrors({ mappers: errors, hold: true, clock }) },
  ];
  const stack = new Stack(steps, 'wrappers').addAll(own);
  stack.addAll(attemptWrappers, 'attemptWrappers', 'attemptWrappers');
  return { handler: stack.around(transport.handle), names: [...stack.names, transport.name] };
}

/** What the parts themselves could not tell, as their options are spread into others. @throws TypeError naming option, value and remedy. */
function checkShapes(options: OutboundStackOptions): void {
  const { telemetry, fallback: substitute, bulkhead: permits } = options;
  checkMappers(options.errors, 'errors');
  checkList(options.wrappers, 'wrappers', 'wrappers');
  checkList(options.attemptWrappers, 'attemptWrappers', 'wrappers');
  if (telemetry !== undefined && telemetry !== false)
    checkOptions('telemetry', telemetry, [...new Set([...OBSERVE_CALL_OPTIONS, ...OBSERVE_ATTEMPT_OPTIONS])]);
  if (substitute !== undefined && typeof substitute !== 'function' && !(substitute instanceof Reply))
    throw new TypeError(`fallback: ${shown(substitute)} is no Reply. Give new Reply(200, …), or a function that makes one.`);
  for (const name of ['retry', 'circuitBreaker', 'rateLimit'] as const) {
    const value: unknown = options[name];
    if (value === undefined || (typeof value === 'boolean' && name !== 'rateLimit') || (typeof value === 'object' && value !== null)) continue;
    const example = { retry: '{ retries: 2 }', circuitBreaker: "{ openFor: '5s' }", rateLimit: "{ limit: 100, window: '1s' }" }[name];
    throw new TypeError(
      `${name}: ${shown(value)} does not fit. Give its options, such as ${example}${name === 'rateLimit' ? '' : ', or true or false'}.`,
    );
  }
  if (permits !== undefined && typeof permits !== 'number' && (typeof permits !== 'object' || permits === null))
    throw new TypeError(`bulkhead: ${shown(permits)} does not fit. Give a number of calls, or { limit: 20, queue: 10 }.`);
}

/** Of the options of several parts, those of one. */
function only<O extends object>(names: readonly string[], options: O): Partial<O> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name))) as Partial<O>;
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

/** Options of `retry` that never send a stream again of which a part was read, whatever the reply said: the rest would pass for all of it. */
function repeatable(options: RetryOptions | boolean = true): RetryOptions {
  const given = options === true || options === false ? {} : options;
  const when: NonNullable<RetryOptions['when']> = given.when ?? isRetryable;
  if (typeof when !== 'function') return given; // refused by `retry`
  return {
    ...given,
    when(error, attempt) {
      const content = (attempt as Call).values.get(OUTBOUND)?.body.content;
      return (!(content instanceof Readable) || isUnread(content)) && when(error, attempt);
    },
  };
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
