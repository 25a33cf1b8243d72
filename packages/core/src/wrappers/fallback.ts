import { Call } from '../call/call.js';
import type { Attempt } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { SENT } from '../call/sent.js';
import { checkFunction, checkOptions, notify } from './options.js';
import { sendsStream } from './stream-body.js';
import { isCancelled } from './verdict.js';
import { named } from './wrapper.js';
import type { Handler, Policy } from './wrapper.js';

export interface FallbackOptions {
  /** Which failures it stands in for. Default: all. Cancelled calls never ask. One that throws counts as no. */
  readonly when?: (error: unknown, attempt: Attempt) => boolean;
  /** Hears of every failure that it stood in for. */
  readonly on?: (event: FallbackEvent) => void;
}

export interface FallbackEvent {
  readonly kind: 'substituted';
  readonly label: string;
  readonly error: unknown;
}

/** Another service that answers the same calls: its client, or the handler that reaches it. */
export interface FallbackService {
  readonly service: Handler | { readonly service: string; readonly handler: Handler };
}

export interface FallbackStats {
  /** Failures that it stood in for, however its own answer went. */
  readonly substituted: number;
}

/** A policy whose result may also be a `T`: a Wrapper when `T` is a Reply. */
export type Fallback<T> = (<C extends Attempt, R>(next: (call: C) => Promise<R>) => (call: C) => Promise<R | T>) & { stats(): FallbackStats };

/**
 * Answers with something else when the call failed: a value, what the function makes of the failure, or, for calls, what another service answers.
 * What the function throws is thrown in its place. A stream cannot be handed out twice, so a Reply with one has to come from a function.
 * Nobody waits for the answer of a cancelled call: its failure goes on.
 *
 * The other service gets the same call with what is left of its deadline, as a branch, so that it is aborted with it; a body that is a stream was
 * read before, and a call to one address (`address`) is meant for no other, so that neither goes there. Its own failure is thrown.
 *
 * @throws TypeError at construction, for an option that makes no sense, and without a substitute
 */
export function fallback(substitute: FallbackService, options?: FallbackOptions): Fallback<Reply>;
export function fallback<T>(substitute: T | ((error: unknown, attempt: Attempt) => T | Promise<T>), options?: FallbackOptions): Fallback<T>;
export function fallback(substitute: unknown, options: FallbackOptions = {}): Fallback<unknown> {
  // undefined is a value like any other when it was given.
  if (arguments.length === 0) throw new TypeError('fallback: there is nothing to answer with. Give a value, or a function that makes one.');
  checkOptions('fallback', options, ['when', 'on']);
  const { when, on } = options;
  checkFunction(when, 'fallback when');
  checkFunction(on, 'fallback on');
  const answer = answerOf(substitute);
  let substituted = 0;

  function mayStandIn(error: unknown, call: Attempt): boolean {
    try {
      return when?.(error, call) !== false;
    } catch {
      return false; // the caller is owed the error of its call
    }
  }

  const policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    async (call: C): Promise<unknown> => {
      try {
        return await next(call);
      } catch (error) {
        if (isCancelled(error, call) || !mayStandIn(error, call)) throw error;
        substituted++;
        notify(on, { kind: 'substituted', label: call.label, error });
        return answer(error, call);
      }
    };
  named({ name: 'fallback', replays: true }, policy as Policy); // no more than marks it
  return Object.assign(policy, { stats: () => ({ substituted }) });
}

type Answer = (error: unknown, attempt: Attempt) => unknown;

function answerOf(substitute: unknown): Answer {
  if (typeof substitute === 'function') return substitute as Answer;
  if (!isService(substitute)) return () => substitute;
  const { service } = substitute;
  const handler = typeof service === 'function' ? service : service.handler;
  const name = typeof service === 'function' ? undefined : service.service;
  return (error, attempt) => {
    if (!(attempt instanceof Call))
      throw new TypeError(`fallback service: ${attempt.label} is no call, which a service could answer. Give a value or a function.`);
    if (attempt.values.get(SENT)?.address !== undefined || sendsStream(attempt.body)) throw error;
    const { operation } = attempt;
    return attempt.branch({ operation: name === undefined ? operation : { ...operation, service: name } }).run(handler);
  };
}

/** A value may have a member of that name too, but hardly one that handles calls. */
function isService(substitute: unknown): substitute is FallbackService {
  const service: unknown = (substitute as { readonly service?: unknown } | null | undefined)?.service;
  return typeof service === 'function' || typeof (service as { readonly handler?: unknown } | null | undefined)?.handler === 'function';
}
