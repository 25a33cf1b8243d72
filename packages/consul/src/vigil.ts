import { abortableOf, reconnectDelay, sleep } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import type { ConsulClient } from './client.js';

export interface VigilOptions {
  readonly client: ConsulClient;
  readonly clock: Clock;
  readonly random: () => number;
  readonly waitMs: () => number;
  readonly requestTimeoutMs: number;
  /** Something happened to the entry, or to its agent. */
  readonly onNews: () => void;
}

/** Between the beginnings of two questions. */
const FLOOR_MS = 100;

/**
 * Holds a question about an entry open at its agent, so that a loss is noticed when it happens and not at the keeper's next turn: a process
 * that watches nothing would not be seen until then. The question breaks when the agent dies. The returned function ends it.
 */
export function vigil(id: string, { client, clock, random, waitMs, requestTimeoutMs, onNews }: VigilOptions): () => void {
  const ending = new AbortController();
  const { signal } = ending;
  const abortable = abortableOf(signal);

  /** The mark of the entry as it is now, or as soon as it is another than `known`; undefined: there is none. */
  const ask = async (known: string | undefined): Promise<string | undefined> => {
    const wait = Math.round(waitMs());
    const { status, body } = await client.request({
      method: 'GET',
      path: '/agent/service/{id}',
      params: { id },
      ...(known !== undefined && { query: { hash: known, wait: `${wait}ms` } }),
      timeoutMs: known === undefined ? requestTimeoutMs : wait + wait / 16 + 5_000,
      signal,
      blocking: known !== undefined,
    });
    return status === 200 ? (body as { ContentHash?: string } | undefined)?.ContentHash : undefined;
  };

  const run = async (): Promise<void> => {
    let known: string | undefined;
    for (let failures = 0; !signal.aborted;) {
      const askedAt = clock.now();
      const hash = await ask(known).catch(() => undefined);
      if (signal.aborted) return;
      const held = known !== undefined;
      if (hash === undefined || (held && hash !== known)) onNews();
      failures = hash === undefined ? failures + 1 : 0;
      known = hash;
      const restMs = hash === undefined ? reconnectDelay(failures, random) : held ? askedAt + FLOOR_MS - clock.now() : 0;
      if (restMs > 0) await sleep(restMs, abortable, clock).catch(() => {});
    }
  };
  void run();
  return () => ending.abort();
}
