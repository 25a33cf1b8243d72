import type { Call } from './call.js';
import { valueKey } from './values.js';
import type { ValueKey } from './values.js';

const OWN_FAILURE: ValueKey<unknown> = valueKey<unknown>('ownFailure');

/**
 * Called by those who stand next to the transport and the selector of an outbound call with what they failed with. Only of such an error
 * can `unsent` or a `Retry-After` be about this call: any other may have come from another call, made on the way by a wrapper or inside of
 * the work, whose own failure says nothing of what was done before it.
 */
export function failedItself(call: Call, error: unknown): void {
  call.values.set(OWN_FAILURE, error);
}

/** Whether the last attempt of this very call failed with this very error. */
export function isOwnFailure(error: unknown, call: Call): boolean {
  return call.side === 'client' && call.values.has(OWN_FAILURE) && call.values.get(OWN_FAILURE) === error;
}
