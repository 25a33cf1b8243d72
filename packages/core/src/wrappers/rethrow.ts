import type { Attempt } from '../call/call.js';
import { flowOf, handlerOf } from '../call/flow.js';
import type { Continuation } from '../call/flow.js';
import { shown } from '../options/shown.js';
import { isServiceError } from '../errors/service-error.js';
import { isCancelled } from './verdict.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

/**
 * Throws in place of a failure what `as` makes of it: `rethrow(fromDatabase)` gives what a repository throws its meaning, where it enters. Placed
 * inside of `retry` and `circuitBreaker`, they see what it means. ServiceErrors and cancelled work are thrown as they are, and so is a
 * failure for which `as` itself throws.
 *
 * @example const findUser = guard(db.findUser, retry(), rethrow(fromDatabase));
 * @throws TypeError at construction, when `as` is no function
 */
export function rethrow(as: (error: unknown) => unknown): Policy {
  if (typeof as !== 'function')
    throw new TypeError(`rethrow: ${shown(as)} is no function. Give one that makes another error of an error, such as fromDatabase.`);
  const policy: Policy = <C extends Attempt, R>(next: (call: C) => Promise<R>) => {
    const flow = flowOf(next);
    return handlerOf((call: C, to: Continuation<R>) => flow(call, new Rethrowing(as, call, to)));
  };
  return named({ name: 'rethrow' }, policy);
}

class Rethrowing<R> implements Continuation<R> {
  readonly #as: (error: unknown) => unknown;
  readonly #call: Attempt;
  readonly #to: Continuation<R>;

  constructor(as: (error: unknown) => unknown, call: Attempt, to: Continuation<R>) {
    this.#as = as;
    this.#call = call;
    this.#to = to;
  }

  succeeded(value: R): R | Promise<R> {
    return this.#to.succeeded(value);
  }

  failed(error: unknown, from?: Promise<R>): R | Promise<R> {
    const other = this.#other(error);
    return other === error ? this.#to.failed(error, from) : this.#to.failed(other);
  }

  #other(error: unknown): unknown {
    if (isServiceError(error) || isCancelled(error, this.#call)) return error;
    try {
      return this.#as(error);
    } catch {
      return error;
    }
  }
}
