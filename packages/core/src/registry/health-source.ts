import type { Instance } from './registry.js';

/** What somebody beside the registry knows of the health of instances: active checks, or an operator. */
export interface HealthSource {
  /**
   * undefined: unknown, which counts as healthy. True after false says that the instance works again: a selector ends its ejection then.
   * Asked when the list or the health changes, never per call; it must be cheap.
   */
  healthOf(instance: Instance): boolean | undefined;
  /** Calls `listener` with the service and the instance's id whenever an answer of `healthOf` changes. The returned function ends that. */
  onChange(listener: (service: string, id: string) => void): () => void;
}
