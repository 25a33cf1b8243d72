import { checkOptions } from '../../options/check.js';
import type { Duration } from '../../time/duration.js';
import { amount, positiveMs, share } from '../../wrappers/options.js';
import type { ScoreMeasurements, ScoreWindow } from './window.js';

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

/** What scores are made by. */
export interface ScoreRules {
  readonly successRate: number;
  readonly latencyMs: number;
  readonly errorRate: number;
  readonly consecutiveFailures: number;
  readonly sampleSize: number;
  readonly margin: number;
}

const LEVELS: readonly ScoreLevel[] = ['healthy', 'degraded', 'warning', 'critical'];

/** The level of something over time: it changes only when the score is beyond its border by the margin. */
export class ScoreJudge {
  readonly #window: ScoreWindow;
  readonly #rules: ScoreRules;
  #rank = UNKNOWN;

  constructor(window: ScoreWindow, rules: ScoreRules) {
    this.#window = window;
    this.#rules = rules;
  }

  /** As of the last `look`; healthy when nothing is known. */
  get level(): ScoreLevel {
    return LEVELS[Math.max(0, this.#rank)]!;
  }

  /** Whether there are too few calls to tell: the score is 100 then, and the level the last one, until a whole window had no call. */
  get isSampling(): boolean {
    return this.#window.requests < this.#rules.sampleSize;
  }

  /** The score of what the window holds now. */
  look(): number {
    if (this.isSampling) {
      if (this.#window.requests === 0) this.#rank = UNKNOWN;
      return 100;
    }
    const score = scoreOf(this.#window, this.#rules);
    this.#rank = this.#rank === UNKNOWN ? rankOf(score) : moved(this.#rank, score, this.#rules.margin);
    return score;
  }
}

const UNKNOWN = -1;

function scoreOf(measured: ScoreMeasurements, rules: ScoreRules): number {
  const { latencyMs } = measured;
  let score = 100;
  score -= Math.max(0, rules.successRate - measured.successRate) * 100;
  if (latencyMs > rules.latencyMs) score -= Math.min((latencyMs / rules.latencyMs) * 10, 30);
  score -= Math.max(0, measured.errorRate - rules.errorRate) * 50;
  score -= Math.max(0, measured.consecutiveFailures - rules.consecutiveFailures) * 15;
  return Math.max(0, score);
}

/** Of the level, in `LEVELS`. */
function rankOf(score: number): number {
  return score >= 90 ? 0 : score >= 70 ? 1 : score >= 50 ? 2 : 3;
}

function moved(rank: number, score: number, margin: number): number {
  const strict = rankOf(score - margin);
  if (strict < rank) return strict;
  const lenient = rankOf(score + margin);
  return lenient > rank ? lenient : rank;
}

/** @throws TypeError for one that does not fit. */
export function checkedThresholds(thresholds: ScoreThresholds): Omit<ScoreRules, 'sampleSize' | 'margin'> {
  checkOptions('adaptiveScore thresholds', thresholds, ['successRate', 'latency', 'errorRate', 'consecutiveFailures']);
  return {
    successRate: share(thresholds.successRate ?? 0.95, 'adaptiveScore thresholds successRate'),
    latencyMs: positiveMs(thresholds.latency ?? '500ms', 'adaptiveScore thresholds latency'),
    errorRate: amount(thresholds.errorRate ?? 0.05, 'adaptiveScore thresholds errorRate'),
    consecutiveFailures: amount(thresholds.consecutiveFailures ?? 3, 'adaptiveScore thresholds consecutiveFailures'),
  };
}
