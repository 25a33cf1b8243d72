import { ServiceError } from '../errors/service-error.js';
import { sleep } from '../time/sleep.js';
import { bounded } from './bounded.js';
import { flushTelemetry } from './flush-telemetry.js';
import type { Flushable } from './flush-telemetry.js';
import { Hooks } from './hooks.js';
import type { LifeCycleParts, LifeState } from './life-state.js';
import type { Phases } from './phases.js';
import { CUT_MS, DRAIN_DELAY_MS, FLUSH_MS } from './stop-times.js';
import type { StopTimes } from './stop-times.js';

const WITHDRAW_MS = 5_000;
const RELEASE_MS = 5_000;

/** What the application wants to be done, by when. */
export class StopHooks {
  readonly beforeShutdown: Hooks = new Hooks('beforeShutdown');
  readonly onDrain: Hooks = new Hooks('onDrain');
  readonly onStop: Hooks = new Hooks('onStop');
}

/**
 * Not ready → deregister → go on serving → close and drain → cut → close what we made → hooks, the last added first → telemetry.
 * Deregistering stands before the delay and the delay before closing, because others send until they have heard of it; closing first is what
 * loses requests. Each step is bounded, and one that fails or is late keeps no other from being done. It runs once.
 */
export class StopSequence {
  readonly #parts: LifeCycleParts;
  readonly #life: LifeState;
  readonly #phases: Phases;
  readonly #hooks: StopHooks;
  readonly #times: StopTimes;
  readonly #telemetry: readonly Flushable[] | false;
  #startedAt = 0;

  constructor(
    parts: LifeCycleParts,
    life: LifeState,
    { phases, hooks, times, telemetry }: { phases: Phases; hooks: StopHooks; times: StopTimes; telemetry: readonly Flushable[] | false },
  ) {
    this.#parts = parts;
    this.#life = life;
    this.#phases = phases;
    this.#hooks = hooks;
    this.#times = times;
    this.#telemetry = telemetry;
  }

  /** Never rejects. `reason` is for the log. */
  async run(reason: string): Promise<void> {
    const { clock, logger, monitor, name } = this.#parts;
    const life = this.#life;
    // A clock of the application's may know no timers that keep a process alive. Without this one, a hook that waits for nothing that does would end it before the others ran.
    const alive = setTimeout(() => {}, this.#times.shutdownMs);
    this.#startedAt = clock.now();

    logger.info({ service: name, reason }, 'Stopping');
    life.state = 'draining';
    monitor.moveTo('draining');
    this.#phases.enter('draining');
    const before = this.#hooks.beforeShutdown.run(this.#step);
    life.over.abort(new ServiceError('CANCELLED', `Service ${name} was stopped while it started`));
    const { starting } = life;
    if (starting !== undefined) await this.#step('end of start', WITHDRAW_MS, () => starting.catch(() => {}));
    life.stopReporting?.();
    const mayHear = this.#someoneMayHear(reason);
    const { announcement } = life;
    if (announcement !== undefined && (await this.#step('deregister', WITHDRAW_MS, () => announcement.drain()))) this.#phases.enter('deregistered');
    if (life.listened) await this.#drain(mayHear, before);
    await before;
    this.#phases.enter('hooks');
    // Where the entry was to stay until now.
    if (announcement?.remains === true) await this.#step('deregister', WITHDRAW_MS, () => announcement.withdraw());
    await this.#step('release', RELEASE_MS, () => this.#parts.release());
    await this.#hooks.onStop.run(this.#step);
    await this.#flush(this.#left(FLUSH_MS));
    const { closeProbes } = life;
    if (closeProbes !== undefined) await this.#step('close healthServer', CUT_MS, closeProbes);
    life.address = undefined;
    life.state = 'stopped';
    this.#phases.enter('stopped');
    clearTimeout(alive);
    logger.info({ service: name, reason, inOrder: life.inOrder, tookMs: Math.round(clock.now() - this.#startedAt) }, 'Stopped');
  }

  /** Serves those who have not heard of it yet, then ends what is under way, and in the end whatever is left. */
  async #drain(mayHear: boolean, before: Promise<void>): Promise<void> {
    const { clock } = this.#parts;
    await this.#step('start draining', CUT_MS, () => this.#parts.startDraining());
    const delayMs = this.#times.drainDelayMs ?? (mayHear ? DRAIN_DELAY_MS : 0);
    if (this.#life.address !== undefined && delayMs > 0) await sleep(this.#left(delayMs), undefined, clock, { ref: true });
    await before;
    this.#phases.enter('closing');
    const cut = new AbortController();
    const drainMs = Math.max(0, Math.min(this.#times.drainTimeoutMs, this.#left(Infinity) - CUT_MS));
    const cutAt = clock.now() + drainMs;
    const timer = clock.schedule(drainMs, () => {
      this.#phases.enter('cut');
      cut.abort();
    });
    // At the same time: what a hook ends is what closing waits for.
    const hooks = this.#hooks.onDrain.run((what, mostMs, work) => this.#step(what, Math.min(mostMs, Math.max(0, cutAt - clock.now())), work));
    await this.#step('drain', Infinity, () => this.#parts.close(cut.signal));
    await hooks;
    timer.cancel();
    if (cut.signal.aborted) this.#life.inOrder = false;
  }

  /** Whether it was done in time, and well. */
  readonly #step = async (what: string, mostMs: number, work: () => unknown): Promise<boolean> => {
    const { clock, logger, name } = this.#parts;
    try {
      const end = await bounded(Promise.resolve().then(work), this.#left(mostMs), clock);
      if (end !== 'late') return true;
      logger.warn({ service: name, step: what }, 'A step of the stop did not end in time; going on');
    } catch (error) {
      logger.warn({ service: name, step: what, error }, 'A step of the stop failed; going on');
    }
    this.#life.inOrder = false;
    return false;
  };

  /** Of so much time, what the bound of the whole leaves, ms. */
  #left(mostMs: number): number {
    return Math.max(0, Math.min(mostMs, this.#times.shutdownMs - (this.#parts.clock.now() - this.#startedAt)));
  }

  /** What the service has done is done: telemetry that cannot be sent is logged, and makes no failure of a stop in order. */
  async #flush(mostMs: number): Promise<void> {
    const { clock, logger, name } = this.#parts;
    if (this.#telemetry === false) return;
    try {
      const flushed = flushTelemetry(this.#telemetry);
      if (flushed === undefined) return;
      if ((await bounded(flushed, mostMs, clock)) === 'late') logger.warn({ service: name }, 'Telemetry was not flushed in time; going on');
    } catch (error) {
      logger.warn({ service: name, error }, 'Telemetry could not be flushed; going on');
    }
  }

  /**
   * Whether the default delay is worth its time: somebody sends because of what a registry, a prober or an orchestrator (the usual sender
   * of SIGTERM) last told him, and has to hear of the stop first. A service in a test, or on a desk under Ctrl-C, stops at once.
   */
  #someoneMayHear(reason: string): boolean {
    return this.#life.announcement?.registered === true || this.#parts.probed() || reason === 'SIGTERM';
  }
}
