import type { CheckReport, HealthStatus } from './check.js';

/** Whether the service takes traffic. It moves only forward, from left to right. */
export type Readiness = 'starting' | 'ready' | 'draining';

/** What one of the health questions was answered with. */
export interface HealthReport {
  readonly status: HealthStatus;
  readonly readiness: Readiness;
  /** The checks that were asked, in the order they were added; empty where the answer did not depend on them. */
  readonly checks: readonly CheckReport[];
  /** What else whoever may see details has to know, such as faults that are injected on purpose. Default none. */
  readonly notes?: readonly string[];
  /** When it was made, milliseconds since the Unix epoch. */
  readonly at: number;
  /** Of the service. */
  readonly version?: string;
}

/**
 * What a reply says, in a format of your own: text as it is, anything else as JSON. Without `details` the report is cut to `status`, `readiness`
 * and `at`, so that nothing more can leave. A throw answers 500.
 */
export type HealthFormat = (report: HealthReport, context: { readonly details: boolean }) => unknown;
