import type { Instance, Registry } from '@ferrule/core';
import { reconnectDelay } from '@ferrule/core/adapter';

/** A watch that a test reads at its own time. */
export interface Watching {
  /** Resolves the first time that the watch breaks, to what it broke with. */
  readonly lost: Promise<unknown>;
  /** The newest list. */
  readonly list: readonly Instance[] | undefined;
  /** The newest list that fits, as soon as there is one. */
  until(fits: (list: readonly Instance[]) => boolean): Promise<readonly Instance[]>;
  end(): Promise<void>;
}

/** Watches; with `again` anew when it breaks, with backoff, as a Directory does. */
export function watching(registry: Registry, service: string, { again = false } = {}): Watching {
  const ending = new AbortController();
  const waiting = new Set<() => void>();
  let newest: readonly Instance[] | undefined;
  let failure: unknown;
  let lose = (_error: unknown): void => {};
  const lost = new Promise<unknown>((resolve) => (lose = resolve));
  const run = (async () => {
    for (let failures = 0; !ending.signal.aborted;) {
      try {
        for await (const list of registry.watch(service, ending.signal)) {
          newest = list;
          failures = 0;
          for (const look of waiting) look();
        }
      } catch (error) {
        lose(error);
        newest = undefined;
        if (!again) {
          failure = error;
          for (const look of waiting) look();
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, reconnectDelay(++failures, Math.random)));
      }
    }
  })();
  return {
    lost,
    get list() {
      return newest;
    },
    until: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (failure !== undefined) reject(failure);
          else if (newest !== undefined && fits(newest)) resolve(newest);
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    async end() {
      ending.abort();
      await run;
    },
  };
}

export async function firstList(registry: Registry, service: string): Promise<readonly Instance[]> {
  for await (const list of registry.watch(service, new AbortController().signal)) return list;
  throw new Error('no list');
}

/** What it rejected with; undefined when it did not. */
export function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
