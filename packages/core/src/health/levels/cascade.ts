import type { HealthLevel } from './judge.js';

/** One step of a cascade, in milliseconds. */
export interface CascadeStep {
  readonly critical: HealthLevel;
  readonly affects: readonly HealthLevel[];
  readonly afterMs: number;
}

/**
 * Who is pulled down now, and by whom. `since` says since when a level has been unhealthy by itself. A level that is pulled down counts as unhealthy
 * from that moment on, whenever somebody asks, so that it pulls down others after their time; all of it ends with what began it. The steps run in no circle.
 */
export function pulledDown(
  steps: readonly CascadeStep[],
  since: ReadonlyMap<HealthLevel, number>,
  now: number,
): ReadonlyMap<HealthLevel, HealthLevel> {
  /** When a level became unhealthy, by itself or by others, and by which; Infinity for one that has not. */
  const began = (level: HealthLevel): { readonly at: number; readonly by: HealthLevel | undefined } => {
    let first: { at: number; by: HealthLevel | undefined } = { at: since.get(level) ?? Infinity, by: undefined };
    for (const { critical, affects, afterMs } of steps) {
      if (!affects.includes(level)) continue;
      const at = began(critical).at + afterMs;
      if (at <= now && at < first.at) first = { at, by: critical };
    }
    return first;
  };
  const pulled = new Map<HealthLevel, HealthLevel>();
  for (const level of new Set(steps.flatMap(({ affects }) => affects))) {
    if (since.has(level)) continue; // it is unhealthy anyhow
    const { by } = began(level);
    if (by !== undefined) pulled.set(level, by);
  }
  return pulled;
}

/** A way from a level back to itself; undefined when there is none. */
export function circleOf(steps: readonly CascadeStep[]): readonly HealthLevel[] | undefined {
  const walk = (level: HealthLevel, trail: readonly HealthLevel[]): readonly HealthLevel[] | undefined => {
    if (trail.includes(level)) return [...trail.slice(trail.indexOf(level)), level];
    for (const { critical, affects } of steps) {
      if (critical !== level) continue;
      for (const next of affects) {
        const circle = walk(next, [...trail, level]);
        if (circle !== undefined) return circle;
      }
    }
    return undefined;
  };
  for (const { critical } of steps) {
    const circle = walk(critical, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
