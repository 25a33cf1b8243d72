import type { Attempt, Call } from '../../call/call.js';
import { fails, flowOf, handlerOf } from '../../call/flow.js';
import type { Continuation, Flow } from '../../call/flow.js';
import { shown } from '../../options/shown.js';
import { CallCircuit } from './circuit.js';
import type { Admission } from './circuit.js';
import type { CircuitBreaker, KeyedCircuits } from './contract.js';
import { CircuitsByKey, keyOf } from './keyed.js';
import { circuitSettings } from './options.js';
import type { CircuitBreakerOptions } from './options.js';
import { checkedKeyedSnapshot, checkedSnapshot } from './snapshot.js';
import { Tally } from './tally.js';
import { wholeNumber } from '../options.js';
import { named } from '../wrapper.js';
import type { Policy, Wrapper } from '../wrapper.js';

export type { CircuitBreakerOptions } from './options.js';

/**
 * Stops calling what fails. Closed, it counts; once at least `minimumCalls` were made in the window and `threshold` of them failed
 * (or `slowThreshold` were slow, or `consecutive` failed in a row), it opens and refuses every call without making it. After `openFor` it is
 * half-open: `trials` calls go through, and as soon as their results decide it, it closes, or opens again for longer. All handlers that
 * one breaker wraps share its state; with `per` there is one circuit a key.
 *
 * A result counts only in the state in which its call began. A cancelled call, a refusal of our own and a call that was not started
 * for want of time say nothing; a client error says that the other side works. A timeout outside of the breaker counts once
 * the work has settled, so work that ignores its signal belongs with a timeout inside of the breaker.
 *
 * @throws ServiceError UNAVAILABLE, reason `CIRCUIT_OPEN`, with `retryAfterMs` unless it was opened by hand
 * @throws TypeError at construction, for an option that makes no sense
 */
export function circuitBreaker(options: CircuitBreakerOptions & { readonly per: 'service' | 'operation' }): Policy & KeyedCircuits;
export function circuitBreaker(options: CircuitBreakerOptions & { readonly per: (call: Call) => string | undefined }): Wrapper & KeyedCircuits;
export function circuitBreaker(options?: CircuitBreakerOptions): CircuitBreaker;
export function circuitBreaker(options: CircuitBreakerOptions = {}): (Policy | Wrapper) & (CircuitBreaker | KeyedCircuits) {
  const settings = circuitSettings(options);
  const { per, maxKeys, restore } = options;
  if (per === undefined) {
    if (maxKeys !== undefined) throw new TypeError('circuitBreaker maxKeys: there are no keys without per. Give that too, or leave it out.');
    const circuit = new CallCircuit(settings, new Tally());
    if (restore !== undefined) circuit.restore(checkedSnapshot(restore));
    const policy: Policy = (next) => {
      const flow = flowOf(next);
      return handlerOf((call, to) => guarded(circuit, call, flow, to));
    };
    return controlled(policy, circuit, ['state', 'stats', 'open', 'close', 'disable', 'reset', 'snapshot']);
  }
  if (per !== 'service' && per !== 'operation' && typeof per !== 'function')
    throw new TypeError(`circuitBreaker per: ${shown(per)} gives no key. Give 'service', 'operation', or a function from a call to its key.`);
  const circuits = new CircuitsByKey(settings, keyOf(per), wholeNumber(maxKeys ?? 1000, 'circuitBreaker maxKeys', 1));
  if (restore !== undefined) circuits.restore(checkedKeyedSnapshot(restore));
  const policy: Policy = (next) => {
    const flow = flowOf(next);
    return handlerOf((call, to) => {
      let circuit: CallCircuit | undefined;
      try {
        circuit = circuits.for(call);
      } catch (error) {
        return fails(error, to);
      }
      return circuit === undefined ? flow(call, to) : guarded(circuit, call, flow, to);
    });
  };
  return controlled(policy, circuits, ['state', 'stats', 'open', 'close', 'disable', 'reset', 'snapshot', 'of']);
}

function guarded<C extends Attempt, R>(circuit: CallCircuit, call: C, next: Flow<C, R>, to: Continuation<R>): Promise<R> {
  const admission = circuit.admit(call);
  return admission instanceof Error ? fails(admission, to) : next(call, new Watched(circuit, admission, call, to));
}

/** A call that was let through: its circuit hears first how it settles. */
class Watched<R> implements Continuation<R> {
  readonly #circuit: CallCircuit;
  readonly #admission: Admission;
  readonly #beganAt: number | undefined;
  readonly #call: Attempt;
  readonly #to: Continuation<R>;

  constructor(circuit: CallCircuit, admission: Admission, call: Attempt, to: Continuation<R>) {
    this.#circuit = circuit;
    this.#admission = admission;
    this.#beganAt = circuit.begins();
    this.#call = call;
    this.#to = to;
  }

  get passesOn(): boolean {
    return this.#to.passesOn === true;
  }

  succeeded(value: R): R | Promise<R> {
    this.#circuit.succeeded(this.#admission, this.#beganAt);
    return this.#to.succeeded(value);
  }

  failed(error: unknown, from?: Promise<R>): R | Promise<R> {
    this.#circuit.failed(this.#admission, this.#beganAt, error, this.#call);
    return this.#to.failed(error, from);
  }
}

/** The policy with what is known of its circuits and what can be done to them. */
function controlled<T extends object>(policy: Policy, target: T, members: readonly (keyof T & string)[]): Policy & T {
  for (const name of members) {
    const member = target[name];
    if (typeof member === 'function') Object.defineProperty(policy, name, { value: member.bind(target), enumerable: true });
    else Object.defineProperty(policy, name, { get: () => target[name], enumerable: true });
  }
  return named({ name: 'circuitBreaker' }, policy) as Policy & T;
}
