import type { Call } from '../call/call.js';
import { runInContext } from '../call/context.js';
import { flowOf, handlerOf } from '../call/flow.js';
import type { Continuation } from '../call/flow.js';
import type { Reply } from '../call/reply.js';
import { withReplyHeaders } from '../call/reply-headers.js';
import { problemReply } from '../errors/problem.js';
import { observeInbound } from '../telemetry/observe-inbound.js';
import { requestFacts } from '../telemetry/request-facts.js';
import type { RequestFacts } from '../telemetry/request-facts.js';
import type { Clock } from '../time/clock.js';
import { systemClock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { concurrencyLimit } from '../wrappers/concurrency-limit.js';
import type { ConcurrencyLimitOptions } from '../wrappers/concurrency-limit.js';
import { rateLimit } from '../wrappers/rate-limit.js';
import type { KeyedRateLimitOptions, RateLimitOptions } from '../wrappers/rate-limit.js';
import { timeout } from '../wrappers/timeout.js';
import { Stack } from '../wrappers/stack.js';
import type { WrapperOption } from '../wrappers/stack.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { EXCHANGE } from './exchange.js';
import { render } from './render.js';

/** How long the work for a request may take. */
export const DEFAULT_INBOUND_TIMEOUT_MS = 30_000;

export interface InboundStackOptions {
  /** Makes the reply for what was thrown; without it errors are left to the framework. */
  readonly toReply?: (error: unknown, call: Call) => Reply;
  /** How many requests are let through in a time, by `rateLimit()`. Default: any number. */
  readonly rateLimit?: RateLimitOptions | KeyedRateLimitOptions;
  /** How many requests may be open at once, found out from how long they take, by `concurrencyLimit()`; true: with its defaults. Default off. */
  readonly concurrencyLimit?: ConcurrencyLimitOptions | boolean;
  /** Further limits of the app's own, the outermost first. Default: none. */
  readonly limits?: readonly Wrapper[];
  /** Default 30 s; a deadline of the caller only lowers it. `false`: the caller's deadline is known, but nothing enforces it. */
  readonly timeout?: Duration | false;
  /** The app's own, outermost first; a placed one stands where it says. */
  readonly wrappers?: readonly WrapperOption[];
  /** Default `observeInbound()`, which costs next to nothing without an OpenTelemetry SDK. `false` leaves it out. */
  readonly observe?: Wrapper | false;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * The one order of everything that stands around a route; the route's own wrappers, the reading of the body and the handler follow.
 * The outermost is the first. `route` is the place for what stands around one route alone.
 * @throws TypeError when an option is bad, or a position names no step.
 */
export function inboundStack(options: InboundStackOptions = {}): Stack {
  const { toReply, limits = [], wrappers = [], clock = systemClock, random = Math.random } = options;
  const { concurrencyLimit: found = false } = options;
  const limit = options.timeout ?? DEFAULT_INBOUND_TIMEOUT_MS;
  const observe = options.observe ?? observeInbound({ facts: factsOf, clock });
  const steps = [
    // Everything below, and whatever it starts, finds the call as currentCall(): outbound calls inherit its deadline and cancellation.
    { name: 'context', wrapper: context() },
    // Above the mapping of errors, so that it sees the reply that really leaves.
    { name: 'observe', wrapper: observe },
    // Above all that may throw; what cannot be serialised fails here too, where it can still become a reply.
    { name: 'errors', wrapper: toReply === undefined ? rendering() : errorsToReplies(toReply) },
    // Refuse early, before any time is spent: 429 with Retry-After. Who asks too often shall not take a permit from those who do not.
    { name: 'rateLimit', wrapper: options.rateLimit !== undefined && rateLimit({ clock, ...options.rateLimit } as KeyedRateLimitOptions) },
    // 503 with Retry-After. Above the timeout, whose end it has to see as a loss; the permit is kept until the reply has left.
    { name: 'concurrencyLimit', wrapper: found !== false && concurrencyLimit({ clock, random, ...(found === true ? {} : found) }) },
    { name: 'limits' },
    // Around all work of our own, the app's wrappers and the reading of the body included.
    { name: 'timeout', wrapper: limit !== false && timeout({ limit, clock }) },
    { name: 'wrappers' },
    // The innermost: the reading of the body and the handler follow.
    { name: 'route' },
  ];
  const stack = new Stack(steps, 'wrappers');
  for (const one of limits) stack.add(one, { after: 'limits' });
  return stack.addAll(wrappers);
}

/** Runs what is inside on behalf of the call. */
export function context(): Wrapper {
  return named({ name: 'context' }, (next) => (call) => runInContext(call, next));
}

/** Makes a reply of whatever was thrown, and sees to it that every reply can be sent. */
export function errorsToReplies(toReply: (error: unknown, call: Call) => Reply): Wrapper {
  return named({ name: 'errors' }, (next) => {
    const flow = flowOf(next);
    return handlerOf<Call, Reply>((call, to) => flow(call, new Answering(toReply, call, to)));
  });
}

/** Hands on nothing but replies that can be sent. */
class Answering implements Continuation<Reply> {
  readonly #toReply: (error: unknown, call: Call) => Reply;
  readonly #call: Call;
  readonly #to: Continuation<Reply>;

  constructor(toReply: (error: unknown, call: Call) => Reply, call: Call, to: Continuation<Reply>) {
    this.#toReply = toReply;
    this.#call = call;
    this.#to = to;
  }

  succeeded(reply: Reply): Reply | Promise<Reply> {
    let sendable: Reply;
    try {
      sendable = render(withReplyHeaders(reply, this.#call));
    } catch (error) {
      sendable = this.#replyFor(error);
    }
    return this.#to.succeeded(sendable);
  }

  failed(error: unknown): Reply | Promise<Reply> {
    return this.#to.succeeded(this.#replyFor(error));
  }

  #replyFor(error: unknown): Reply {
    try {
      return render(withReplyHeaders(this.#toReply(error, this.#call), this.#call));
    } catch (unsendable) {
      return problemReply(unsendable, this.#call);
    }
  }
}

/** Sees to it that every reply can be sent; what cannot is an error, which goes to the framework. */
function rendering(): Wrapper {
  return named({ name: 'render' }, (next) => (call) => next(call).then((reply) => render(withReplyHeaders(reply, call))));
}

function factsOf(call: Call): RequestFacts {
  const exchange = call.values.get(EXCHANGE);
  return exchange === undefined ? {} : requestFacts(exchange.req);
}
