import { abortableOf, reconnectDelay, sleep } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import type { EtcdClient } from './client.js';

export interface VigilOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly random: () => number;
  /** The first revision that is news. */
  readonly startRevision: number;
  /** Whether a change is one of ours. */
  readonly isOurs: (lease: bigint) => boolean;
  /** Something happened to the entry, or to the member that told of it. */
  readonly onNews: () => void;
}

/**
 * Watches the key of an entry, so that a loss is noticed when it happens and not at the keeper's next turn; it costs no connection.
 * The returned function ends it.
 */
export function vigil(key: string, { client, clock, random, startRevision, isOurs, onNews }: VigilOptions): () => void {
  const ending = new AbortController();
  const { signal } = ending;
  const abortable = abortableOf(signal);
  let failures = 0;

  /** Resolves when the watch has ended. */
  const watch = async (): Promise<void> => {
    const member = await client.connect();
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const stop = member.watch(
        { key, ...(failures === 0 && { startRevision }) },
        {
          onCreated() {
            if (failures > 0) onNews(); // nobody told what happened meanwhile
            failures = 0;
          },
          onEvents({ events }) {
            if (events.some(({ kv }) => kv !== undefined && !isOurs(kv.lease))) onNews();
          },
          onEnd: () => resolve(),
        },
      );
      abortable.onAbort(() => {
        stop();
        resolve();
      });
    });
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await watch().catch(() => {});
      if (signal.aborted) return;
      if (++failures === 1) onNews(); // then the keeper tries by itself
      await sleep(reconnectDelay(failures, random), abortable, clock).catch(() => {});
    }
  };
  void run();
  return () => ending.abort();
}
