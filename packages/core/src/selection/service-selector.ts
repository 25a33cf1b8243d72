import type { Balancer } from '../balancing/balancer.js';
import type { Ejector } from '../balancing/ejector.js';
import type { EndpointState } from '../balancing/health.js';
import type { Subset } from '../balancing/subset.js';
import type { Call } from '../call/call.js';
import type { SnapshotSource } from '../discovery/directory.js';
import type { Logger } from '../logging/logger.js';
import type { HealthSource } from '../registry/health-source.js';
import type { Instance } from '../registry/registry.js';
import type { Clock } from '../time/clock.js';
import type { Filter } from './filter.js';
import type { PriorityChange } from './priority-watch.js';
import type { Router } from './router.js';
import type { Selector } from './selector.js';

export interface SelectorOptions {
  readonly service: string;
  readonly directory: SnapshotSource;
  /** Default `p2c()`. */
  readonly balancer?: Balancer;
  /** Asked when the balancer declines. Default `roundRobin()`. */
  readonly fallback?: Balancer;
  /** Default `ejector()`; false takes nobody out of service and starts nobody slowly. */
  readonly ejector?: Ejector | false;
  /** All have to keep an instance. Default none. */
  readonly filters?: readonly Filter[];
  /** Which instances a call may reach: the first router that has an opinion decides. Default none. */
  readonly routing?: Router | readonly Router[];
  /**
   * Whose instances are preferred within each priority, as long as enough of them are ready and they are not fewer than the zone's even share
   * of all: beyond that, calls spill to the other zones. Default: all zones are alike.
   */
  readonly zone?: string;
  /** Which of the instances that filters and routing leave are used at all, within each priority and side of the zone. Default: all. */
  readonly subset?: Subset;
  /** What others know of the instances: one that any of them calls unhealthy is not ready, as one with status `fail`. Default none. */
  readonly health?: HealthSource | readonly HealthSource[];
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
  /** Hears of ejections and returns. */
  readonly logger?: Logger;
  /** Hears when the first priority in use becomes another one, among the instances that calls without filter keys and routing target reach. Must not throw. */
  readonly onPriority?: (change: PriorityChange) => void;
  /** Hears the origin, and the server name if it has one, of each endpoint that may be picked from now on. Default nobody. */
  readonly onArrival?: (origin: string, serverName?: string) => void;
  /** Hears the same of each endpoint that has left the list, and of all that are left when the selector is closed. Default nobody. */
  readonly onDeparture?: (origin: string, serverName?: string) => void;
}

/** What people see of an endpoint. */
export interface EndpointReport {
  readonly id: string;
  /** As it was announced last, with version, zone, tags and metadata. */
  readonly instance: Instance;
  readonly origin: string;
  /** Calls without headers yet. */
  readonly waiting: number;
  /** Calls whose body has not ended. */
  readonly open: number;
  /** Moving mean of the time to headers; undefined before the first answer. */
  readonly latencyMs: number | undefined;
  /** Ratio of successes, 0 to 1, over about ten seconds. */
  readonly success: number;
  /** `failing`: its registry says so, or a `HealthSource`. */
  readonly state: EndpointState | 'failing';
}

/** The instances of one priority, or with `zone` those of one priority inside or outside of it. */
export interface LevelReport {
  readonly priority: number;
  /** Whether they are in the selector's own zone; undefined without one. */
  readonly near: boolean | undefined;
  readonly instances: number;
  readonly ready: number;
  /** Of the calls, 0 to 1. */
  readonly share: number;
  /** Too few are ready, here and elsewhere, so that the others are picked too. */
  readonly panic: boolean;
}

/** How often a balancer has picked. */
export interface PickCount {
  /** The balancer's name. */
  readonly strategy: string;
  readonly count: number;
}

/** The selector of one service. */
export interface ServiceSelector extends Selector {
  readonly service: string;
  /** A report of every endpoint as it is now. */
  endpoints(): readonly EndpointReport[];
  /** As of a Selector; of the instances that its routing and the filters leave for the call. */
  elsewhere(call: Call): boolean;
  /** How calls without filter keys and routing target are shared out now, the level that is used first at the top. */
  levels(): readonly LevelReport[];
  /** Endpoints that its balancer picked, and its fallback; a retry that looks for another endpoint may take several picks, a probe of an ejected one takes none. */
  picks(): readonly PickCount[];
  /** Stops listening to the directory; who waits, and who asks later, is refused. Idempotent. */
  close(): void;
}
