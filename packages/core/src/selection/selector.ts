import type { Call } from '../call/call.js';
import type { ReplyHeaders } from '../call/reply.js';
import { valueKey } from '../call/values.js';
import type { ValueKey } from '../call/values.js';
import type { Endpoint } from '../balancing/endpoint.js';
import type { Outcome } from '../balancing/outcome.js';
import type { Target } from './router.js';

export type { Outcome } from '../balancing/outcome.js';

/** One counted use of an endpoint, from the pick to the end of the body. Each method has effect once. */
export interface Lease {
  readonly endpoint: Endpoint;
  /** Headers have arrived: it no longer waits, and its latency is known. */
  answered(status: number): void;
  /** The reply's headers, for what the endpoint reports in them; whoever has none leaves it out. */
  heard?(headers: ReplyHeaders): void;
  /** Everything is over. Without `answered` before, the time until now is the latency. */
  end(outcome: Outcome): void;
}

/** Picks an endpoint for a call and counts it in one synchronous step. A promise only until the first list is known. */
export interface Selector {
  /** Rejects or throws ServiceError UNAVAILABLE (`NO_ENDPOINT`) when there is none, NOT_FOUND (`UNKNOWN_SERVICE`) never: an unknown service is one with no endpoint. */
  select(call: Call): Lease | Promise<Lease>;
  /** Whether an endpoint is ready that the call has not tried: a hedge or another attempt would go there. Default: nobody knows of one. */
  elsewhere?(call: Call): boolean;
}

/**
 * The endpoints where attempts of this call have failed, or are under way while it may be hedged, appended by whoever learns of the failure. The selector avoids them
 * while there is another. A call that has tried one is never used as a probe: it needs an endpoint that works.
 */
export const TRIED: ValueKey<Endpoint[]> = valueKey<Endpoint[]>('tried');

/** Where routing has sent a call, and which selector asked for it. */
export interface Routed {
  readonly by: object;
  readonly target: Target | undefined;
}

/** Written with a call's first attempt, so that its retries stay with the target. */
export const ROUTED: ValueKey<Routed> = valueKey<Routed>('routed');
