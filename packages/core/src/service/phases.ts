import { checkFunction } from '../options/check.js';
import type { Logger } from '../logging/logger.js';
import type { Clock } from '../time/clock.js';

/**
 * Where a service is in its life, finer than its state. `ready` comes late, or never, while a critical check fails; the phases of the stop come in
 * the order below, each at most once, and one that has nothing to do is left out (`deregistered` without a registry, `cut` when all ended by
 * itself, everything up to it before the service listened).
 *
 * - `starting`: mounts, runs its checks, listens.
 * - `ready`: readiness answers 200, and registering begins.
 * - `draining`: readiness answers 503; everything is still served.
 * - `deregistered`: the registry has told others to send nothing more. Still serving, for drainDelay.
 * - `closing`: accepts nothing more; what is under way goes on.
 * - `cut`: drainTimeout has passed; what was left is aborted, and a second later cut.
 * - `hooks`: nothing is served any more. What the service made is closed, and the hooks of `onStop` run.
 * - `stopped`: it is over.
 */
export type ServicePhase = 'starting' | 'ready' | 'draining' | 'deregistered' | 'closing' | 'cut' | 'hooks' | 'stopped';

export interface PhaseEvent {
  readonly phase: ServicePhase;
  /** When it began, milliseconds since the Unix epoch. */
  readonly at: number;
  /** The phase before it; undefined for the first one. */
  readonly from: ServicePhase | undefined;
  /** How long that lasted, ms; 0 for the first one. */
  readonly lastedMs: number;
}

export type PhaseListener = (event: PhaseEvent) => void;

/** Which phase a service is in, and who wants to hear. */
export class Phases {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<PhaseListener>();
  #current: ServicePhase | undefined;
  #since = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Tells everybody, in turn. A listener that throws or rejects is logged, and stops neither the others nor the service. */
  enter(phase: ServicePhase): void {
    const now = this.#clock.now();
    const from = this.#current;
    const event: PhaseEvent = { phase, at: this.#clock.wallTime(), from, lastedMs: from === undefined ? 0 : now - this.#since };
    this.#current = phase;
    this.#since = now;
    const failed = (error: unknown): void => this.#logger.warn({ error, phase }, 'A listener for the phases of the service failed');
    for (const listener of [...this.#listeners]) {
      try {
        const given: unknown = listener(event);
        if (given instanceof Promise) given.catch(failed);
      } catch (error) {
        failed(error);
      }
    }
  }

  /** @throws TypeError when it is no function. */
  listen(listener: PhaseListener): () => void {
    checkFunction(listener ?? null, 'onPhase');
    // Of its own identity: the same function twice is heard twice, and each is taken back by its own.
    const own: PhaseListener = (event) => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }
}
