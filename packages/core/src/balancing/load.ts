import type { Endpoint } from './endpoint.js';

/**
 * What one more call to an endpoint would cost, learned from how earlier ones went. A load is a value without state, given to
 * a balancer (`p2c({ load })`); it makes one Fleet per service, and that one Meter per endpoint. Writing one is writing a Meter.
 */
export interface Load {
  readonly name: string;
  /** What the endpoints of one service share. */
  fleet(): Fleet;
}

export interface Fleet {
  /** For each endpoint, and once for a selector that is made, which looks whether it is one. */
  meter(): Meter;
}

/**
 * How a measured call ended: `cancelled` says only that the latency would have been at least what was measured; `overload` is a failure
 * by which the endpoint said that it has too much (429).
 */
export type Ending = 'ok' | 'failed' | 'overload' | 'cancelled';

/** The measure of one endpoint. All times in milliseconds on the scale of `Clock.now()`. Synchronous, constant time, free of allocation. Must not throw: what `observe` throws is an uncaught error. */
export interface Meter {
  /** The expected cost of one more call; the lower one wins. Only the order counts, not the unit. Never negative, never NaN. */
  cost(endpoint: Endpoint, now: number): number;
  /** Headers arrived after `latencyMs`, or the call failed before them. A body that breaks off later is one more failure, of latency 0. */
  observe(latencyMs: number, ending: Ending, now: number): void;
  /** For a load that reads what servers report: what a reply has in the header `endpoint-load-metrics`. Without this method nobody looks for it. */
  reported?(header: unknown, now: number): void;
}
