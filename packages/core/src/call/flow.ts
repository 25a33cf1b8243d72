import { SETTLED, rejected } from './rejected.js';

/**
 * What is done with a result further out. One of the two is called, once; what it returns or throws is what the promise of whoever called it
 * becomes.
 */
export interface Continuation<R> {
  succeeded(value: R): R | Promise<R>;
  /** `from` is a promise that was rejected with this very error, when there is one: to give that back costs 50 ns, to throw it again 270 to 770. */
  failed(error: unknown, from?: Promise<R>): R | Promise<R>;
  /** Whether it only looks on: it gives every result on as it is, and `failed` never throws when it has a `from`. Then there need be no other promise. */
  readonly passesOn?: boolean;
  /** The two once more, as functions that need no `this`, when it serves many calls: two closures less for each. */
  readonly onValue?: (value: R) => R | Promise<R>;
  readonly onError?: (error: unknown) => R | Promise<R>;
}

/**
 * A handler in continuation-passing style: what stands above it is handed in, and its promise is of what `to` made of the result.
 * It never throws.
 *
 * Every policy looks at how its call settles. By promises alone that takes a promise, two closures and a turn of the microtask queue for each
 * layer; so the policies that every call goes through hand each other continuations, and only the innermost waits for a promise. Each is a
 * handler like any other all the same: `handlerOf` and `flowOf` translate, and next to wrappers of other people there are promises as ever.
 *
 * A continuation runs in the async context (AsyncLocalStorage) of the call. Whoever settles one from a timer has to go through a promise that
 * was asked in time, because the timer has the context of another call.
 */
export type Flow<C, R> = (call: C, to: Continuation<R>) => Promise<R>;

type Handler<C, R> = (call: C) => Promise<R>;

/** Not a registered symbol: two copies of the package speak in promises. */
const FLOW: unique symbol = Symbol('flow');

interface Flowing<C, R> {
  readonly [FLOW]?: Flow<C, R>;
}

/** Nothing stands above: the result is the result. */
const END: Continuation<unknown> = {
  passesOn: true,
  succeeded: (value) => value,
  failed(error, from) {
    if (from !== undefined) return from;
    throw error;
  },
};

/** The handler that a flow is, for those who wait for its promise. */
export function handlerOf<C, R>(flow: Flow<C, R>): Handler<C, R> {
  const handler: Handler<C, R> & { [FLOW]?: Flow<C, R> } = (call) => flow(call, END as Continuation<R>);
  handler[FLOW] = flow;
  return handler;
}

/** The flow of a handler, to be asked for once, at start-up: its own, or one that waits for its promise. */
export function flowOf<C, R>(handler: Handler<C, R> & Flowing<C, R>): Flow<C, R> {
  return handler[FLOW] ?? ((call, to) => settling(begin(handler, call), to));
}

/** Calls a handler that is only known now. */
export function flowInto<C, R>(handler: Handler<C, R> & Flowing<C, R>, call: C, to: Continuation<R>): Promise<R> {
  const flow = handler[FLOW];
  return flow === undefined ? settling(begin(handler, call), to) : flow(call, to);
}

/** The promise of `next`; a rejected one when it throws. One of a foreign kind becomes one of ours, which is sure to settle no more than once. */
export function begin<C, R>(next: Handler<C, R>, call: C): Promise<R> {
  try {
    return Promise.resolve(next(call));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Tells `to` how the promise settles. */
export function settling<R>(result: Promise<R>, to: Continuation<R>): Promise<R> {
  if ((to as Continuation<unknown>) === END) return result;
  return to.onValue === undefined ? thenTell(result, to) : result.then(to.onValue, to.onError);
}

/** Apart, because a function that makes closures pays for what they share whenever it is called. */
function thenTell<R>(result: Promise<R>, to: Continuation<R>): Promise<R> {
  return result.then(
    (value) => to.succeeded(value),
    (error: unknown) => to.failed(error, result),
  );
}

/** The promise of what fails before it has begun, a microtask later: see `rejected`. */
export function fails<R>(error: unknown, to: Continuation<R>): Promise<R> {
  if (to.onError !== undefined) return failsLater(error, to.onError);
  const from = rejected<R>(error);
  if (to.passesOn !== true) return from.then(undefined, () => to.failed(error, from));
  void to.failed(error, from);
  return from;
}

/** For one that has no use for a promise of the failure itself: it spares two of three. */
function failsLater<R>(error: unknown, onError: (error: unknown) => R | Promise<R>): Promise<R> {
  return SETTLED.then(() => onError(error));
}
