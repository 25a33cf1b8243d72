import type { CheckReport, HealthStatus } from '../check.js';

export const HEALTH_LEVELS = ['network', 'application', 'dependency', 'resource'] as const;
export type HealthLevel = (typeof HEALTH_LEVELS)[number];

/** From the best to the worst. */
export const LEVEL_STATES = ['healthy', 'degraded', 'warning', 'unhealthy'] as const;
export type LevelState = (typeof LEVEL_STATES)[number];

export const LEVEL_RULES = ['weighted', 'strict', 'majority'] as const;
export type LevelRule = (typeof LEVEL_RULES)[number];

const WORTH: Readonly<Record<LevelState, number>> = { healthy: 1, degraded: 0.75, warning: 0.5, unhealthy: 0 };
/** Sums of shares such as 0.7 are not exact. */
const EPSILON = 1e-9;

/** Of a ratio or a score, 0 to 1, by the bounds of the original design. */
function stateOf(ratio: number): LevelState {
  if (ratio >= 0.9 - EPSILON) return 'healthy';
  if (ratio >= 0.7 - EPSILON) return 'degraded';
  return ratio >= 0.5 - EPSILON ? 'warning' : 'unhealthy';
}

export function statusOf(state: LevelState): HealthStatus {
  return state === 'healthy' ? 'pass' : state === 'unhealthy' ? 'fail' : 'warn';
}

/**
 * What a level is by its checks. `dependency`: by the ratio of those that do not fail, and degraded at best while one warns or one fails
 * that the ratio forgives. The others: unhealthy when a critical one fails, degraded when one warns.
 */
export function judgedLevel(level: HealthLevel, checks: readonly CheckReport[]): { readonly state: LevelState; readonly reasons: readonly string[] } {
  const reasons = checks.filter(({ status }) => status !== 'pass').map(({ name, status, output }) => `${name} ${output ?? status}`);
  const warns = checks.some(({ status }) => status === 'warn');
  if (level !== 'dependency')
    return { state: checks.some(({ status }) => status === 'fail') ? 'unhealthy' : warns ? 'degraded' : 'healthy', reasons };
  const failing = checks.filter(({ status }) => status === 'fail').length;
  const state = checks.length === 0 ? 'healthy' : stateOf((checks.length - failing) / checks.length);
  return {
    state: state === 'healthy' && warns ? 'degraded' : state,
    reasons: failing === 0 ? reasons : [`${checks.length - failing} of ${checks.length} healthy`, ...reasons],
  };
}

/**
 * Of the levels, each with its weight: the state by the rule, and the mean by the weights. `strict`: the worst. `majority`: the best that more
 * than half of the levels reach, so that of two and two the worse counts. Both ignore the weights. Healthy when there is no level.
 */
export function combined(
  rule: LevelRule,
  levels: readonly { readonly state: LevelState; readonly weight: number }[],
): { readonly state: LevelState; readonly score: number } {
  if (levels.length === 0) return { state: 'healthy', score: 1 };
  const total = levels.reduce((sum, { weight }) => sum + weight, 0);
  const score = levels.reduce((sum, { state, weight }) => sum + WORTH[state] * weight, 0) / total;
  if (rule === 'weighted') return { state: stateOf(score), score };
  const sorted = levels.map(({ state }) => LEVEL_STATES.indexOf(state)).sort((one, other) => one - other);
  return { state: LEVEL_STATES[rule === 'strict' ? sorted.at(-1)! : sorted[Math.floor(sorted.length / 2)]!]!, score };
}
