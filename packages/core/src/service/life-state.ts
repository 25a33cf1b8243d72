import type { Monitor } from '../health/monitor.js';
import type { Logger } from '../logging/logger.js';
import type { Address } from '../server/http-adapter.js';
import type { Clock } from '../time/clock.js';
import type { Announcement } from './announcement.js';
import type { SignalSource } from './signals.js';

export type ServiceState = 'idle' | 'starting' | 'ready' | 'draining' | 'stopped';

/** What the life cycle sets in motion, in the order in which it does. */
export interface LifeCycleParts {
  readonly name: string;
  readonly monitor: Monitor;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Opens the health routes on a port of their own; what it gives closes them. undefined when they have none. */
  openProbes?(): Promise<(() => Promise<void>) | undefined>;
  /** Puts the service into the framework. */
  mount(): void;
  /** Resolves when connections are accepted. Gives up when the signal aborts. */
  listen(signal: AbortSignal): Promise<Address>;
  /** Begins to register; undefined when there is no registry. */
  announce(address: Address): Announcement | undefined;
  /** Checks that concern nobody but this process: the registry is not told of them. */
  readonly localChecks?: ReadonlySet<string>;
  /** Learns what the first requests will need; undefined when that is nothing. Never rejects. */
  warmUp?(): Promise<void> | undefined;
  /** Whether anybody has asked for readiness. */
  probed(): boolean;
  startDraining(): void;
  close(signal: AbortSignal): Promise<void>;
  /** Closes what the service itself has made for its outbound calls. */
  release(): Promise<void>;
  /** The process, but for tests. */
  readonly signals?: SignalSource;
}

/** How far a service is, and what its start has begun that its stop has to end. There is one start and one stop. */
export class LifeState {
  state: ServiceState = 'idle';
  /** Where it listens. */
  address: Address | undefined;
  announcement: Announcement | undefined;
  /** Whether listening has begun: there may be sockets. */
  listened = false;
  /** What `start` does, without the undoing that waits for `stop`. */
  starting: Promise<Address> | undefined;
  stopReporting: (() => void) | undefined;
  closeProbes: (() => Promise<void>) | undefined;
  /** Whether each step of the stop was done in time, and well. */
  inOrder = true;
  /** Aborted when the stop begins. */
  readonly over: AbortController = new AbortController();
}
