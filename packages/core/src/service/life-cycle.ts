import { ServiceError } from '../errors/service-error.js';
import type { CheckReport } from '../health/check.js';
import type { Monitor } from '../health/monitor.js';
import type { Logger } from '../logging/logger.js';
import type { Address } from '../server/http-adapter.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import { abortableOf, sleep } from '../time/sleep.js';
import { backoff } from '../wrappers/backoff.js';
import type { Announcement } from './announcement.js';
import { bounded } from './bounded.js';
import { flushTelemetry } from './flush-telemetry.js';
import type { Flushable } from './flush-telemetry.js';
import { overBudget } from './grace-period.js';
import { Hooks } from './hooks.js';
import type { StopHookOptions } from './hooks.js';
import type { LifeCycleOptions } from './life-cycle-options.js';
import { Phases } from './phases.js';
import type { PhaseListener } from './phases.js';
import { reportReadiness } from './readiness-report.js';
import { stopOnSignals } from './signals.js';
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

const DRAIN_DELAY_MS = 2_000;
const DRAIN_TIMEOUT_MS = 20_000;
const SHUTDOWN_TIMEOUT_MS = 28_000;
const WITHDRAW_MS = 5_000;
const RELEASE_MS = 5_000;
const FLUSH_MS = 2_000;
/** What is left of the grace period when the stop has to be over: for the process to exit, and for clocks that differ. */
const SPARE_MS = 2_000;
/** The second in which aborted calls may answer, and a little for the sockets to close. */
const CUT_MS = 1_500;
/** How long `start` waits for the registry before it goes on in the background: being started does not depend on it. */
const REGISTER_MS = 2_000;
/** How long being ready may wait for what the first requests need. */
const WARM_UP_MS = 2_000;
const READINESS_MS = 5_000;
const PAUSE = backoff.decorrelated({ base: 500, cap: 10_000 });

/**
 * Start: checks → listen → ready → register. A critical check that fails does not keep the service from listening (its probes have to be
 * answered) but from being ready: it is asked again until it passes, and only then the instance is registered.
 *
 * Stop: not ready → deregister → go on serving → close and drain → cut → close what we made → hooks, the last added first → telemetry.
 * Deregistering stands before the delay and the delay before closing, because others send until they have heard of it; closing first is what
 * loses requests. Each step is bounded, and one that fails or is late keeps no other from being done.
 */
export class LifeCycle {
  readonly #parts: LifeCycleParts;
  readonly #drainDelayMs: number | undefined;
  readonly #drainTimeoutMs: number;
  readonly #readinessMs: number | undefined;
  readonly #shutdownMs: number;
  readonly #signals: boolean;
  readonly #failFast: boolean;
  readonly #graceMs: number | undefined;
  readonly #preStopMs: number;
  readonly #telemetry: readonly Flushable[] | false;
  readonly #phases: Phases;
  readonly #beforeShutdown: Hooks = new Hooks('beforeShutdown');
  readonly #onDrain: Hooks = new Hooks('onDrain');
  readonly #onStop: Hooks = new Hooks('onStop');
  readonly #over = new AbortController();
  #state: ServiceState = 'idle';
  #address: Address | undefined;
  #announcement: Announcement | undefined;
  #listened = false;
  #started: Promise<Address> | undefined;
  /** What `start` does, without the undoing that waits for `stop`. */
  #starting: Promise<Address> | undefined;
  #stopping: Promise<void> | undefined;
  #inOrder = true;
  #startFailure: { readonly cause: unknown } | undefined;
  #isWarned = false;
  #forgetSignals: (() => void) | undefined;
  #stopReporting: (() => void) | undefined;
  #closeProbes: (() => Promise<void>) | undefined;

  /** @throws TypeError for a bad duration, RangeError when the parts of the stop do not fit into shutdownTimeout, or preStop not into gracePeriod. */
  constructor(parts: LifeCycleParts, options: LifeCycleOptions = {}) {
    this.#parts = parts;
    this.#phases = new Phases(parts.clock, parts.logger);
    this.#telemetry = options.telemetry ?? [];
    this.#signals = options.signals ?? true;
    this.#failFast = options.failFast ?? false;
    this.#readinessMs = options.readinessInterval === false ? undefined : toMs(options.readinessInterval ?? READINESS_MS, 'readinessInterval');
    if (this.#readinessMs === 0) throw new RangeError('readinessInterval: 0 would ask without a pause. Give a duration above 0, or false for never.');
    this.#graceMs = options.gracePeriod === undefined ? undefined : toMs(options.gracePeriod, 'gracePeriod');
    this.#preStopMs = toMs(options.preStop ?? 0, 'preStop');
    if (this.#graceMs === undefined && options.preStop !== undefined)
      throw new TypeError('preStop: it is a part of gracePeriod, which is not given. Give that too, such as 30s, or leave both out.');
    if (this.#graceMs !== undefined && this.#preStopMs + SPARE_MS >= this.#graceMs)
      throw new RangeError(
        `preStop: ${this.#preStopMs} ms leave no time to stop in a gracePeriod of ${this.#graceMs} ms, of which ${SPARE_MS} ms are kept spare. Raise the grace period of the platform, or lower preStop.`,
      );
    const mostMs = this.#graceMs === undefined ? SHUTDOWN_TIMEOUT_MS : this.#graceMs - this.#preStopMs - SPARE_MS;
    this.#shutdownMs = toMs(options.shutdownTimeout ?? mostMs, 'shutdownTimeout');
    this.#drainDelayMs = options.drainDelay === undefined ? undefined : toMs(options.drainDelay, 'drainDelay');
    const room = Math.max(0, this.#shutdownMs - (this.#drainDelayMs ?? DRAIN_DELAY_MS) - CUT_MS);
    this.#drainTimeoutMs = options.drainTimeout === undefined ? Math.min(DRAIN_TIMEOUT_MS, room) : toMs(options.drainTimeout, 'drainTimeout');
    const needed = (this.#drainDelayMs ?? 0) + (options.drainTimeout === undefined ? 0 : this.#drainTimeoutMs + CUT_MS);
    if (needed > this.#shutdownMs) {
      throw new RangeError(
        `shutdownTimeout: ${this.#shutdownMs} ms is less than drainDelay, drainTimeout and ${CUT_MS} ms for cutting need together (${needed} ms). Raise it (and the grace period of whoever kills the process), or lower them.`,
      );
    }
    this.#compareBudget();
  }

  get state(): ServiceState {
    return this.#state;
  }

  /** Where the service listens; undefined before, and after it has stopped. */
  get address(): Address | undefined {
    return this.#address;
  }

  get registered(): boolean {
    return this.#announcement?.registered ?? false;
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
      void this.#stop(reason).then(resolve);
    }
    return this.#stopping;
  }

  /** As `Service.beforeShutdown`. */
  beforeShutdown(hook: () => unknown, options?: StopHookOptions): void {
    this.#refuseLate('beforeShutdown', this.#state === 'draining' || this.#state === 'stopped');
    this.#beforeShutdown.add(hook, options);
  }

  /** As `Service.onDrain`. */
  onDrain(hook: () => unknown, options?: StopHookOptions): void {
    this.#refuseLate('onDrain', this.#state === 'stopped');
    this.#onDrain.add(hook, options);
  }

  /** As `Service.onStop`. */
  onStop(hook: () => unknown, options?: StopHookOptions): void {
    this.#refuseLate('onStop', this.#state === 'stopped');
    this.#onStop.add(hook, options);
  }

  /** As `Service.onPhase`. */
  onPhase(listener: PhaseListener): () => void {
    return this.#phases.listen(listener);
  }

  #refuseLate(what: string, isLate: boolean): void {
    if (!isLate) return;
    const state = this.#state === 'stopped' ? 'has stopped' : 'is stopping';
    throw new ServiceError('FAILED_PRECONDITION', `${what}: service ${this.#parts.name} ${state} already, so the hook would never run.`);
  }

  /** Warns once when the stop does not fit into what the platform gives it. */
  #compareBudget(): void {
    if (this.#graceMs === undefined || this.#isWarned) return;
    const drainDelayMs = this.#drainDelayMs ?? DRAIN_DELAY_MS;
    const why = overBudget(
      {
        preStopMs: this.#preStopMs,
        drainDelayMs,
        drainTimeoutMs: this.#drainTimeoutMs,
        cutMs: CUT_MS,
        hooksMs: Math.max(0, this.#beforeShutdown.longestMs - drainDelayMs) + this.#onStop.longestMs,
        flushMs: this.#telemetry === false ? 0 : FLUSH_MS,
        shutdownMs: this.#shutdownMs,
      },
      this.#graceMs,
    );
    if (why === undefined) return;
    this.#isWarned = true;
    this.#parts.logger.warn({ service: this.#parts.name }, why);
  }

  async #startOrUndo(): Promise<Address> {
    try {
      return await (this.#starting = this.#start());
    } catch (error) {
      // Of one that was stopped meanwhile, the stop is the reason.
      if (this.#stopping === undefined) this.#startFailure = { cause: error };
      await this.stop('start failed');
      throw error;
    }
  }

  async #start(): Promise<Address> {
    const { monitor, name, logger } = this.#parts;
    this.#compareBudget();
    this.#state = 'starting';
    monitor.moveTo('starting');
    this.#phases.enter('starting');
    this.#parts.mount();
    if (this.#signals) {
      const stop = async (signal: string): Promise<boolean> => {
        await this.stop(signal);
        return this.#inOrder;
      };
      this.#forgetSignals = stopOnSignals(stop, this.#shutdownMs, this.#parts.signals);
    }
    this.#closeProbes = await this.#parts.openProbes?.();
    this.#over.signal.throwIfAborted();
    const warm = this.#parts.warmUp?.();
    const failing = failed(await this.#unlessStopped(monitor.ask('ready', 'startup')));
    if (failing.length > 0 && this.#failFast) throw this.#unhealthy(failing);
    this.#listened = true;
    const address = await this.#parts.listen(this.#over.signal);
    this.#address = address;
    this.#over.signal.throwIfAborted();
    if (failing.length > 0) {
      logger.warn(
        { service: name, checks: failing.map(({ name: check, output, error }) => ({ check, output, ...(error !== undefined && { error }) })) },
        'Listening, but not ready: critical checks fail',
      );
      void this.#becomeReadyLater(address);
      return address;
    }
    if (warm !== undefined) await this.#unlessStopped(bounded(warm, WARM_UP_MS, this.#parts.clock));
    const announcement = this.#becomeReady(address);
    if (this.#failFast) await this.#unlessStopped(announcement?.first ?? Promise.resolve());
    else if (announcement !== undefined) await this.#unlessStopped(bounded(announcement.first, REGISTER_MS, this.#parts.clock).catch(() => {}));
    return address;
  }

  #becomeReady(address: Address): Announcement | undefined {
    this.#state = 'ready';
    this.#parts.monitor.moveTo('ready');
    this.#phases.enter('ready');
    this.#parts.logger.info({ service: this.#parts.name, address }, 'Ready');
    const { clock, logger, monitor } = this.#parts;
    const announcement = (this.#announcement = this.#parts.announce(address));
    if (announcement !== undefined && this.#readinessMs !== undefined) {
      this.#stopReporting = reportReadiness(announcement, { everyMs: this.#readinessMs, monitor, ignored: this.#parts.localChecks, clock, logger });
    }
    return announcement;
  }

  async #becomeReadyLater(address: Address): Promise<void> {
    const { clock, random, monitor } = this.#parts;
    const over = abortableOf(this.#over.signal);
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
    return new Promise((resolve, reject) => {
      const forget = abortableOf(this.#over.signal).onAbort(reject);
      work.then(resolve, reject).finally(forget);
      if (this.#over.signal.aborted) reject(this.#over.signal.reason);
    });
  }

  async #stop(reason: string): Promise<void> {
    const { clock, logger, monitor, name } = this.#parts;
    // A clock of the application's may know no timers that keep a process alive. Without this one, a hook that waits for nothing that does would end it before the others ran.
    const alive = setTimeout(() => {}, this.#shutdownMs);
    const startedAt = clock.now();
    const left = (mostMs: number): number => Math.max(0, Math.min(mostMs, this.#shutdownMs - (clock.now() - startedAt)));
    /** Whether it was done in time, and well. */
    const step = async (what: string, mostMs: number, work: () => unknown): Promise<boolean> => {
      try {
        const end = await bounded(Promise.resolve().then(work), left(mostMs), clock);
        if (end !== 'late') return true;
        logger.warn({ service: name, step: what }, 'A step of the stop did not end in time; going on');
      } catch (error) {
        logger.warn({ service: name, step: what, error }, 'A step of the stop failed; going on');
      }
      this.#inOrder = false;
      return false;
    };

    logger.info({ service: name, reason }, 'Stopping');
    this.#state = 'draining';
    monitor.moveTo('draining');
    this.#phases.enter('draining');
    const before = this.#beforeShutdown.run(step);
    this.#over.abort(new ServiceError('CANCELLED', `Service ${name} was stopped while it started`));
    if (this.#starting !== undefined) await step('end of start', WITHDRAW_MS, () => this.#starting!.catch(() => {}));
    this.#stopReporting?.();
    const mayHear = this.#someoneMayHear(reason);
    const announcement = this.#announcement;
    if (announcement !== undefined && (await step('deregister', WITHDRAW_MS, () => announcement.drain()))) this.#phases.enter('deregistered');
    if (this.#listened) {
      await step('start draining', CUT_MS, () => this.#parts.startDraining());
      const delayMs = this.#drainDelayMs ?? (mayHear ? DRAIN_DELAY_MS : 0);
      if (this.#address !== undefined && delayMs > 0) await sleep(left(delayMs), undefined, clock, { ref: true });
      await before;
      this.#phases.enter('closing');
      const cut = new AbortController();
      const drainMs = Math.max(0, Math.min(this.#drainTimeoutMs, left(Infinity) - CUT_MS));
      const cutAt = clock.now() + drainMs;
      const timer = clock.schedule(drainMs, () => {
        this.#phases.enter('cut');
        cut.abort();
      });
      // At the same time: what a hook ends is what closing waits for.
      const hooks = this.#onDrain.run((what, mostMs, work) => step(what, Math.min(mostMs, Math.max(0, cutAt - clock.now())), work));
      await step('drain', Infinity, () => this.#parts.close(cut.signal));
      await hooks;
      timer.cancel();
      if (cut.signal.aborted) this.#inOrder = false;
    }
    await before;
    this.#phases.enter('hooks');
    // Where the entry was to stay until now.
    if (announcement?.remains === true) await step('deregister', WITHDRAW_MS, () => announcement.withdraw());
    await step('release', RELEASE_MS, () => this.#parts.release());
    await this.#onStop.run(step);
    await this.#flush(left(FLUSH_MS));
    const closeProbes = this.#closeProbes;
    if (closeProbes !== undefined) await step('close healthServer', CUT_MS, closeProbes);
    this.#address = undefined;
    this.#state = 'stopped';
    this.#phases.enter('stopped');
    this.#forgetSignals?.();
    clearTimeout(alive);
    logger.info({ service: name, reason, inOrder: this.#inOrder, tookMs: Math.round(clock.now() - startedAt) }, 'Stopped');
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
    return this.registered || this.#parts.probed() || reason === 'SIGTERM';
  }
}

function promiseOf(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

function failed(reports: readonly CheckReport[]): readonly CheckReport[] {
  return reports.filter(({ status }) => status === 'fail');
}
