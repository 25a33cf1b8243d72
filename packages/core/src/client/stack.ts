import type { Reply } from '../call/reply.js';
import type { ClientErrors } from '../errors/known-kinds.js';
import type { OwnAnswers } from '../errors/own-answers.js';
import type { Selector } from '../selection/selector.js';
import type { Call } from '../call/call.js';
import type { AdaptiveScore, AdaptiveScoreOptions } from '../health/adaptive-score/adaptive-score.js';
import { OBSERVE_ATTEMPT_OPTIONS, observeAttempt } from '../telemetry/observe-attempt.js';
import type { ObserveAttemptOptions } from '../telemetry/observe-attempt.js';
import { OBSERVE_CALL_OPTIONS, observeCall } from '../telemetry/observe-call.js';
import type { ObserveCallOptions } from '../telemetry/observe-call.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { bulkhead } from '../wrappers/bulkhead.js';
import type { BulkheadOptions } from '../wrappers/bulkhead.js';
import { chaos } from '../wrappers/chaos.js';
import type { Chaos, ChaosOptions } from '../wrappers/chaos.js';
import { circuitBreaker } from '../wrappers/circuit-breaker/circuit-breaker.js';
import type { CircuitBreakerOptions } from '../wrappers/circuit-breaker/circuit-breaker.js';
import { concurrencyLimit } from '../wrappers/concurrency-limit.js';
import type { ConcurrencyLimitOptions } from '../wrappers/concurrency-limit.js';
import { fallback } from '../wrappers/fallback.js';
import type { FallbackService } from '../wrappers/fallback.js';
import { hedge } from '../wrappers/hedge.js';
import type { HedgeOptions } from '../wrappers/hedge.js';
import type { InForce } from '../wrappers/in-force.js';
import { rateLimit } from '../wrappers/rate-limit.js';
import type { KeyedRateLimitOptions, RateLimitOptions } from '../wrappers/rate-limit.js';
import { replyCache } from '../wrappers/reply-cache/reply-cache.js';
import type { ReplyCacheOptions } from '../wrappers/reply-cache/options.js';
import { retry } from '../wrappers/retry.js';
import { retryBudget, tokenThrottle } from '../wrappers/retry-budget.js';
import { Stack } from '../wrappers/stack.js';
import type { WrapperOption } from '../wrappers/stack.js';
import { throttle } from '../wrappers/throttle.js';
import type { ThrottleOptions } from '../wrappers/throttle.js';
import type { Handler } from '../wrappers/wrapper.js';
import { balance } from './balance.js';
import { checkPolicies } from './check-policies.js';
import { OUTBOUND } from './outbound.js';
import { repeatable } from './repeatable.js';
import type { OutboundRetryOptions } from './repeatable.js';
import { ownErrors, remoteErrors } from './remote-errors.js';
import { timeLimit } from './time-limit.js';
import type { Transport } from './transport.js';

/** What a client's calls go through. Whatever may refuse is off unless asked for. */
export interface OutboundPolicies {
  /** For all attempts of a call together. Default 10 s; false: only what the caller of the call has left. */
  readonly timeout?: Duration | false;
  /** For one attempt. Default 5 s; false: the total alone. A request that asks for more time than this has it for one attempt too. */
  readonly attemptTimeout?: Duration | false;
  /** Default on, see `retry()`; false: one attempt. */
  readonly retry?: OutboundRetryOptions | boolean;
  /**
   * A second attempt when the first is late, by `hedge()`: for calls that are idempotent, to an endpoint that was not tried. It has the budgets of
   * the retry too, so that hedges end when retries do. Default off.
   */
  readonly hedge?: HedgeOptions | boolean;
  /** Spares a service that refuses, by `throttle()`; true: with its defaults. Default off. */
  readonly throttle?: ThrottleOptions | boolean;
  /**
   * Scores the service and each instance by how attempts go, by `adaptiveScore()`: critical instances get no calls while others can serve. true: with its
   * defaults; or what `adaptiveScore()` made for this service. Default off.
   */
  readonly adaptiveScore?: Omit<AdaptiveScoreOptions, 'service'> | AdaptiveScore | boolean;
  /** Default off. */
  readonly circuitBreaker?: CircuitBreakerOptions | boolean;
  /** How many calls may be open at once. Default off. */
  readonly bulkhead?: number | BulkheadOptions;
  /** Default off. */
  readonly rateLimit?: RateLimitOptions | KeyedRateLimitOptions;
  /** How many calls may be open at once, found out from how long they take, by `concurrencyLimit()`; true: with its defaults. Default off. */
  readonly concurrencyLimit?: ConcurrencyLimitOptions | boolean;
  /** Answers with the reply to an earlier call, by `replyCache()`; true: as the replies themselves allow. Default off. */
  readonly replyCache?: ReplyCacheOptions | boolean;
  /** What answers in place of a call that failed for good: a Reply, what makes one, or another service (`{ service: client }`). Default off. */
  readonly fallback?: Reply | FallbackService | ((error: unknown, call: Call) => Reply | Promise<Reply>);
  /** Faults on purpose, by `chaos()`: its options, which hold `enabled`, or what it made, to be steered while it runs. In code alone. Default off. */
  readonly chaos?: ChaosOptions | Chaos;
  /** From an error reply to an error: mappers, RemoteError is the last; and catalogues, whose errors are known again. */
  readonly errors?: ClientErrors;
  /** What a server of ours answers with when this service has answered with an error, by status: `{ 404: 'NOT_FOUND', 409: 'pass' }`. */
  readonly toOwn?: OwnAnswers;
  /** The application's own, around the call with all its attempts; the first is the outermost. A placed one stands where it says. */
  readonly wrappers?: readonly WrapperOption[];
  /** The application's own, around each attempt: they see `call.endpoint` and `call.attempt`. */
  readonly attemptWrappers?: readonly WrapperOption[];
  /** Spans, metrics and trace headers. Default: what `observeCall()` and `observeAttempt()` do by themselves; false: none. */
  readonly telemetry?: (ObserveCallOptions & ObserveAttemptOptions) | false;
}

export interface OutboundStackOptions extends OutboundPolicies {
  readonly selector: Selector;
  readonly transport: Transport;
  /** What `adaptiveScore` comes to: the channel makes it, because its selector needs it too. */
  readonly score?: AdaptiveScore;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface OutboundStack {
  readonly handler: Handler;
  /** The wrappers in force, the outermost first, the transport last. */
  readonly names: readonly string[];
  /** The same without the transport. */
  readonly inForce: readonly InForce[];
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
  checkPolicies(options);
  const total = options.timeout ?? TOTAL;
  const attempt = options.attemptTimeout ?? ATTEMPT;
  const attemptMs = attempt === false ? Infinity : toMs(attempt, 'attemptTimeout');
  const retries = options.retry === false ? undefined : repeatable(options.retry);
  // Those of `retry`, made here so that the hedge can be given them too.
  const budgets = retries === undefined ? [] : (retries.budgets ?? [retryBudget({ clock }), tokenThrottle()]);

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
        (typeof substitute === 'object' && 'service' in substitute
          ? fallback(substitute)
          : fallback<Reply>((error, call) => (typeof substitute === 'function' ? substitute(error, call as Call) : substitute))),
    },
    // Above whatever costs, waits or refuses: what is kept needs none of it, and one fetch serves all who ask for the same. Below fallback: a
    // reply beyond its time is the better substitute.
    { name: 'replyCache', wrapper: isOn(options.replyCache) && replyCache({ clock, ...given(options.replyCache) }) },
    // Bounds all attempts and all waits together.
    { name: 'timeout(total)', wrapper: timeLimit('total', total, () => false, clock) },
    // Before any work is done and any permit taken; per call, because a retry is not another call of the application's.
    { name: 'rateLimit', wrapper: options.rateLimit !== undefined && rateLimit({ clock, ...options.rateLimit } as KeyedRateLimitOptions) },
    // Counts calls with all their attempts: a permit is for what the caller has open.
    {
      name: 'bulkhead',
      wrapper:
        options.bulkhead !== undefined &&
        bulkhead(typeof options.bulkhead === 'number' ? { limit: options.bulkhead, clock } : { clock, ...options.bulkhead }),
    },
    // Beside the bulkhead, whose bound is fixed and whose queue may hold what this one would refuse. It measures whole calls: their latency is what
    // the caller's own work waits for.
    {
      name: 'concurrencyLimit',
      wrapper: isOn(options.concurrencyLimit) && concurrencyLimit({ clock, random, ...given(options.concurrencyLimit) }),
    },
    // Service-wide, above retry: it counts final outcomes, so that one bad endpoint never opens it (the ejector deals with that one).
    {
      name: 'circuitBreaker',
      wrapper: isOn(options.circuitBreaker) && circuitBreaker({ clock, ...given(options.circuitBreaker) }),
    },
    // Above balance: each attempt picks again, an untried endpoint first.
    {
      name: 'retry',
      wrapper: retries !== undefined && retry({ clock, random, elsewhere: elsewhere(selector), budgets, ...retries }),
    },
    // Below retry, which begins anew when all its attempts have failed; above balance, which sends each of them elsewhere.
    { name: 'hedge', wrapper: isOn(options.hedge) && hedge({ clock, elsewhere: elsewhere(selector), budgets, ...given(options.hedge) }) },
    // Below retry and hedge, because it counts what is sent: each attempt asks the service for work. Above balance: it spares the service, not one
    // endpoint, and what it refuses takes no lease.
    { name: 'throttle', wrapper: isOn(options.throttle) && throttle({ clock, random, ...given(options.throttle) }) },
    // Below retry, above all that is about one endpoint.
    { name: 'balance', wrapper: balance(selector) },
    // Knows the endpoint and the attempt's number; its trace headers are this attempt's.
    {
      name: 'observe(attempt)',
      wrapper: telemetry !== false && observeAttempt({ clock, target: targetOfCall, ...only(OBSERVE_ATTEMPT_OPTIONS, telemetry) }),
    },
    // One endpoint, one attempt; above its timeout, which tells of the endpoint, and below balance, which names it.
    { name: 'adaptiveScore', wrapper: options.score },
    // One endpoint, one attempt.
    { name: 'attemptWrappers' },
    // Below balance, so that the endpoint hears of timeouts.
    { name: 'timeout(attempt)', wrapper: timeLimit('attempt', attempt, (asked) => asked > attemptMs, clock) },
    // In place of what it stands for, so that all above meets its faults as real ones: timeouts end its waits, the endpoint is blamed for its errors.
    {
      name: 'chaos',
      wrapper: options.chaos !== undefined && (typeof options.chaos === 'function' ? options.chaos : chaos({ clock, random, ...options.chaos })),
    },
    // Next to the transport: everything above sees errors alone.
    {
      name: 'remoteErrors',
      wrapper: remoteErrors({ mappers: errors, hold: true, clock, ...(options.toOwn !== undefined && { toOwn: options.toOwn }) }),
    },
  ];
  const stack = new Stack(steps, 'wrappers').addAll(own);
  stack.addAll(attemptWrappers, 'attemptWrappers', 'attemptWrappers');
  return { handler: stack.around(transport.handle), names: [...stack.names, transport.name], inForce: stack.inForce };
}

function isOn<O extends object>(option: O | boolean | undefined): option is O | true {
  return option !== undefined && option !== false;
}

/** Options of a policy that is on; true stands for its defaults. */
function given<O extends object>(option: O | true): O | Record<never, never> {
  return option === true ? {} : option;
}

/** Of the options of several parts, those of one. */
function only<O extends object>(names: readonly string[], options: O): Partial<O> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name))) as Partial<O>;
}

/** Whether an endpoint is ready that this call has not tried, so that a Retry-After need not be waited for. */
function elsewhere(selector: Selector): (attempt: unknown) => boolean {
  return (attempt) => selector.elsewhere?.(attempt as Call) ?? false;
}

function targetOfCall(call: Call): string {
  return call.values.get(OUTBOUND)?.target ?? call.operation.path;
}
