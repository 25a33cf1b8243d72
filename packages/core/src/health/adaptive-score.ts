import type { Attempt } from '../call/call.js';
import { checkOptions, checkSurroundings } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { amount, checkWord, positiveMs, share, wholeNumber } from '../wrappers/options.js';
import { verdictOn } from '../wrappers/verdict.js';
import { named } from '../wrappers/wrapper.js';
import type { Policy } from '../wrappers/wrapper.js';
import { ScoreWindow } from './adaptive-score-window.js';
import type { ScoreMeasurements } from './adaptive-score-window.js';
import type { Check } from './check.js';

export interface ScoreThresholds {
  /** Below it the score falls by the difference × 100. Default 0.95. */
  readonly successRate?: number;
  /** Above it the score falls by latency ÷ threshold × 10, 30 at most. Default 500 ms. */
  readonly latency?: Duration;
  /** Above it the score falls by the difference × 50. Default 0.05. */
  readonly errorRate?: number;
  /** Above it the score falls by the difference × 15. Default 3. */
  readonly consecutiveFailures?: number;
}

export type ScoreLevel = 'healthy' | 'degraded' | 'warning' | 'critical';
/** `sampling`: too few calls to tell; `warming`: healthy, but young; `scaling`: its load has more than doubled; else the level. */
export type ScoreState = ScoreLevel | 'sampling' | 'warming' | 'scaling';

export interface AdaptiveScoreOptions {
  /** The service, for the name of the check. */
  readonly service: string;
  readonly thresholds?: ScoreThresholds;
  /** What is measured. Default 60 s. */
  readonly windowSize?: Duration;
  /** Fewer calls in the window tell nothing. Default 10. */
  readonly sampleSize?: number;
  /** So long after the first call it is `warming`. Default 30 s. */
  readonly gracePeriod?: Duration;
  /** So long after the grace period the weight grows up to the score. Default 0: at once. */
  readonly rampUpPeriod?: Duration;
  /** Points beyond a border before the level changes, in either direction. Default 2. */
  readonly margin?: number;
  readonly clock?: Clock;
}

/** A policy that measures the calls that go through it, and what it makes of them. */
export interface AdaptiveScore extends Policy {
  readonly service: string;
  /** 0 to 100. 100 while `sampling`. */
  readonly score: number;
  readonly level: ScoreLevel;
  readonly state: ScoreState;
  /** Score ÷ 100, in the ramp-up less; 0 to 1. */
  readonly weight: number;
  stats(): ScoreMeasurements;
  /**
   * For readiness: `warn` when degraded or warning, `fail` when critical; not critical unless told.
   * @throws TypeError for the group `live`: another service that is down is nothing that a restart mends.
   */
  check(options?: { readonly name?: string; readonly critical?: boolean; readonly groups?: readonly string[] }): Check;
}

interface Limits {
  readonly successRate: number;
  readonly latencyMs: number;
  readonly errorRate: number;
  readonly consecutiveFailures: number;
}

const BORDERS: readonly (readonly [ScoreLevel, number])[] = [
  ['healthy', 90],
  ['degraded', 70],
  ['warning', 50],
  ['critical', -Infinity],
];

/**
 * Scores a downstream service by how its calls went; all handlers that one policy wraps count together. Stands below the retry, so that it sees attempts.
 * @throws TypeError when an option makes no sense.
 */
export function adaptiveScore(options: AdaptiveScoreOptions): AdaptiveScore {
  checkOptions('adaptiveScore', options, ['service', 'thresholds', 'windowSize', 'sampleSize', 'gracePeriod', 'rampUpPeriod', 'margin', 'clock']);
  checkSurroundings('adaptiveScore', options);
  const { service, clock = systemClock } = options;
  checkWord(service, 'adaptiveScore service', 'orders');
  const limits = limitsOf(options.thresholds ?? {});
  const sampleSize = wholeNumber(options.sampleSize ?? 10, 'adaptiveScore sampleSize', 1);
  const graceMs = toMs(options.gracePeriod ?? '30s', 'adaptiveScore gracePeriod');
  const rampMs = toMs(options.rampUpPeriod ?? 0, 'adaptiveScore rampUpPeriod');
  const margin = options.margin ?? 2;
  if (!(margin >= 0 && margin <= 10)) throw new TypeError(`adaptiveScore margin: ${shown(margin)} is no margin. Give points from 0 to 10.`);
  const window = new ScoreWindow(positiveMs(options.windowSize ?? '60s', 'adaptiveScore windowSize'));
  let level: ScoreLevel | undefined;
  let firstAt: number | undefined;

  const look = (): { score: number; level: ScoreLevel; isSampling: boolean } => {
    const measured = window.measure(clock.now());
    if (measured.requests < sampleSize) return { score: 100, level: level ?? 'healthy', isSampling: true };
    const score = scoreOf(measured, limits);
    level = level === undefined ? levelOf(score) : moved(level, score, margin);
    return { score, level, isSampling: false };
  };
  const age = (): number => (firstAt === undefined ? 0 : clock.now() - firstAt);
  const state = (): ScoreState => {
    const seen = look();
    if (seen.isSampling) return 'sampling';
    if (seen.level !== 'critical' && window.growth(clock.now()) > 2) return 'scaling';
    return seen.level === 'healthy' && age() < graceMs ? 'warming' : seen.level;
  };
  const ended = (verdict: 'succeeded' | 'answered' | 'failed', startedAt: number): void => {
    const now = clock.now();
    firstAt ??= startedAt;
    window.record(verdict, now - startedAt, now);
  };

  const policy: Policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    async (call: C): Promise<R> => {
      const startedAt = clock.now();
      try {
        const result = await next(call);
        const status = (result as { readonly status?: unknown } | null | undefined)?.status;
        ended(typeof status !== 'number' || status < 400 ? 'succeeded' : status < 500 ? 'answered' : 'failed', startedAt);
        return result;
      } catch (error) {
        const verdict = verdictOn(error, call);
        if (verdict !== 'nothing') ended(verdict, startedAt);
        throw error;
      }
    };
  named({ name: 'adaptiveScore' }, policy);
  const check: AdaptiveScore['check'] = ({ name = `score of ${service}`, critical = false, groups = ['ready'] } = {}) => {
    if (groups.includes('live'))
      throw new TypeError(
        `adaptiveScore check groups: 'live' would have this process restarted because ${service} is ill. Give 'ready' or a name of your own.`,
      );
    return {
      name,
      critical,
      groups,
      run: () => {
        const seen = look();
        return { status: seen.level === 'healthy' ? 'pass' : seen.level === 'critical' ? 'fail' : 'warn', output: seen.level };
      },
    };
  };
  return Object.defineProperties(policy, {
    service: { value: service },
    score: { get: () => look().score },
    level: { get: () => look().level },
    state: { get: state },
    weight: { get: () => (look().score / 100) * (rampMs === 0 ? 1 : Math.min(1, Math.max(0.1, (age() - graceMs) / rampMs))) },
    stats: { value: () => window.measure(clock.now()) },
    check: { value: check },
  }) as AdaptiveScore;
}

function scoreOf(measured: ScoreMeasurements, limits: Limits): number {
  let score = 100;
  score -= Math.max(0, limits.successRate - measured.successRate) * 100;
  if (measured.latencyMs > limits.latencyMs) score -= Math.min((measured.latencyMs / limits.latencyMs) * 10, 30);
  score -= Math.max(0, measured.errorRate - limits.errorRate) * 50;
  score -= Math.max(0, measured.consecutiveFailures - limits.consecutiveFailures) * 15;
  return Math.max(0, score);
}

function levelOf(score: number): ScoreLevel {
  return BORDERS.find(([, border]) => score >= border)![0];
}

/** The level after a score: the same one, unless the score is beyond its border by the margin. */
function moved(level: ScoreLevel, score: number, margin: number): ScoreLevel {
  const rank = (of: ScoreLevel): number => BORDERS.findIndex(([name]) => name === of);
  const lenient = levelOf(score + margin);
  const strict = levelOf(score - margin);
  if (rank(strict) < rank(level)) return strict;
  return rank(lenient) > rank(level) ? lenient : level;
}

function limitsOf(thresholds: ScoreThresholds): Limits {
  checkOptions('adaptiveScore thresholds', thresholds, ['successRate', 'latency', 'errorRate', 'consecutiveFailures']);
  return {
    successRate: share(thresholds.successRate ?? 0.95, 'adaptiveScore thresholds successRate'),
    latencyMs: positiveMs(thresholds.latency ?? '500ms', 'adaptiveScore thresholds latency'),
    errorRate: amount(thresholds.errorRate ?? 0.05, 'adaptiveScore thresholds errorRate'),
    consecutiveFailures: amount(thresholds.consecutiveFailures ?? 3, 'adaptiveScore thresholds consecutiveFailures'),
  };
}
