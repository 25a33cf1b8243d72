import type { Clock } from '../time/clock.js';

/** What `BoundedRuns.run` throws when time has run out. */
export class RanOut extends Error {}

/** Runs functions under a timeout, none again while an earlier run of the same key has not really ended. */
export class BoundedRuns {
  readonly #clock: Clock;
  readonly #running = new Map<string, Promise<void>>();
  readonly #controllers = new Set<AbortController>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Settles at the timeout at the latest. @throws what `work` throws, RanOut at the timeout, when stopped, or while an earlier run still hangs. */
  run<T>(key: string, timeoutMs: number, work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    if (this.#running.has(key)) return Promise.reject(new RanOut(`${key}: an earlier run has not ended`));
    const controller = new AbortController();
    let over = (): void => {};
    this.#running.set(key, new Promise((resolve) => (over = resolve)));
    this.#controllers.add(controller);
    return new Promise<T>((resolve, reject) => {
      const timer = this.#clock.schedule(timeoutMs, () => controller.abort(new RanOut(`${key}: no end within ${timeoutMs} ms`)));
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error), { once: true });
      void (async () => work(controller.signal))()
        .then(resolve, reject)
        .finally(() => {
          timer.cancel();
          this.#running.delete(key);
          this.#controllers.delete(controller);
          over();
        });
    });
  }

  /** Resolves when a run that is under way really ends, however; undefined when there is none. */
  whenEnded(key: string): Promise<void> | undefined {
    return this.#running.get(key);
  }

  /** Aborts all that run; their promises reject. */
  stop(): void {
    for (const controller of [...this.#controllers]) controller.abort(new RanOut('stopped'));
  }
}
