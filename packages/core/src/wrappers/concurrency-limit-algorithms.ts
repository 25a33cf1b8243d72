import type { LimitSample } from './concurrency-limit-window.js';

/** Finds how much may be open at once from what each window looked like. */
export interface LimitAlgorithm {
  /** Not rounded. */
  readonly limit: number;
  /** The usual latency against which the present one is held; 0 until there is one. */
  readonly longMs: number;
  update(sample: LimitSample): void;
}

export interface LimitBounds {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
}

const SMOOTHING = 0.2;
const HEADROOM = 4;
const WARM_UP = 10;
/** Of a moving average over 600 windows. */
const LONG_SHARE = 2 / 601;
/** For AIMD, what takes longer is lost. */
const LOST_AFTER_MS = 5000;
/** One window counts for no more than so many usual ones: a suspended machine is no news of the work. */
const OUTLIER = 10;

/** Windows of pressure after which it is looked at whether latency follows the limit. */
const PROBE_AFTER = 30;
/** What latency has to stay above when the limit is halved, to be that of the work and not of waiting. */
const OF_THE_WORK = 0.75;

interface Probe {
  readonly limit: number;
  /** The latency under the whole limit. */
  readonly pressedMs: number;
  /** How many are left of it. */
  windows: number;
}

/**
 * Gradient2 (Netflix concurrency-limits): the limit follows the quotient of the usual latency and the present one. While the present one is
 * below `tolerance` times the usual one there is room, and the limit grows by a little headroom each window; above that it shrinks in proportion.
 * Windows in which less than half of the limit was used say nothing of it.
 *
 * The original learns the usual latency from every window. In a lasting overload that is the latency which the limit itself makes: each raises
 * the other (15 minutes at 1.5 times the capacity took the limit from 40 to 176, and goodput to 49 %). So windows under pressure, with all of the
 * limit used and latency well above the usual, do not teach; but after 30 of them the limit is halved for a moment. Latency that falls with it
 * is waiting; latency that does not is how long the work takes now, and becomes the usual one.
 */
export class Gradient2 implements LimitAlgorithm {
  longMs = 0;
  #limit: number;
  #windows = 0;
  #pressed = 0;
  #probe: Probe | undefined;
  readonly #bounds: LimitBounds;
  readonly #tolerance: number;
  readonly #windowMs: number;

  constructor(bounds: LimitBounds, tolerance: number, windowMs: number) {
    this.#limit = bounds.initial;
    this.#bounds = bounds;
    this.#tolerance = tolerance;
    this.#windowMs = windowMs;
  }

  get limit(): number {
    return this.#probe?.limit ?? this.#limit;
  }

  update({ latencyMs: shortMs, inflight }: LimitSample): void {
    if (shortMs === undefined || shortMs === 0) return;
    if (this.#probe !== undefined) return this.#judge(this.#probe, shortMs);
    const isPressed = inflight >= Math.floor(this.#limit) && shortMs > ((1 + this.#tolerance) / 2) * this.longMs && this.#windows >= WARM_UP;
    if (!isPressed) {
      this.#pressed = 0;
      this.#learn(shortMs);
    } else if (++this.#pressed === PROBE_AFTER) {
      this.#pressed = 0;
      // What began under the whole limit has to end first.
      const windows = 2 + Math.ceil(shortMs / this.#windowMs);
      this.#probe = { limit: Math.max(this.#bounds.min, this.#limit / 2), pressedMs: shortMs, windows };
    }
    if (inflight < this.#limit / 2) return;
    const gradient = Math.min(1, Math.max(0.5, (this.#tolerance * this.longMs) / shortMs));
    const { min, max } = this.#bounds;
    this.#limit = Math.min(max, Math.max(min, (1 - SMOOTHING) * this.#limit + SMOOTHING * (this.#limit * gradient + HEADROOM)));
  }

  #judge(probe: Probe, shortMs: number): void {
    if (--probe.windows > 0) return;
    this.#probe = undefined;
    if (probe.limit === this.#bounds.min || shortMs > OF_THE_WORK * probe.pressedMs) this.longMs = Math.min(shortMs, OUTLIER * this.longMs);
  }

  #learn(shortMs: number): void {
    if (this.#windows < WARM_UP) {
      this.longMs += (shortMs - this.longMs) / ++this.#windows;
      return;
    }
    this.longMs += (Math.min(shortMs, OUTLIER * this.longMs) - this.longMs) * LONG_SHARE;
    // Drift correction: after a long overload the usual latency is that of the overload, and would come down for hours.
    if (this.longMs > 2 * shortMs) this.longMs *= 0.95;
  }
}

/**
 * Vegas (Brakmo and Peterson, 1994): estimates from the fastest latency how many calls wait somewhere behind us, and keeps a few of them waiting.
 * The fastest is measured anew after 15 to 30 times the limit of windows, since work changes.
 */
export class Vegas implements LimitAlgorithm {
  limit: number;
  longMs = 0;
  #left: number;
  readonly #bounds: LimitBounds;
  readonly #random: () => number;

  constructor(bounds: LimitBounds, random: () => number) {
    this.limit = bounds.initial;
    this.#bounds = bounds;
    this.#random = random;
    this.#left = this.#untilProbe();
  }

  update({ latencyMs, inflight, dropped }: LimitSample): void {
    if (latencyMs === undefined || latencyMs === 0) return;
    this.#left--;
    if (this.longMs === 0 || latencyMs < this.longMs || this.#left <= 0) {
      if (this.#left <= 0) this.#left = this.#untilProbe();
      this.longMs = latencyMs;
      return;
    }
    if (!dropped && inflight * 2 < this.limit) return;
    const step = Math.max(1, Math.floor(Math.log10(this.limit)));
    const waiting = Math.ceil(this.limit * (1 - this.longMs / latencyMs));
    const { min, max } = this.#bounds;
    const change = dropped || waiting > 6 * step ? -step : waiting <= step ? 6 * step : waiting < 3 * step ? step : 0;
    this.limit = Math.min(max, Math.max(min, this.limit + change));
  }

  #untilProbe(): number {
    return (0.5 + this.#random() / 2) * 30 * this.limit;
  }
}

/**
 * Additive increase, multiplicative decrease (Jacobson, 1988): one more for each window without a loss, a tenth less for one with. It sees nothing
 * but losses, so it is for what refuses or times out when it has too much.
 */
export class Aimd implements LimitAlgorithm {
  limit: number;
  readonly longMs = 0;
  readonly #bounds: LimitBounds;

  constructor(bounds: LimitBounds) {
    this.limit = bounds.initial;
    this.#bounds = bounds;
  }

  update({ latencyMs = 0, inflight, dropped }: LimitSample): void {
    const { min, max } = this.#bounds;
    if (dropped || latencyMs > LOST_AFTER_MS) this.limit = Math.max(min, this.limit * 0.9);
    else if (inflight * 2 >= this.limit) this.limit = Math.min(max, this.limit + 1);
  }
}
