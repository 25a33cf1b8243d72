import type { Level } from './level.js';

/** A level carries its full load as long as 1/1.4 of it, 71.4 %, is ready. As Envoy's overprovisioning factor. */
const OVERPROVISIONED = 1.4;
/** Sums of ratios that miss 1 by rounding alone. */
const NEARLY_ONE = 1 - 1e-9;

/**
 * Shares the calls out over levels, the first one first, as Envoy does (architecture overview, "Priority levels" and "Panic threshold"):
 *
 *     availability of a level   min(1, 1.4 × ready / size)
 *     total                     min(1, sum of the availabilities)
 *     share of a level          min(what is left, availability / total)
 *     panic of a level          total < 1 and ready < panicBelow × listening
 *
 * So a level that is short of ready endpoints hands over what it cannot carry, and panics only when nobody can take it.
 * When nobody at all is ready, the levels share by the number of those that listen, or of all when none does. Of one level alone, which has nobody to
 * hand over to, only the ready ratio is asked. Envoy rounds to whole percents; here nothing is rounded.
 *
 * `fairSize(level)` is the least size that a level counts with, 0 for none: a zone with fewer instances than its share of the clients' calls is short
 * of them from the beginning, and spills.
 */
export function spread(levels: readonly Level[], panicBelow: number, fairSize: (level: Level) => number): void {
  let sum = 0;
  let ready = 0;
  let listening = 0;
  let members = 0;
  for (const level of levels) {
    sum += availability(level, fairSize(level));
    ready += level.ready.size;
    listening += level.listening.size;
    members += level.members.size;
  }
  if (ready === 0) {
    for (const level of levels) {
      const share = listening > 0 ? level.listening.size / listening : level.members.size / members;
      level.take(share, share > 0);
    }
    return;
  }
  const total = sum >= NEARLY_ONE ? 1 : sum;
  const enough = total === 1 && levels.length > 1;
  let left = 1;
  for (const level of levels) {
    const share = Math.min(left, availability(level, fairSize(level)) / total);
    left = left - share < 1 - NEARLY_ONE ? 0 : left - share;
    const carried = Math.max(level.listening.size, fairSize(level));
    level.take(share, share > 0 && !enough && level.ready.size < panicBelow * carried);
  }
}

function availability(level: Level, fairSize: number): number {
  return Math.min(1, (OVERPROVISIONED * level.ready.size) / Math.max(level.members.size, fairSize));
}
