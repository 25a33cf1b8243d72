import { valueKey } from './values.js';
import type { ValueKey } from './values.js';

/** What wrappers may know of the request that an outbound call stands for. The client keeps more under the same key (`OUTBOUND`). */
export interface Sent {
  /** Encoded path and query. */
  readonly target: string;
  /** How the reply's body is wanted: the same target gives another reply in another mode. */
  readonly mode: string;
  /** The one address that it has to go to; undefined: an endpoint is picked. */
  readonly address?: string | undefined;
}

/** Not on calls that were made by hand: their operation, params and query say the same. */
export const SENT: ValueKey<Sent> = valueKey<Sent>('outbound');
