import type { Duration } from '../time/duration.js';
import type { Flushable } from './flush-telemetry.js';

/** How a service starts and stops. */
export interface LifeCycleOptions {
  /** After deregistering: how long to go on serving those who have not heard of it yet. Default 2 s where somebody may have to hear of it. */
  readonly drainDelay?: Duration;
  /** How long the exchanges that are left may take to end before they are aborted. Default 20 s, less when `shutdownTimeout` leaves less. */
  readonly drainTimeout?: Duration;
  /** Bound of the whole stop. Default: what `gracePeriod` and `preStop` leave, less 2 s; without them 28 s, below the 30 s after which Kubernetes kills. */
  readonly shutdownTimeout?: Duration;
  /**
   * How long after asking it to end the platform kills a process: `terminationGracePeriodSeconds` of Kubernetes, `TimeoutStopSec` of systemd,
   * `stop_grace_period` of Compose. A stop that may not fit into it, with all its hooks, is warned of: what does not depend on hooks at construction,
   * the rest at the start. Default: not known, and nothing is compared.
   */
  readonly gracePeriod?: Duration;
  /** How much of `gracePeriod` a hook of the platform takes before the process hears of its end, such as `preStop` of Kubernetes. Default 0. */
  readonly preStop?: Duration;
  /**
   * What is flushed at the end of the stop, after all hooks, for at most 2 s; the providers registered with `@opentelemetry/api` are, without being
   * named here. `false`: nothing is. Default: the registered ones alone.
   */
  readonly telemetry?: readonly Flushable[] | false;
  /**
   * How often the registry is told when readiness has changed, so that others stop choosing an instance whose critical checks fail.
   * Default 5 s; `false`: never.
   */
  readonly readinessInterval?: Duration | false;
  /** Whether SIGTERM and SIGINT stop the service and end the process. Default true. */
  readonly signals?: boolean;
  /** Whether a failing critical check or registration makes `start` reject, instead of being tried again in the background. Default false. */
  readonly failFast?: boolean;
}
