import { abortableOf, reconnectDelay, sleep } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import type { AgentGate } from './agent-gate.js';
import type { ConsulClient } from './client.js';

export interface VigilOptions {
  readonly client: ConsulClient;
  readonly gate: AgentGate;
  readonly clock: Clock;
  readonly random: () => number;
  readonly waitMs: number;
  readonly requestTimeoutMs: number;
  /** Something happened to the entry, or to its agent. */
  readonly onNews: () => void;
}

/** Between the beginnings of two questions. */
const FLOOR_MS = 100;

/**
 * Holds a question about an entry open at its agent, so that a loss is noticed when it happens and not at the keeper's next turn: a process
 * that watches nothing would not be seen until then. The question breaks when the agent dies. The returned function ends it: after the
 * answer that it waits for, which the removal of the entry brings.
 */
export function vigil(id: string, { client, gate, clock, random, waitMs, requestTimeoutMs, onNews }: VigilOptions): () => void {
  const ending = new AbortController();
  const { signal } = ending;
  const abortable = abortableOf(signal);

  /** The mark of the entry as it is now, or as soon as it is another than `known`; undefined: there is none. */
  const ask = async (known: string | undefined, withinMs = Number.POSITIVE_INFINITY): Promise<string | undefined> => {
    const request = {
      method: 'GET',
      path: '/agent/service/{id}',
      params: { id },
      ...(known !== undefined && { query: { hash: known, wait: `${waitMs}ms` } }),
      timeoutMs: known === undefined ? Math.min(requestTimeoutMs, withinMs) : waitMs + waitMs / 16 + 5_000,
      blocking: known !== undefined,
    } as const;
    const answer = await client.request(request);
    if (answer.status >= 500) throw client.refusedBy(request, answer);
    return answer.status === 200 ? (answer.body as { ContentHash?: string } | undefined)?.ContentHash : undefined;
  };

  const run = async (): Promise<void> => {
    let known: string | undefined;
    for (let failures = 0; !signal.aborted;) {
      const askedAt = clock.now();
      const held = known !== undefined;
      let away = false;
      const hash = await gate
        .run(
          (withinMs) => ask(known, withinMs),
          () => !signal.aborted,
        )
        .catch(() => void (away = true));
      if (signal.aborted) return;
      known = hash;
      // Of an agent that is away there is no news but its return, at which every entry is made sure of.
      if (away) continue;
      if (hash === undefined || (held && hash !== known)) onNews();
      failures = hash === undefined ? failures + 1 : 0;
      const restMs = hash === undefined ? reconnectDelay(failures, random) : held ? askedAt + FLOOR_MS - clock.now() : 0;
      if (restMs > 0) await sleep(restMs, abortable, clock).catch(() => {});
    }
  };
  void run();
  return () => ending.abort();
}
