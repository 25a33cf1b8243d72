import type { Endpoint } from './endpoint.js';
import type { Timed } from './timed-heap.js';

/**
 * `ready`; `overloaded`: it asked to be left alone for a while; `ejected`: it failed too often;
 * `half-open`: its ejection is over and one call may find out; `probing`: that call is under way.
 */
export type EndpointState = 'ready' | 'overloaded' | 'ejected' | 'half-open' | 'probing';

/**
 * Whether an endpoint is fit to be picked, and what that is known from. Written by `Ejection` alone.
 * What becomes a fraction begins as a double (-0, -Infinity): V8 then writes it in place. A field that began as 0 would change the shape of its object
 * at the first fraction, and one that began as undefined would be a new number object for each call, told to the collector as old pointing to young.
 */
export class Health implements Timed {
  state: EndpointState = 'ready';
  /** When the state ends by itself; for `half-open`, when it began. Infinity otherwise. */
  at: number = Infinity;
  /** Its place among the timed ones, -1 when it is not there. */
  slot = -1;
  /** Failures since the last success. */
  consecutive = 0;
  /** Successes and all results, both fading with the window's time constant. */
  ok = -0;
  total = -0;
  countedAt: number = -Infinity;
  /** How often in a row it was ejected: each doubles the next ejection. Falls by one for each window in service. */
  level = 0;
  returnedAt: number = -Infinity;
  /** Moves with every ejection, and with every return that no call brought about: results of an earlier epoch change nothing. */
  epoch = 0;
  /** The number of the permit that was given out last. One that has leaked is not the last any more once another call probes. */
  permit = 0;
  /** It is out because nobody listens there. */
  refused = false;
  /** It has left the list. */
  gone = false;

  constructor(readonly endpoint: Endpoint) {}

  /** The ratio of successes, 0 to 1, over about one window; 1 before the first result. */
  get success(): number {
    return this.total === 0 ? 1 : this.ok / this.total;
  }
}
