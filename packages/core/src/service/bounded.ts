import type { Clock } from '../time/clock.js';

/**
 * Waits for `work` no longer than `limitMs`: `late` then, and what comes of the work later is dropped. Rejects when the work rejects first.
 * Whoever awaits it is answered: the process stays alive that long.
 */
export async function bounded<T>(work: Promise<T>, limitMs: number, clock: Clock): Promise<T | 'late'> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = clock.schedule(limitMs, () => resolve('late'), { ref: true });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer?.cancel();
  }
}
