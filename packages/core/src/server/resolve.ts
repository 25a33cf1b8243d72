import { nameOf } from '../decorators/notes.js';
import type { Constructor } from '../decorators/notes.js';

/** Gives the instance for a class, or the value for a token: what a container does. */
export interface Resolve {
  (token: Constructor | symbol): unknown;
  /** Whether a controller is asked for again for every request (a transient or request-scoped one). Default: never. */
  readonly perCall?: (type: Constructor) => boolean;
}

/** What there is without a container: classes that need nothing. */
export function withoutContainer(token: Constructor | symbol): unknown {
  if (typeof token === 'function' && token.length === 0) return new (token as new () => object)();
  throw new TypeError(
    `${typeof token === 'function' ? nameOf(token) : String(token)} has to be resolved: ${typeof token === 'function' ? 'its constructor takes arguments' : 'it is a token'}. Give an instance, or resolve; createService of @ferrule/core/di brings a container's.`,
  );
}
