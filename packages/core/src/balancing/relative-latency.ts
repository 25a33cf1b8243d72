import { checkOptions, namesOf } from '../options/check.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { Endpoint } from './endpoint.js';
import type { Ending, Fleet, Load, Meter } from './load.js';

export interface RelativeLatencyOptions {
  /** Time constant of the moving means. Default 1 s. */
  readonly smoothing?: Duration;
  /**
   * How soon an endpoint that gets no calls is forgiven its latency. Default 10 s: after that long, one that was 100 times slower than its fleet
   * counts as 5 times slower, and after 1.7 times that long as equal.
   */
  readonly idleDecay?: Duration;
  /** Time constant with which it is forgiven its failures. Default 10 s. */
  readonly errorDecay?: Duration;
}

const OPTIONS = namesOf<RelativeLatencyOptions>({ smoothing: true, idleDecay: true, errorDecay: true });
/** A moving mean keeps at most this much of itself, so that at a high rate it spans about twenty calls. */
const MOST_KEPT = 0.95;
/** The same for the fleet, which sees the calls of all endpoints. */
const MOST_KEPT_BY_FLEET = 0.99;
/** Nobody looks worse than this success ratio, so that costs stay comparable. */
const WORST_RATIO = 0.01;
/** A ratio of failures below this is none. */
const FORGOTTEN = 1e-6;
/** Nothing is faster than this, so that a latency of zero does not hide waiting calls and failures. */
const LEAST_MS = 0.01;
/** Latencies that differ from the fleet's mean by no more than this part of it are equal to it: a mean of twenty calls is not known better. */
const ALIKE = 0.25;
/**
 * A success ratio that is short of the fleet's by no more than this is equal to it. Without it, three failures cost an endpoint all sequential calls
 * for minutes: what decays never reaches nothing, and where nothing waits the least difference decides.
 */
const ALIKE_SUCCESS = 0.01;
/** What a call takes before anything was measured; any positive number would do, as all endpoints share it. */
const UNMEASURED_MS = 1;

/**
 * The default load: latency × waiting calls, aware of failures, relative to the fleet.
 *
 *     latency   moving mean, relative to the fleet's; what is at most a quarter off counts as the fleet's, so that noise favours nobody;
 *               (latency/fleet)^e^-(idle/idleDecay)² while idle, so that a once slow endpoint is tried again;
 *               at least the mean age of the waiting calls, so that a stall shows before the first reply is late
 *     success   moving mean, recovering to 1 while idle, divided by the fleet's: when all fail alike, nobody is avoided; what is at most a hundredth
 *               short of the fleet's counts as equal
 *     cost      latency × (waiting + 1) / success⁴
 *
 * Without the last line, an endpoint that fails fast looks fast and swallows the traffic of all others. The power of 4 was the
 * best of a sweep in simulation: one of ten endpoints failing at once took 0.01 % of the calls, against 20 % under peak EWMA.
 *
 * Where calls hardly overlap, nothing waits anywhere and latency alone decides, however small the difference. Without the quarter, the
 * slowest by 0.05 ms of three equals got 0 % of evenly spaced calls, and one that had been 100 times slower for 6 s was not back after 40 s; with it,
 * it is after 18 s at the latest (simulated; 5 and 8 s between processes), and had got 0.1 % while slow.
 * The exponent makes the way back nearly independent of how slow it was (15, 17 and 19 s of idleness from 10, 100 and 1000 times the
 * fleet's), the square keeps what is known while it is fresh: of ten endpoints one ten times slower at 70 % load, 20 clients, had p99.9 at
 * 1.5 times the healthy one, against 1.65 with linear decay (5 s) and 2.0 without the square. Between 9 and 11 s, and 20 and 30 %, nothing changes.
 */
export function relativeLatency(options: RelativeLatencyOptions = {}): Load {
  checkOptions('relativeLatency', options, OPTIONS);
  const constants: Constants = {
    smoothingMs: positive(options.smoothing ?? 1_000, 'relativeLatency smoothing'),
    idleDecayMs: positive(options.idleDecay ?? 10_000, 'relativeLatency idleDecay'),
    errorDecayMs: positive(options.errorDecay ?? 10_000, 'relativeLatency errorDecay'),
  };
  return { name: 'relative-latency', fleet: () => new RelativeFleet(constants) };
}

interface Constants {
  readonly smoothingMs: number;
  readonly idleDecayMs: number;
  readonly errorDecayMs: number;
}

function positive(duration: Duration, option: string): number {
  const ms = toMs(duration, option);
  if (ms === 0) throw new TypeError(`${option}: 0 would forget everything at once. Give a time constant above zero, such as '1s'.`);
  return ms;
}

class RelativeFleet implements Fleet {
  latencyMs = UNMEASURED_MS;
  success = 1;
  #measuredAt = -Infinity;

  constructor(readonly constants: Constants) {}

  meter(): Meter {
    return new RelativeMeter(this);
  }

  observe(latencyMs: number, ok: boolean, now: number): void {
    const kept = this.#measuredAt === -Infinity ? 0 : Math.min(Math.exp((this.#measuredAt - now) / this.constants.smoothingMs), MOST_KEPT_BY_FLEET);
    this.#measuredAt = now;
    this.success = this.success * kept + (ok ? 1 - kept : 0);
    if (ok) this.latencyMs = this.latencyMs * kept + latencyMs * (1 - kept);
  }
}

class RelativeMeter implements Meter {
  /** Negative before the first answer. A double from the beginning, as is the next one: see `Health`. */
  #latencyMs = -0.5;
  /** Moving ratio, exactly 0 as long as none has failed. */
  #failures = -0;
  #measuredAt = -Infinity;
  readonly #fleet: RelativeFleet;

  constructor(fleet: RelativeFleet) {
    this.#fleet = fleet;
  }

  cost(endpoint: Endpoint, now: number): number {
    const fleet = this.#fleet;
    const usual = fleet.latencyMs;
    let latency = this.#latencyMs;
    if (latency > usual * (1 + ALIKE)) {
      const idle = (now - this.#measuredAt) / fleet.constants.idleDecayMs;
      latency = usual * (latency / usual) ** Math.exp(-idle * idle);
      if (latency < usual * (1 + ALIKE)) latency = usual;
    } else if (latency < 0 || latency > usual * (1 - ALIKE)) {
      latency = usual;
    }
    const { waiting } = endpoint;
    if (waiting > 0) latency = Math.max(latency, now - endpoint.sumStart / waiting);
    const cost = latency * (waiting + 1);
    if (this.#failures === 0) return cost;
    return cost / this.#worth(now);
  }

  /** success⁴. By itself, so that what all picks need stays short enough to be inlined. */
  #worth(now: number): number {
    const success = 1 - this.#failures * Math.exp((this.#measuredAt - now) / this.#fleet.constants.errorDecayMs);
    const ratio = Math.max(Math.min(1, success / this.#fleet.success), WORST_RATIO);
    return ratio >= 1 - ALIKE_SUCCESS ? 1 : ratio * ratio * ratio * ratio;
  }

  observe(tookMs: number, ending: Ending, now: number): void {
    const latencyMs = Math.max(tookMs, LEAST_MS);
    if (ending === 'cancelled' && latencyMs <= this.#latencyMs) return;
    const kept = this.#measuredAt === -Infinity ? 0 : Math.min(Math.exp((this.#measuredAt - now) / this.#fleet.constants.smoothingMs), MOST_KEPT);
    const ok = ending === 'ok';
    if (ok || latencyMs > this.#latencyMs) {
      this.#latencyMs = this.#latencyMs < 0 ? latencyMs : this.#latencyMs * kept + latencyMs * (1 - kept);
    }
    this.#measuredAt = now;
    if (ending === 'cancelled') return;
    this.#failures = ok && this.#failures < FORGOTTEN ? 0 : this.#failures * kept + (ok ? 0 : 1 - kept);
    this.#fleet.observe(latencyMs, ok, now);
  }
}
