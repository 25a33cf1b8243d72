import type { Call } from './call.js';
import { valueKey } from './values.js';
import type { ValueKey } from './values.js';

/** What is known of a call of which several attempts may run side by side. */
export interface Hedging {
  /** How many of its attempts were hedges. */
  made: number;
  /** Who gives its attempts their endpoints, and knows of others that it has not tried. */
  places: { elsewhere?(call: Call): boolean } | undefined;
}

/**
 * Set on a call that may be hedged, before its first attempt. Whoever gives attempts their endpoints then notes each as tried when it is picked,
 * not only when it has failed, and says who may be asked for others, so that a hedge goes elsewhere or is not made.
 */
export const HEDGING: ValueKey<Hedging> = valueKey<Hedging>('hedging');
