import { Call } from './call.js';
import type { Attempt } from './call.js';
import { currentCall } from './context.js';
import { valueKey } from './values.js';
import type { ValueKey } from './values.js';

const GIVEN_UP: ValueKey<WeakSet<object>> = valueKey<WeakSet<object>>('givenUp');

/** The field that tells a caller not to try again, and what it says. */
export const NO_RETRY: Readonly<Record<'x-retry', string>> = Object.freeze({ 'x-retry': 'no' });

/** How far the causes of an error are followed: whoever wraps more often hides it. */
const DEEPEST_CAUSE = 8;

/** The inbound call that an attempt is made for: itself, or the one whose work has called. */
export function inboundOf(call: Attempt): Call | undefined {
  return call instanceof Call && call.side === 'server' ? call : currentCall();
}

/**
 * Called by whoever may not try again, because a budget is used up or the other side has said so, with what is thrown instead. It is noted with
 * the inbound call alone, so that an error which is thrown for several requests means nothing for the others.
 */
export function giveUp(call: Attempt, error: unknown): void {
  const inbound = inboundOf(call);
  if (inbound === undefined || typeof error !== 'object' || error === null) return;
  const present = inbound.values.get(GIVEN_UP);
  if (present === undefined) inbound.values.set(GIVEN_UP, new WeakSet([error]));
  else present.add(error);
}

/** Whether the error, or one that caused it, is what was given up with for this inbound call: its caller had better not try again either. */
export function isGivenUp(inbound: Call | undefined, error: unknown): boolean {
  const known = inbound?.values.get(GIVEN_UP);
  if (known === undefined) return false;
  let one = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && typeof one === 'object' && one !== null; depth++) {
    if (known.has(one)) return true;
    try {
      one = (one as { readonly cause?: unknown }).cause;
    } catch {
      return false;
    }
  }
  return false;
}
