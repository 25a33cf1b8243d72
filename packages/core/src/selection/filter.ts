import type { Call } from '../call/call.js';
import type { Instance } from '../registry/registry.js';

/**
 * Narrows the instances that calls may reach. Calls with the same keys share a view, and `keep` is asked once for each instance of it
 * when membership changes, never per pick: what it answers must depend on its two arguments alone. An instance about which it throws is left out.
 */
export interface Filter {
  /** What of the call decides, for example the version it wants. Without it all calls are alike. Keep the number of keys small: 64 views are cached. */
  key?(call: Call): string;
  keep(instance: Instance, key: string): boolean;
}
