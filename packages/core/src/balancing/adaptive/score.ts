import type { Trend } from './window.js';

/** The four things that a score is made of. */
export type ScorePart = 'latency' | 'congestion' | 'region' | 'trend';

/** How full an endpoint is, by our own calls there; `unknown` before the first answer. */
export type CongestionLevel = 'low' | 'medium' | 'high' | 'critical' | 'unknown';

/** Where an endpoint is, seen from the client. */
export type Nearness = 'zone' | 'region' | 'elsewhere' | 'unknown';

const SLOWEST_MS = 5_000;
const FASTEST_MS = 1;
const LEAST_LATENCY_SCORE = 0.1;

/**
 * 1 at 1 ms and below, 0.1 from 2.1 s on, by log(5 s ÷ latency) ÷ log(5 s ÷ 1 ms) between; 1 when it is not known. The formula alone would
 * fall to 0 just before 5 s and jump to 0.1 there, so that 4.9 s counted for less than 6 s.
 */
export function latencyScore(latencyMs: number | undefined): number {
  if (latencyMs === undefined || latencyMs <= FASTEST_MS) return 1;
  return Math.max(LEAST_LATENCY_SCORE, Math.log(SLOWEST_MS / latencyMs) / Math.log(SLOWEST_MS / FASTEST_MS));
}

export const CONGESTION_SCORES: Readonly<Record<CongestionLevel, number>> = { low: 1, medium: 0.6, high: 0.3, critical: 0.1, unknown: 0.8 };

export const REGION_SCORES: Readonly<Record<Nearness, number>> = { zone: 1, region: 0.8, elsewhere: 0.3, unknown: 0.5 };

export const TREND_SCORES: Readonly<Record<Trend, number>> = { improving: 1, stable: 0.7, degrading: 0.3, unknown: 0.7 };
