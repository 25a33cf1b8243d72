import { ServiceError } from '../errors/service-error.js';
import type { Address } from '../server/http-adapter.js';
import { toMs } from '../time/duration.js';
import { overBudget } from './grace-period.js';
import type { StopHookOptions } from './hooks.js';
import type { LifeCycleOptions } from './life-cycle-options.js';
import { LifeState } from './life-state.js';
import type { LifeCycleParts, ServiceState } from './life-state.js';
import { Phases } from './phases.js';
import type { PhaseListener } from './phases.js';
import { stopOnSignals } from './signals.js';
import { StartSequence } from './start-sequence.js';
import { StopHooks, StopSequence } from './stop-sequence.js';
import { CUT_MS, DRAIN_DELAY_MS, FLUSH_MS, stopTimes } from './stop-times.js';
import type { StopTimes } from './stop-times.js';

const READINESS_MS = 5_000;

/** One start and one stop, whoever asks for them and however often. What they do is in `StartSequence` and `StopSequence`. */
export class LifeCycle {
  readonly #parts: LifeCycleParts;
  readonly #life: LifeState = new LifeState();
  readonly #phases: Phases;
  readonly #hooks: StopHooks = new StopHooks();
  readonly #times: StopTimes;
  readonly #starts: StartSequence;
  readonly #stops: StopSequence;
  readonly #signals: boolean;
  readonly #flushes: boolean;
  #started: Promise<Address> | undefined;
  #stopping: Promise<void> | undefined;
  #startFailure: { readonly cause: unknown } | undefined;
  #isWarned = false;
  #forgetSignals: (() => void) | undefined;

  /** @throws TypeError for a bad duration, RangeError when the parts of the stop do not fit into shutdownTimeout, or preStop not into gracePeriod. */
  constructor(parts: LifeCycleParts, options: LifeCycleOptions = {}) {
    const telemetry = options.telemetry ?? [];
    const failFast = options.failFast ?? false;
    const readinessInterval = options.readinessInterval ?? READINESS_MS;
    this.#parts = parts;
    this.#phases = new Phases(parts.clock, parts.logger);
    this.#signals = options.signals ?? true;
    this.#flushes = telemetry !== false;
    const readinessMs = readinessInterval === false ? undefined : toMs(readinessInterval, 'readinessInterval');
    if (readinessMs === 0) throw new RangeError('readinessInterval: 0 would ask without a pause. Give a duration above 0, or false for never.');
    this.#times = stopTimes(options);
    this.#starts = new StartSequence(parts, this.#life, this.#phases, { failFast, readinessMs });
    this.#stops = new StopSequence(parts, this.#life, { phases: this.#phases, hooks: this.#hooks, times: this.#times, telemetry });
    this.#compareBudget();
  }

  get state(): ServiceState {
    return this.#life.state;
  }

  /** Where the service listens; undefined before, and after it has stopped. */
  get address(): Address | undefined {
    return this.#life.address;
  }

  get registered(): boolean {
    return this.#life.announcement?.registered ?? false;
  }

  /**
   * Resolves when the service listens, has been ready (unless a critical check fails) and registered (unless the registry takes longer
   * than 2 s or fails). When it rejects, everything it had begun is undone and the service is stopped. Further calls get the same promise.
   * @throws ServiceError FAILED_PRECONDITION after a stop, CANCELLED when stopped meanwhile, UNAVAILABLE for a failed check with failFast;
   * what `listen`, and with failFast the registry, reject with.
   */
  start(): Promise<Address> {
    if (this.#stopping !== undefined) {
      const failure = this.#startFailure;
      const what =
        failure === undefined ? 'was stopped' : `did not start (${failure.cause instanceof Error ? failure.cause.message : 'see the cause'})`;
      return Promise.reject(
        new ServiceError('FAILED_PRECONDITION', `Service ${this.#parts.name} ${what} and does not start again. Make a new one.`, failure),
      );
    }
    return (this.#started ??= this.#startOrUndo());
  }

  /** Stops; every call gets the same promise. Never rejects, and takes no longer than shutdownTimeout. `reason` is for the log. */
  stop(reason = 'stop()'): Promise<void> {
    if (this.#stopping === undefined) {
      // Known before it begins: whoever hears of its phases may ask for it too.
      const { promise, resolve } = promiseOf();
      this.#stopping = promise;
      void this.#stops.run(reason).then(() => {
        this.#forgetSignals?.();
        resolve();
      });
    }
    return this.#stopping;
  }

  /** As `Service.beforeShutdown`. */
  beforeShutdown(hook: () => unknown, options?: StopHookOptions): void {
    this.#refuseLate('beforeShutdown', this.state === 'draining' || this.state === 'stopped');
    this.#hooks.beforeShutdown.add(hook, options);
  }

  /** As `Service.onDrain`. */
  onDrain(hook: () => unknown, options?: StopHookOptions): void {
    this.#refuseLate('onDrain', this.state === 'stopped');
    this.#hooks.onDrain.add(hook, options);
  }

  /** As `Service.onStop`. */
  onStop(hook: () => unknown, options?: StopHookOptions): void {
    this.#refuseLate('onStop', this.state === 'stopped');
    this.#hooks.onStop.add(hook, options);
  }

  /** As `Service.onPhase`. */
  onPhase(listener: PhaseListener): () => void {
    return this.#phases.listen(listener);
  }

  #refuseLate(what: string, isLate: boolean): void {
    if (!isLate) return;
    const state = this.state === 'stopped' ? 'has stopped' : 'is stopping';
    throw new ServiceError('FAILED_PRECONDITION', `${what}: service ${this.#parts.name} ${state} already, so the hook would never run.`);
  }

  /** Warns once when the stop does not fit into what the platform gives it. */
  #compareBudget(): void {
    const { graceMs, preStopMs, drainDelayMs = DRAIN_DELAY_MS, drainTimeoutMs, shutdownMs } = this.#times;
    if (graceMs === undefined || this.#isWarned) return;
    const hooksMs = Math.max(0, this.#hooks.beforeShutdown.longestMs - drainDelayMs) + this.#hooks.onStop.longestMs;
    const why = overBudget(
      { preStopMs, drainDelayMs, drainTimeoutMs, cutMs: CUT_MS, hooksMs, flushMs: this.#flushes ? FLUSH_MS : 0, shutdownMs },
      graceMs,
    );
    if (why === undefined) return;
    this.#isWarned = true;
    this.#parts.logger.warn({ service: this.#parts.name }, why);
  }

  async #startOrUndo(): Promise<Address> {
    try {
      return await (this.#life.starting = this.#start());
    } catch (error) {
      // Of one that was stopped meanwhile, the stop is the reason.
      if (this.#stopping === undefined) this.#startFailure = { cause: error };
      await this.stop('start failed');
      throw error;
    }
  }

  async #start(): Promise<Address> {
    this.#compareBudget();
    this.#life.state = 'starting';
    this.#parts.monitor.moveTo('starting');
    this.#phases.enter('starting');
    this.#parts.mount();
    if (this.#signals) this.#forgetSignals = stopOnSignals((signal) => this.#stopInOrder(signal), this.#times.shutdownMs, this.#parts.signals);
    return this.#starts.run();
  }

  async #stopInOrder(signal: string): Promise<boolean> {
    await this.stop(signal);
    return this.#life.inOrder;
  }
}

function promiseOf(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
