import type { Call } from '../call/call.js';
import type { Endpoint } from './endpoint.js';
import type { Load } from './load.js';

/** A cached, ready-to-pick list of endpoints. `version` moves whenever membership or state changes; until then the list is the same. */
export interface View {
  /** Those that may be picked now, densely and in no particular order; never mutate it. */
  readonly endpoints: readonly Endpoint[];
  readonly version: number;
  /** When the pick happens, on the scale of `Clock.now()`: read once by the selector, so that a balancer need not read it again. */
  readonly now: number;
}

/**
 * Picks one endpoint of a view, synchronously, in constant (at most logarithmic) time and without allocating.
 * One balancer may serve several views and several services: state that belongs to a list is kept per view (`perView`).
 */
export interface Balancer {
  readonly name: string;
  /** What the endpoints have to measure for it, if anything; the selector then gives each of them a meter of this load. */
  readonly load?: Load;
  /** undefined declines, and the fallback balancer is asked. So does one that throws or gives anything but an endpoint of the list: that is logged once. */
  pick(view: View, call: Call): Endpoint | undefined;
}

/**
 * A lookup of what a balancer keeps for each view: made when a view is first seen, collected with it.
 * The last one is remembered, so that a balancer with one view pays a comparison.
 */
export function perView<S>(make: (view: View) => S): (view: View) => S {
  const states = new WeakMap<View, S>();
  let lastView: View | undefined;
  let lastState: S | undefined;
  return (view) => {
    if (lastView === view) return lastState as S;
    let state = states.get(view);
    if (state === undefined) {
      state = make(view);
      states.set(view, state);
    }
    lastView = view;
    lastState = state;
    return state;
  };
}
