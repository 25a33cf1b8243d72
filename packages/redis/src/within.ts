import type { Clock } from '@ferrule/core/adapter';
import { TooLate } from './failure.js';

/**
 * What `work` comes to, or the reason of the first of `signals` that aborts, or `TooLate`: whichever is first. `work` gets a signal of all of
 * them, and is left behind if it does not heed it: a command that was written cannot be taken back. Leaves no timer and no listener.
 */
export function within<T>(timeoutMs: number, clock: Clock, signals: readonly AbortSignal[], work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const ending = new AbortController();
    const settle = (): void => {
      timer.cancel();
      for (const signal of signals) signal.removeEventListener('abort', aborted);
    };
    const end = (reason: unknown): void => {
      settle();
      reject(reason);
      ending.abort(reason);
    };
    const aborted = (): void => end(signals.find((signal) => signal.aborted)?.reason);
    // An answer that came while this process was busy is read first.
    const late = (): void => void setImmediate(() => end(new TooLate(timeoutMs)));
    const timer = clock.schedule(timeoutMs, late, { ref: true });
    for (const signal of signals) signal.addEventListener('abort', aborted, { once: true });
    if (signals.some((signal) => signal.aborted)) return aborted();
    work(ending.signal).then(
      (value) => {
        settle();
        resolve(value);
      },
      (error: unknown) => {
        settle();
        reject(error);
      },
    );
  });
}
