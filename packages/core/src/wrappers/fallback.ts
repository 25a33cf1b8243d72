import type { Attempt } from '../call/call.js';
import { checkFunction, checkOptions, notify } from './options.js';
import { isCancelled } from './verdict.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface FallbackOptions {
  /** Which failures it stands in for. Default: all. Cancelled calls never ask. */
  readonly when?: (error: unknown, attempt: Attempt) => boolean;
  /** Hears of every failure that it stood in for. */
  readonly on?: (event: { readonly label: string; readonly error: unknown }) => void;
}

/** A policy whose result may also be a `T`: a Wrapper when `T` is a Reply. */
export type Fallback<T> = <C extends Attempt, R>(next: (call: C) => Promise<R>) => (call: C) => Promise<R | T>;

/**
 * Answers with something else when the call failed: a value, or what the function makes of the failure. What the function throws is
 * thrown in its place. A stream cannot be handed out twice, so a Reply with one has to come from a function.
 * Nobody waits for the answer of a cancelled call: its failure goes on.
 *
 * @throws TypeError at construction, for an option that makes no sense
 */
export function fallback<T>(substitute: T | ((error: unknown, attempt: Attempt) => T | Promise<T>), options: FallbackOptions = {}): Fallback<T> {
  checkOptions('fallback', options, ['when', 'on']);
  const { when, on } = options;
  checkFunction(when, 'fallback when');
  checkFunction(on, 'fallback on');
  const substituteFor = (error: unknown, attempt: Attempt): T | Promise<T> =>
    typeof substitute === 'function' ? (substitute as (error: unknown, attempt: Attempt) => T | Promise<T>)(error, attempt) : substitute;

  const policy: Fallback<T> =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    async (call: C) => {
      try {
        return await next(call);
      } catch (error) {
        if (isCancelled(error, call) || when?.(error, call) === false) throw error;
        notify(on, { label: call.label, error });
        return substituteFor(error, call);
      }
    };
  named({ name: 'fallback', replays: true }, policy as Policy); // no more than marks it
  return policy;
}
