import { AsyncLocalStorage } from 'node:async_hooks';
import type { Call } from './call.js';
import { valueKey } from './values.js';
import type { ValueKey } from './values.js';

/** The id of the request that is being answered; goes out as `x-request-id`. */
export const REQUEST_ID: ValueKey<string> = valueKey<string>('requestId');

const frames = new AsyncLocalStorage<Call | undefined>();

/** The inbound call that the running code works for; undefined outside of one and inside `detached`. */
export function currentCall(): Call | undefined {
  return frames.getStore();
}

/** Runs `work` on behalf of `call`: `currentCall()` finds it there and in all that it starts. */
export function runInContext<T>(call: Call, work: (call: Call) => T): T {
  return frames.run(call, work, call);
}

/** The same function, run in the context of now whenever it is called: for listeners of raw emitters and own queues, which lose it. */
export function bind<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  const frame = frames.getStore();
  return (...args) => frames.run(frame, fn, ...args);
}

/** Runs work that outlives the request: its outbound calls inherit neither the deadline nor the cancellation. */
export function detached<T>(work: () => T): T {
  return frames.run(undefined, work);
}
