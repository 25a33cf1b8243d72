import { systemClock } from './clock.js';
import type { Clock, TimerOptions } from './clock.js';
import { onAbort } from './on-abort.js';

/** What a wait can be cut short by: an AbortSignal, or anything that can be asked and listened to like one. */
export interface Abortable {
  readonly aborted: boolean;
  readonly reason: unknown;
  /** Calls `listener` once on abort; the returned function takes it back. */
  onAbort(listener: (reason: unknown) => void): () => void;
}

/**
 * Resolves after `delayMs`; rejects with the reason at once when `abortable` aborts. Leaves no timer and no listener behind.
 * It lets the process end in between, as a pause of a background loop should; with `{ ref: true }` it does not, because somebody waits for
 * what comes after it.
 */
export function sleep(delayMs: number, abortable?: Abortable, clock: Clock = systemClock, options?: TimerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    if (abortable?.aborted === true) return reject(abortable.reason);
    const timer = clock.schedule(
      delayMs,
      () => {
        forget?.();
        resolve();
      },
      options,
    );
    const forget = abortable?.onAbort((reason) => {
      timer.cancel();
      reject(reason);
    });
  });
}

/** An AbortSignal seen as an Abortable. */
export function abortableOf(signal: AbortSignal): Abortable {
  return {
    get aborted() {
      return signal.aborted;
    },
    get reason() {
      return signal.reason as unknown;
    },
    onAbort: (listener) => onAbort(signal, listener),
  };
}
