import { setTimeout as wait } from 'node:timers/promises';

/** How one call went. */
export interface Sample {
  /** Since the loop began. */
  readonly atMs: number;
  readonly tookMs: number;
  /** Undefined when it succeeded. */
  readonly error: unknown;
}

export interface OpenLoop {
  readonly perSecond: number;
  readonly forMs: number;
  readonly random: () => number;
  readonly call: (index: number) => Promise<unknown>;
}

/** Poisson arrivals that wait for no answer, as those of many callers do; resolves when all calls have ended. */
export async function openLoop({ perSecond, forMs, random, call }: OpenLoop): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const running: Promise<void>[] = [];
  const beganAt = performance.now();
  let dueMs = 0;
  while (dueMs < forMs) {
    const nowMs = performance.now() - beganAt;
    for (; dueMs <= nowMs && dueMs < forMs; dueMs += (-Math.log(1 - random()) * 1_000) / perSecond) {
      const atMs = performance.now() - beganAt;
      const ended = (error: unknown): void => void samples.push({ atMs, tookMs: performance.now() - beganAt - atMs, error });
      running.push(call(running.length).then(() => ended(undefined), ended));
    }
    await wait(1);
  }
  await Promise.all(running);
  return samples;
}

/** Of those that began in the span: the share that succeeded; NaN of none. */
export function goodShare(samples: readonly Sample[], fromMs: number, toMs: number): number {
  const within = samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  return within.filter(({ error }) => error === undefined).length / within.length;
}
