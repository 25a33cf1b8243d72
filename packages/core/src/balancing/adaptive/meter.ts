import type { Instance } from '../../registry/registry.js';
import { CongestionLimit } from './congestion.js';
import type { AdaptiveSettings } from './options.js';
import type { AdaptiveReport } from './rules.js';
import { CONGESTION_SCORES, REGION_SCORES, TREND_SCORES, latencyScore } from './score.js';
import type { CongestionLevel, Nearness } from './score.js';
import { SampleWindow } from './window.js';
import type { Trend } from './window.js';
import type { Endpoint } from '../endpoint.js';
import type { Ending, Fleet, Meter } from '../load.js';

/** A moving mean keeps at most this much of itself, so that at a high rate it spans about twenty calls. */
const MOST_KEPT = 0.95;
/** The same for a region, which hears the calls of all its endpoints. */
const MOST_KEPT_BY_REGION = 0.99;
/** Regions come from registries, and what comes from elsewhere is bounded: past this many, further ones share one mean. */
const MOST_REGIONS = 256;
const OTHER_REGIONS = '\u0000other';
/** Nobody looks worse than this success ratio, so that costs stay comparable. */
const WORST_SUCCESS = 0.01;

/** How fast one region answers, over all its endpoints of one service. */
class RegionLatency {
  #latencyMs = 0;
  #measuredAt = -Infinity;

  observe(latencyMs: number, now: number, smoothingMs: number): void {
    const kept = Math.min(Math.exp((this.#measuredAt - now) / smoothingMs), MOST_KEPT_BY_REGION);
    this.#latencyMs = this.#latencyMs * kept + latencyMs * (1 - kept);
    this.#measuredAt = now;
  }

  at(now: number, intervalMs: number): number | undefined {
    return now - this.#measuredAt > intervalMs ? undefined : this.#latencyMs;
  }
}

/** The endpoints of one service: what they share are the latencies of regions. */
export class AdaptiveFleet implements Fleet {
  readonly #regions = new Map<string, RegionLatency>();

  constructor(readonly settings: AdaptiveSettings) {}

  meter(): Meter {
    return new AdaptiveMeter(this);
  }

  region(name: string): RegionLatency {
    const key = this.#regions.has(name) || this.#regions.size < MOST_REGIONS ? name : OTHER_REGIONS;
    let region = this.#regions.get(key);
    if (region === undefined) {
      region = new RegionLatency();
      this.#regions.set(key, region);
    }
    return region;
  }
}

/** What one endpoint measured, and the score that follows. Public fields are of the last `score`, for `explain`. */
export class AdaptiveMeter implements Meter {
  latencyFrom: 'endpoint' | 'region' | 'nowhere' = 'nowhere';
  nearness: Nearness = 'unknown';
  region: string | undefined;
  weight = 1;
  rule: string | undefined;
  readonly congestion: CongestionLimit;
  #window: SampleWindow | undefined;
  /** What `latencyMs` says; NaN when it is not known. What is a fraction begins as a double: see `Health`. */
  #latencyMs = Number.NaN;
  #movingMs = -0;
  #measuredAt = -Infinity;
  /** Moving ratio, exactly 0 as long as none has failed. */
  #failures = -0;
  /** The parts but congestion, weighted and added up, and until when they are good. */
  #calm = -0;
  #calmUntil = -Infinity;
  /** Whose it is, and what was read from that. */
  #endpoint: Endpoint | undefined;
  #instance: Instance | undefined;
  #regionLatency: RegionLatency | undefined;
  readonly #fleet: AdaptiveFleet;

  constructor(fleet: AdaptiveFleet) {
    this.#fleet = fleet;
    this.congestion = new CongestionLimit(fleet.settings.congestion);
  }

  /** Whether it has no answer of its own that counts: one call at a time finds out, whatever the score. */
  isUnmeasured(now: number): boolean {
    return now - this.#measuredAt > this.#fleet.settings.intervalMs;
  }

  /** (waiting + 1) ÷ (score⁸ × success⁴ × weight): see `adaptive`. */
  cost(endpoint: Endpoint, now: number): number {
    const score = this.score(endpoint, now);
    const { waiting } = endpoint;
    const preference = waiting === 0 && this.isUnmeasured(now) ? 1 : raised(score);
    const success = Math.max(this.#failures === 0 ? 1 : this.success(now), WORST_SUCCESS);
    return (waiting + 1) / (preference * (success * success) ** 2 * Math.max(this.weight, Number.EPSILON));
  }

  /** 0 to 1. */
  score(endpoint: Endpoint, now: number): number {
    if (now >= this.#calmUntil || endpoint.instance !== this.#instance) this.#refresh(endpoint, now);
    return Math.min(1, this.#calm + this.#fleet.settings.weights.congestion * CONGESTION_SCORES[this.level(endpoint, now)]);
  }

  level(endpoint: Endpoint, now: number): CongestionLevel {
    const level = this.congestion.level(this.#count(endpoint));
    // Only of one that never answered is nothing known: of one that has been left alone we know that nothing of ours is there.
    return level === 'low' && this.#measuredAt === -Infinity ? 'unknown' : now < this.congestion.overloadedUntil ? 'critical' : level;
  }

  /** Why it is left out while others are not. */
  excluded(endpoint: Endpoint, now: number): 'overload' | 'critical' | 'rule' | undefined {
    if (now < this.congestion.overloadedUntil || endpoint.health.state === 'overloaded') return 'overload';
    if (this.#count(endpoint) >= this.congestion.limit) return 'critical';
    return this.weight === 0 ? 'rule' : undefined;
  }

  /** How full it is; 1 and more is critical. */
  fullness(endpoint: Endpoint): number {
    return this.#count(endpoint) / this.congestion.limit;
  }

  get trend(): Trend {
    return this.#window?.trend ?? 'unknown';
  }

  get samples(): SampleWindow | undefined {
    return this.#window;
  }

  get latencyMs(): number | undefined {
    return this.#latencyMs >= 0 ? this.#latencyMs : undefined;
  }

  /** Moving ratio of good answers, recovering to 1 while idle. */
  success(now: number): number {
    return 1 - this.#failures * Math.exp((this.#measuredAt - now) / this.#fleet.settings.idleDecayMs);
  }

  observe(latencyMs: number, ending: Ending, now: number): void {
    const { settings } = this.#fleet;
    const first = this.isUnmeasured(now);
    const cancelled = ending === 'cancelled';
    if (cancelled && (first || latencyMs <= this.#movingMs)) return;
    const ok = ending === 'ok';
    const endpoint = this.#endpoint;
    // The call that ended is no longer counted when the meter hears of it.
    if (!cancelled && endpoint !== undefined) this.congestion.observe(this.#count(endpoint) + 1, ending === 'overload', now);
    const kept = Math.min(Math.exp((this.#measuredAt - now) / settings.smoothingMs), MOST_KEPT);
    // What fails fast is not fast: only an answer that is good, or slower than what is known, tells of latency.
    const usual = first ? (this.#regionLatency?.at(now, settings.intervalMs) ?? 0) : this.#movingMs;
    if (ok || latencyMs > usual) {
      this.#movingMs = first ? latencyMs : this.#movingMs * kept + latencyMs * (1 - kept);
      (this.#window ??= new SampleWindow(settings.samples)).add(latencyMs, now);
    } else if (first) {
      this.#movingMs = usual;
    }
    if (ok) this.#regionLatency?.observe(latencyMs, now, settings.smoothingMs);
    if (!cancelled) this.#failures = (1 - this.success(now)) * kept + (ok ? 0 : 1 - kept);
    this.#measuredAt = now;
    if (first) this.#calmUntil = -Infinity;
  }

  /** Plain values for rules and `explain`. */
  report(endpoint: Endpoint, now: number): AdaptiveReport {
    const { id, instance, waiting, open } = endpoint;
    const { zone, version, tags = [], metadata = {} } = instance;
    return {
      id,
      zone,
      region: this.region,
      version,
      tags,
      metadata,
      waiting,
      open,
      latencyMs: this.latencyMs,
      samples: this.#window?.samples ?? 0,
      meanMs: this.#window?.mean ?? 0,
      deviationMs: this.#window?.deviation ?? 0,
      trend: this.trend,
      congestion: this.level(endpoint, now),
      nearness: this.nearness,
      success: this.success(now),
      score: Math.min(1, this.#calm + this.#fleet.settings.weights.congestion * CONGESTION_SCORES[this.level(endpoint, now)]),
    };
  }

  /** Works the score out now, whatever `refresh` says. */
  renew(endpoint: Endpoint, now: number): void {
    this.#refresh(endpoint, now);
  }

  /** Reads where the endpoint is, when that is not known yet or has changed. */
  follow(endpoint: Endpoint): void {
    if (endpoint.instance === this.#instance) return;
    const { instance } = endpoint;
    const { settings } = this.#fleet;
    this.#endpoint = endpoint;
    this.#instance = instance;
    this.region = settings.regionOf(instance);
    this.#regionLatency = this.#fleet.region(this.region ?? '');
    this.nearness = nearnessOf(instance.zone, this.region, settings);
  }

  #refresh(endpoint: Endpoint, now: number): void {
    const { settings } = this.#fleet;
    this.follow(endpoint);
    this.#window?.read(now, settings.intervalMs);
    this.congestion.adapt(this.trend === 'degrading', now);
    this.#know(endpoint, now);
    const { weights, rules } = settings;
    this.#calm =
      weights.latency * latencyScore(this.latencyMs) + weights.region * REGION_SCORES[this.nearness] + weights.trend * TREND_SCORES[this.trend];
    this.#calmUntil = now + settings.refreshMs;
    if (rules.size === 0) return;
    rules.weigh(this.report(endpoint, now));
    this.weight = rules.weight;
    this.rule = rules.rule;
  }

  /** Its latency, from what is known best. */
  #know(endpoint: Endpoint, now: number): void {
    const { intervalMs, idleDecayMs } = this.#fleet.settings;
    const usual = this.#regionLatency!.at(now, intervalMs);
    if (this.isUnmeasured(now)) {
      this.#latencyMs = usual ?? Number.NaN;
      this.latencyFrom = usual === undefined ? 'nowhere' : 'region';
    } else {
      let latency = this.#movingMs;
      if (usual !== undefined && usual > 0 && latency > usual) {
        const idle = (now - this.#measuredAt) / idleDecayMs;
        latency = usual * (latency / usual) ** Math.exp(-idle * idle);
      }
      this.#latencyMs = latency;
      this.latencyFrom = 'endpoint';
    }
    // What stalls is slow before its first answer is.
    if (endpoint.waiting === 0) return;
    const age = now - endpoint.sumStart / endpoint.waiting;
    if (age <= (this.latencyMs ?? usual ?? 0)) return;
    this.#latencyMs = age;
    this.latencyFrom = 'endpoint';
  }

  #count(endpoint: Endpoint): number {
    return this.#fleet.settings.congestion.count === 'open' ? endpoint.open : endpoint.waiting;
  }
}

/** To the eighth power. */
function raised(score: number): number {
  const squared = score * score;
  const fourth = squared * squared;
  return fourth * fourth;
}

function nearnessOf(zone: string | undefined, region: string | undefined, own: AdaptiveSettings): Nearness {
  if (own.zone !== undefined && zone === own.zone) return 'zone';
  if (own.region === undefined) return own.zone === undefined || zone === undefined ? 'unknown' : 'elsewhere';
  if (region === undefined) return 'unknown';
  if (region !== own.region) return 'elsewhere';
  // A client that names no zone prefers none within its region.
  return own.zone === undefined ? 'zone' : 'region';
}
