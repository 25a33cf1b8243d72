import type { Attempt, Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';

/** Takes a call and answers it: a controller method, a transport, or a stack of wrappers around either. */
export type Handler = (call: Call) => Promise<Reply>;

/** Adds behaviour. The outer call runs once at start-up, the inner one per exchange; `next` may be called 0, 1 or n times. */
export type Wrapper = (next: Handler) => Handler;

/** A wrapper that needs nothing of HTTP, so that it also guards any async function. Every Policy is a Wrapper. */
export type Policy = <C extends Attempt, R>(next: (call: C) => Promise<R>) => (call: C) => Promise<R>;

/** A Koa-style function: it may call `next` at most once per call of its own, which is all that it needs. */
export type Middleware = (call: Call, next: (call?: Call) => Promise<Reply>) => Promise<Reply> | Reply;

const TRAITS = Symbol.for('ferrule.wrapper');

/** What a stack wants to know of a wrapper before it is used. */
export interface WrapperTraits {
  /** For `describe()` and for positions (`before: 'timeout'`). */
  readonly name: string;
  /** Whether it may answer without the handler or run it again: refused on a route whose handler answers natively. */
  readonly replays?: boolean;
  /** Whether it makes calls fail or wait on purpose, as `chaos` does: said in health details and in `describe()`. */
  readonly injects?: boolean;
}

/** Puts a name and traits on a wrapper and gives it back. */
export function named<W extends Wrapper | Policy>(traits: WrapperTraits, wrapper: W): W {
  Object.defineProperty(wrapper, TRAITS, { value: Object.freeze({ ...traits }) });
  return wrapper;
}

/** The traits that `named` put on; without them the function's own name. */
export function traitsOf(wrapper: Wrapper): WrapperTraits {
  const traits = (wrapper as { [TRAITS]?: WrapperTraits })[TRAITS];
  return traits ?? { name: wrapper.name === '' ? 'anonymous' : wrapper.name };
}

/**
 * One wrapper from many; the first is the outermost. `compose()` alone changes nothing.
 * @throws TypeError when an argument is no function.
 */
export function compose(...wrappers: readonly Wrapper[]): Wrapper {
  for (const [index, wrapper] of wrappers.entries()) {
    if (typeof wrapper !== 'function') {
      throw new TypeError(
        `compose: argument ${index} is ${wrapper === null ? 'null' : typeof wrapper}, not a wrapper. A factory such as timeout() has to be called.`,
      );
    }
  }
  return (handler) => {
    let next = handler;
    for (let index = wrappers.length - 1; index >= 0; index--) next = checked(wrappers[index]!(next), wrappers[index]!);
    return next;
  };
}

/** A wrapper from a Koa-style function. `next()` hands the same call on, `next(other)` another one; it may be called again. */
export function fromMiddleware(middleware: Middleware): Wrapper {
  return named({ name: middleware.name === '' ? 'middleware' : middleware.name }, (next) => async (call) => {
    const reply = await middleware(call, (other = call) => next(other));
    if (reply === undefined)
      throw new TypeError(`Middleware ${middleware.name || '(anonymous)'} gave no Reply. Return what next() resolved to, or a Reply of its own.`);
    return reply;
  });
}

function checked(handler: Handler, wrapper: Wrapper): Handler {
  if (typeof handler === 'function') return handler;
  throw new TypeError(
    `Wrapper ${traitsOf(wrapper).name} gave ${typeof handler} where (call) => Promise<Reply> was expected. A wrapper is next => call => ...; a Koa-style function goes through fromMiddleware().`,
  );
}
