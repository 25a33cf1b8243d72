import type { Instance } from './registry.js';

/** What somebody beside the registry knows of the health of instances: active checks, or an operator. */
export interface HealthSource {
  /** undefined: unknown, which counts as healthy. Asked when the list or the health changes, never per call; it must be cheap. */
  healthOf(instance: Instance): boolean | undefined;
  /** Calls `listener` with the service and the instance's id whenever an answer of `healthOf` changes. The returned function ends that. */
  onChange(listener: (service: string, id: string) => void): () => void;
}
