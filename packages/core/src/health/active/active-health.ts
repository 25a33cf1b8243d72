import type { HealthSource } from '../../registry/health-source.js';
import type { Instance } from '../../registry/registry.js';
import type { ActiveCheck } from './active-check.js';

export interface ActiveHealthEvent {
  /** `unhealthy`, `recovered`: it counts as such from now on. `gaveUp`: the attempts are used up; what follows is up to `recovery.givenUp`. */
  readonly type: 'unhealthy' | 'recovered' | 'gaveUp';
  readonly service: string;
  /** undefined when somebody set the health of an instance that is not listed. */
  readonly instance: Instance | undefined;
  readonly id: string;
  /** Such as `ECONNREFUSED`, `status 503`, `timeout`, or what `setHealth` was given. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** Failed probes since it was found unhealthy. */
  readonly attempts: number;
}

/** What is known of one instance. */
export interface InstanceHealth {
  readonly service: string;
  readonly id: string;
  /** undefined for one whose health was set and that is not listed. */
  readonly instance: Instance | undefined;
  /** `unknown` counts as healthy; `degraded` is healthy and has failed its last probes, less often than `fall`. */
  readonly state: 'unknown' | 'healthy' | 'degraded' | 'unhealthy';
  /** Whether it was set by `setHealth`, whatever the probes say. */
  readonly manual: boolean;
  readonly reason: string | undefined;
  /** Since when it is healthy or unhealthy, milliseconds since the Unix epoch. */
  readonly since: number | undefined;
  /** When the last probe answered, milliseconds since the Unix epoch. */
  readonly checkedAt: number | undefined;
  /** How long that took, ms. */
  readonly tookMs: number | undefined;
  /** In a row. */
  readonly successes: number;
  readonly failures: number;
  /** Failed probes since it was found unhealthy. */
  readonly attempts: number;
  readonly recoveries: number;
  readonly gaveUp: boolean;
}

/** Knows of instances whether they work because it asks them. */
export interface ActiveHealth extends HealthSource, AsyncDisposable {
  /** Begins to probe the instances of a service. The returned function ends that and forgets them. @throws TypeError when it is checked already. */
  check(service: string, check: ActiveCheck): () => void;
  /**
   * Says by hand how an instance is, which holds against all probes until it is said otherwise, `clear`, or the instance leaves the list.
   * It may be one that is not listed, or of a service without a check. @throws RangeError with 10,000 set already.
   */
  setHealth(service: string, id: string, healthy: boolean, reason?: string): void;
  /** Takes back what `setHealth` said, and goes on probing one that was given up. Returns whether there was something to take back. */
  clear(service: string, id: string): boolean;
  /** All instances that are known, or those of one service. */
  report(service?: string): readonly InstanceHealth[];
  /** Calls `listener` with every event. The returned function ends that. */
  onEvent(listener: (event: ActiveHealthEvent) => void): () => void;
}
