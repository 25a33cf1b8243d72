import { silentLogger } from '../../logging/logger.js';
import type { Logger } from '../../logging/logger.js';
import { checkFunction, checkList, checkOptions, checkSurroundings, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import type { Instance } from '../../registry/registry.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import type { CongestionSettings } from './congestion.js';
import { WeightRules } from './rules.js';
import type { AdaptiveRule } from './rules.js';
import type { ScorePart } from './score.js';

export interface AdaptiveCongestionOptions {
  /** Which calls of ours fill an endpoint: those without headers yet (default), or those whose body has not ended. */
  readonly count?: 'waiting' | 'open';
  /** An endpoint's limit stays between these numbers of calls of this client. Default 10 and 100; the same number twice fixes it. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** How long calls are watched before the limit moves. Default 10 s. */
  readonly window?: Duration;
  /** From these parts of the limit on, an endpoint is called medium and high; critical it is from 1 on. Default 0.5 and 0.75. */
  readonly medium?: number;
  readonly high?: number;
  /** How long one is left out that answered 429. Default 1 s; 0 only lowers its limit. Retry-After is honoured by the selector. */
  readonly overload?: Duration;
}

export interface AdaptiveOptions {
  /** What the parts count. Default latency 0.4, congestion 0.3, region 0.2, trend 0.1; divided by their sum, so that 0 leaves a part out and the rest fills the score. */
  readonly weights?: Readonly<Partial<Record<ScorePart, number>>>;
  readonly congestion?: AdaptiveCongestionOptions;
  /** Where this client is, as `regionOf` names it. Default: not known, and no region is preferred. */
  readonly region?: string;
  /** The zone of this client, as `Instance.zone` names it. Default: not known. */
  readonly zone?: string;
  /** Of an instance. Latencies are pooled by it. Default: its metadata `region`, else its zone. */
  readonly regionOf?: (instance: Instance) => string | undefined;
  /** Newest samples that mean, deviation and trend are taken of, 3 to 1,000. Default 20. */
  readonly samples?: number;
  /** How long a sample counts at all. Default 30 s. */
  readonly interval?: Duration;
  /** Time constant of the moving latency. Default 5 s. */
  readonly smoothing?: Duration;
  /** How soon an endpoint that gets no calls is forgiven that it is slower than its region, and its failures. Default 10 s. */
  readonly idleDecay?: Duration;
  /** How long a score is used before it is worked out again; congestion is looked at with every pick. Default 100 ms. */
  readonly refresh?: Duration;
  readonly rules?: readonly AdaptiveRule[];
  /** For `explain`; picks use the selector's. Default: this process's. */
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
  /** Hears of rules that throw. Default: silent. */
  readonly logger?: Logger;
}

/** Checked options, shared by the meters of all endpoints. */
export interface AdaptiveSettings {
  readonly weights: Readonly<Record<ScorePart, number>>;
  readonly congestion: CongestionSettings;
  readonly region: string | undefined;
  readonly zone: string | undefined;
  readonly regionOf: (instance: Instance) => string | undefined;
  readonly samples: number;
  readonly intervalMs: number;
  readonly smoothingMs: number;
  readonly idleDecayMs: number;
  readonly refreshMs: number;
  readonly rules: WeightRules;
  readonly clock: Clock;
  readonly random: () => number;
}

const OPTIONS = namesOf<AdaptiveOptions>({
  weights: true,
  congestion: true,
  region: true,
  zone: true,
  regionOf: true,
  samples: true,
  interval: true,
  smoothing: true,
  idleDecay: true,
  refresh: true,
  rules: true,
  clock: true,
  random: true,
  logger: true,
});
const WEIGHTS = namesOf<Record<ScorePart, number>>({ latency: true, congestion: true, region: true, trend: true });
const CONGESTION = namesOf<AdaptiveCongestionOptions>({
  count: true,
  minimum: true,
  maximum: true,
  window: true,
  medium: true,
  high: true,
  overload: true,
});
const RULE = namesOf<AdaptiveRule>({ description: true, priority: true, condition: true, adjust: true });

/** @throws TypeError naming the option that does not fit. */
export function adaptiveSettings(options: AdaptiveOptions): AdaptiveSettings {
  checkOptions('adaptive', options, OPTIONS);
  checkSurroundings('adaptive', options);
  checkFunction(options.regionOf, 'adaptive regionOf');
  checkList(options.rules, 'adaptive rules', 'rules { description, condition(endpoint), adjust, priority? }');
  const { regionOf = usualRegion, samples = 20, rules = [], clock = systemClock, random = Math.random, logger = silentLogger } = options;
  if (!Number.isInteger(samples) || samples < 3 || samples > 1_000)
    throw new TypeError(`adaptive samples: ${shown(samples)} is no size of a window. Give an integer from 3 to 1000.`);
  for (const rule of rules) checkRule(rule);
  return {
    weights: normalized(options.weights ?? {}),
    congestion: congestionSettings(options.congestion ?? {}),
    region: place(options.region, 'region'),
    zone: place(options.zone, 'zone'),
    regionOf: careful(regionOf, logger),
    samples,
    intervalMs: span(options.interval ?? 30_000, 'interval'),
    smoothingMs: span(options.smoothing ?? 5_000, 'smoothing'),
    idleDecayMs: span(options.idleDecay ?? 10_000, 'idleDecay'),
    refreshMs: toMs(options.refresh ?? 100, 'adaptive refresh'),
    rules: new WeightRules(rules, logger),
    clock,
    random,
  };
}

/** A region that cannot be read is not known: somebody's bug must not cost a call. */
function careful(regionOf: (instance: Instance) => string | undefined, logger: Logger): (instance: Instance) => string | undefined {
  let told = false;
  return (instance) => {
    try {
      return regionOf(instance);
    } catch (error) {
      if (!told) logger.error({ endpoint: instance.id, error }, 'regionOf of the adaptive balancer threw; the region counts as unknown');
      told = true;
      return undefined;
    }
  };
}

function usualRegion({ metadata, zone }: Instance): string | undefined {
  return metadata?.['region'] ?? zone;
}

function normalized(weights: NonNullable<AdaptiveOptions['weights']>): Record<ScorePart, number> {
  checkOptions('adaptive weights', weights, WEIGHTS);
  const { latency = 0.4, congestion = 0.3, region = 0.2, trend = 0.1 } = weights;
  const given: Record<ScorePart, number> = { latency, congestion, region, trend };
  for (const [part, weight] of Object.entries(given)) {
    if (typeof weight !== 'number' || !(weight >= 0 && weight <= 1_000))
      throw new TypeError(`adaptive weights.${part}: ${shown(weight)} is no weight. Give a number from 0 to 1000, such as 0.4.`);
  }
  const sum = latency + congestion + region + trend;
  if (sum === 0) throw new TypeError('adaptive weights: all are 0, and nothing would be compared. Give one of them a number above 0.');
  // What adds up to 1 but for rounding stays as it was written.
  if (Math.abs(sum - 1) < 1e-9) return given;
  return { latency: latency / sum, congestion: congestion / sum, region: region / sum, trend: trend / sum };
}

function congestionSettings(options: AdaptiveCongestionOptions): CongestionSettings {
  checkOptions('adaptive congestion', options, CONGESTION);
  const { count = 'waiting', minimum = Math.min(10, options.maximum ?? 10), maximum = Math.max(100, minimum), medium = 0.5, high = 0.75 } = options;
  if (count !== 'waiting' && count !== 'open') throw new TypeError(`adaptive congestion.count: ${shown(count)} is unknown. Use 'waiting' or 'open'.`);
  for (const [name, value] of Object.entries({ minimum, maximum })) {
    if (!Number.isInteger(value) || value < 1)
      throw new TypeError(`adaptive congestion.${name}: ${shown(value)} is no number of calls. Give an integer from 1.`);
  }
  if (maximum < minimum) throw new TypeError(`adaptive congestion.maximum: ${maximum} is below minimum, ${minimum}. Give at least as much.`);
  for (const [name, value] of Object.entries({ medium, high })) {
    if (typeof value !== 'number' || !(value > 0 && value <= 1))
      throw new TypeError(`adaptive congestion.${name}: ${shown(value)} is no part of the limit. Give a number above 0, up to 1.`);
  }
  if (high < medium) throw new TypeError(`adaptive congestion.high: ${high} is below medium, ${medium}. Give at least as much.`);
  return {
    count,
    minimum,
    maximum,
    medium,
    high,
    windowMs: span(options.window ?? 10_000, 'congestion.window'),
    overloadMs: toMs(options.overload ?? 1_000, 'adaptive congestion.overload'),
  };
}

function checkRule(rule: AdaptiveRule): void {
  checkOptions('adaptive rules', rule, RULE);
  const { description, priority = 0, condition, adjust } = rule;
  if (typeof description !== 'string' || description === '')
    throw new TypeError(
      `adaptive rules description: ${shown(description)} says nothing. Give what the rule does, such as 'half for warming instances'.`,
    );
  if (typeof condition !== 'function')
    throw new TypeError(
      `adaptive rules condition: ${shown(condition)} is no function. Give one that takes an AdaptiveReport, such as ({ trend }) => trend === 'degrading'.`,
    );
  if (!Number.isFinite(priority)) throw new TypeError(`adaptive rules priority: ${shown(priority)} is no number. Give one, such as 10.`);
  if (typeof adjust !== 'function' && !(typeof adjust === 'number' && adjust >= 0 && adjust < Infinity))
    throw new TypeError(`adaptive rules adjust: ${shown(adjust)} is no weight. Give a number from 0, such as 0.5, or a function that returns one.`);
}

function place(name: string | undefined, option: string): string | undefined {
  if (name !== undefined && (typeof name !== 'string' || name === ''))
    throw new TypeError(`adaptive ${option}: ${shown(name)} is no name. Give the one that instances here are registered with, such as 'eu-1'.`);
  return name;
}

function span(duration: Duration, option: string): number {
  const ms = toMs(duration, `adaptive ${option}`);
  if (ms === 0) throw new TypeError(`adaptive ${option}: 0 would forget everything at once. Give a time above zero, such as '10s'.`);
  return ms;
}
