import { ServiceError } from '../errors/service-error.js';
import type { CheckReport } from '../health/check.js';
import type { Address } from '../server/http-adapter.js';
import { abortableOf, sleep } from '../time/sleep.js';
import { backoff } from '../wrappers/backoff.js';
import type { Announcement } from './announcement.js';
import { bounded } from './bounded.js';
import type { LifeCycleParts, LifeState } from './life-state.js';
import type { Phases } from './phases.js';
import { reportReadiness } from './readiness-report.js';

/** How long `start` waits for the registry before it goes on in the background: being started does not depend on it. */
const REGISTER_MS = 2_000;
/** How long being ready may wait for what the first requests need. */
const WARM_UP_MS = 2_000;
const PAUSE = backoff.decorrelated({ base: 500, cap: 10_000 });

export interface StartSettings {
  /** Whether a critical check or a registration that fails makes the start fail. */
  readonly failFast: boolean;
  /** How often the monitor is asked for what the registry is told; undefined: it is told nothing. */
  readonly readinessMs: number | undefined;
}

/**
 * What comes after mounting: probes → checks → listen → ready → register. A critical check that fails does not keep the service from listening (its
 * probes have to be answered) but from being ready: it is asked again until it passes, and only then the instance is registered.
 * What it has begun is in `life`; the stop interrupts it by `life.over`.
 */
export class StartSequence {
  readonly #parts: LifeCycleParts;
  readonly #life: LifeState;
  readonly #phases: Phases;
  readonly #settings: StartSettings;

  constructor(parts: LifeCycleParts, life: LifeState, phases: Phases, settings: StartSettings) {
    this.#parts = parts;
    this.#life = life;
    this.#phases = phases;
    this.#settings = settings;
  }

  /** Rejects when a part does, and when the stop begins meanwhile. Undoes nothing: that is the stop's. */
  async run(): Promise<Address> {
    const { monitor, name, logger, clock } = this.#parts;
    const { over } = this.#life;
    const { failFast } = this.#settings;
    this.#life.closeProbes = await this.#parts.openProbes?.();
    over.signal.throwIfAborted();
    const warm = this.#parts.warmUp?.();
    const failing = failed(await this.#unlessStopped(monitor.ask('ready', 'startup')));
    if (failing.length > 0 && failFast) throw this.#unhealthy(failing);
    this.#life.listened = true;
    const address = await this.#parts.listen(over.signal);
    this.#life.address = address;
    over.signal.throwIfAborted();
    if (failing.length > 0) {
      logger.warn(
        { service: name, checks: failing.map(({ name: check, output, error }) => ({ check, output, ...(error !== undefined && { error }) })) },
        'Listening, but not ready: critical checks fail',
      );
      void this.#becomeReadyLater(address);
      return address;
    }
    if (warm !== undefined) await this.#unlessStopped(bounded(warm, WARM_UP_MS, clock));
    const announcement = this.#becomeReady(address);
    if (failFast) await this.#unlessStopped(announcement?.first ?? Promise.resolve());
    else if (announcement !== undefined) await this.#unlessStopped(bounded(announcement.first, REGISTER_MS, clock).catch(() => {}));
    return address;
  }

  #becomeReady(address: Address): Announcement | undefined {
    const { clock, logger, monitor, name, localChecks } = this.#parts;
    const { readinessMs } = this.#settings;
    this.#life.state = 'ready';
    monitor.moveTo('ready');
    this.#phases.enter('ready');
    logger.info({ service: name, address }, 'Ready');
    const announcement = (this.#life.announcement = this.#parts.announce(address));
    if (announcement !== undefined && readinessMs !== undefined)
      this.#life.stopReporting = reportReadiness(announcement, { everyMs: readinessMs, monitor, ignored: localChecks, clock, logger });
    return announcement;
  }

  async #becomeReadyLater(address: Address): Promise<void> {
    const { clock, random, monitor } = this.#parts;
    const over = abortableOf(this.#life.over.signal);
    let pauseMs = 0;
    for (let wait = 1; ; wait++) {
      pauseMs = PAUSE(wait, random, pauseMs);
      try {
        await sleep(pauseMs, over, clock);
      } catch {
        return;
      }
      if (failed(await monitor.ask('ready', 'startup')).length > 0) continue;
      if (!over.aborted) this.#becomeReady(address);
      return;
    }
  }

  #unhealthy(failing: readonly CheckReport[]): ServiceError {
    const said = failing.map(({ name, output }) => `${name} (${output ?? 'fail'})`).join(', ');
    return new ServiceError('UNAVAILABLE', `Service ${this.#parts.name} does not start: ${said} failed, and failFast is set`, {
      cause: failing[0]!.error,
    });
  }

  /** What `work` gives; rejects at once when the service is stopped meanwhile. */
  #unlessStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#life.over;
    return new Promise((resolve, reject) => {
      const forget = abortableOf(signal).onAbort(reject);
      work.then(resolve, reject).finally(forget);
      if (signal.aborted) reject(signal.reason);
    });
  }
}

function failed(reports: readonly CheckReport[]): readonly CheckReport[] {
  return reports.filter(({ status }) => status === 'fail');
}
