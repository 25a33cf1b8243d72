import type { Clock, Timer } from '../../time/clock.js';
import type { Instance } from '../../registry/registry.js';
import type { CheckSettings } from './active-check.js';
import type { Gate } from '../gate.js';
import { askProbe } from '../probes/probe.js';
import type { ProbeVerdict } from '../probes/probe.js';

/** What of it others hear. */
export interface ProbedInstanceListener {
  /** The probes found it healthy, or unhealthy. */
  verdict(instance: ProbedInstance): void;
  gaveUp(instance: ProbedInstance): void;
}

export interface ProbedInstanceOptions {
  readonly settings: CheckSettings;
  readonly places: Gate;
  readonly clock: Clock;
  readonly random: () => number;
  readonly hears: ProbedInstanceListener;
}

/**
 * One instance that is probed: one probe at a time, hysteresis both ways, and slower and slower while it is unhealthy. A probe that
 * outlives its timeout has failed; until it has really ended no other one starts, and each that is due meanwhile counts as failed too.
 */
export class ProbedInstance {
  instance: Instance;
  /** What the probes say; undefined while they have not decided. */
  healthy: boolean | undefined;
  /** Why, as the last probe said. */
  reason: string | undefined;
  /** In a row. */
  successes = 0;
  failures = 0;
  /** Failed probes since it was found unhealthy. */
  attempts = 0;
  recoveries = 0;
  hasGivenUp = false;
  /** When the last probe answered, milliseconds since the Unix epoch, and how long it took. */
  checkedAt: number | undefined;
  tookMs: number | undefined;
  readonly #options: ProbedInstanceOptions;
  #timer: Timer | undefined;
  /** Ends the probe that is under way or waits for its place. */
  #cancel: (() => void) | undefined;
  #running = false;
  #left = false;

  constructor(instance: Instance, options: ProbedInstanceOptions) {
    this.instance = instance;
    this.#options = options;
    const { jitter, intervalMs } = options.settings;
    this.#wait(options.random() * jitter * intervalMs);
  }

  /** It has left: the probe under way is aborted, and nothing is heard of it any more. */
  leave(): void {
    this.#left = true;
    this.#timer?.cancel();
    this.#cancel?.();
  }

  /** One that was given up for good is probed again, as if it had just been found unhealthy. */
  resume(): void {
    if (!this.hasGivenUp) return;
    this.hasGivenUp = false;
    this.attempts = 0;
    if (this.#timer === undefined && this.#cancel === undefined) this.#wait(this.#next());
  }

  #wait(delayMs: number): void {
    this.#timer = this.#options.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#probe();
    });
  }

  #probe(): void {
    const { settings, places, clock } = this.#options;
    if (this.#running) return this.#answered({ healthy: false, reason: 'timeout' }, 0);
    const controller = new AbortController();
    let timer: Timer | undefined;
    let over = false;
    const finish = (): void => {
      over = true;
      this.#cancel = undefined;
      timer?.cancel();
      leave();
    };
    this.#cancel = (): void => {
      finish();
      controller.abort(new DOMException('The instance has left, or its check has ended', 'AbortError'));
    };
    const start = (): void => {
      const startedAt = clock.now();
      const settle = (verdict: ProbeVerdict): void => {
        if (over) return;
        finish();
        this.#answered(verdict, clock.now() - startedAt);
      };
      timer = clock.schedule(settings.timeoutMs, () => {
        settle({ healthy: false, reason: 'timeout' });
        controller.abort(new DOMException(`The probe took longer than ${settings.timeoutMs} ms`, 'TimeoutError'));
      });
      this.#running = true;
      void askProbe(settings.probe, this.instance, { signal: controller.signal }).then((verdict) => {
        this.#running = false;
        settle(verdict);
      });
    };
    const leave = places.enter(start); // nothing of the probe's own runs before it returns
  }

  #answered({ healthy, reason }: ProbeVerdict, tookMs: number): void {
    if (this.#left) return;
    const { settings, clock, hears } = this.#options;
    this.checkedAt = clock.wallTime();
    this.tookMs = tookMs;
    this.reason = reason;
    this.successes = healthy ? this.successes + 1 : 0;
    this.failures = healthy ? 0 : this.failures + 1;
    const was = this.healthy;
    if (healthy && (was === undefined || (was === false && this.successes >= settings.rise))) {
      this.healthy = true;
      if (was === false) this.recoveries++;
      hears.verdict(this);
      this.attempts = 0;
      this.hasGivenUp = false;
    } else if (!healthy && was !== false && this.failures >= settings.fall) {
      this.healthy = false;
      hears.verdict(this);
    } else if (!healthy && was === false) {
      this.attempts++;
      if (this.attempts >= settings.attempts && !this.hasGivenUp) {
        this.hasGivenUp = true;
        hears.gaveUp(this);
      }
    }
    // Whoever heard of it may have taken it away.
    if (this.#left || (this.hasGivenUp && settings.stops)) return;
    this.#wait(this.#next());
  }

  #next(): number {
    const { settings, random } = this.#options;
    const { intervalMs, baseMs, capMs, jitter } = settings;
    const isFailing = this.healthy === false && this.successes === 0;
    const ms = isFailing
      ? Math.min(capMs, baseMs * 2 ** Math.min(this.attempts, 30))
      : this.healthy === false
        ? Math.min(intervalMs, baseMs)
        : intervalMs;
    return ms * (1 + jitter * (2 * random() - 1));
  }
}
