import type { Call } from './call.js';
import { valueKey } from './values.js';
import type { ValueKey } from './values.js';

const BEGUN: ValueKey<true> = valueKey<true>('begun');

/**
 * The handler of an inbound call begins: from now on nobody else knows whether it has acted. Only kept of a call that must not be
 * done twice, which is when somebody asks.
 */
export function begins(call: Call): void {
  if (!call.idempotent) call.values.set(BEGUN, true);
}

/** Whether the call must not be done twice and its handler has begun, so that what went wrong since is no proof that nothing was done. */
export function mayHaveActed(call: Call): boolean {
  return call.values.has(BEGUN);
}
