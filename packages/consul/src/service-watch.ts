import type { Instance } from '@ferrule/core';
import { abortableOf, sameInstance, sleep } from '@ferrule/core/adapter';
import type { Clock, Sink } from '@ferrule/core/adapter';
import type { ConsulClient, ConsulRequest } from './client.js';
import { OWNER, decode } from './entry.js';
import type { HealthRow } from './entry.js';
import { consulName } from './names.js';
import { sinceOf } from './owner.js';

export interface ServiceWatchOptions {
  readonly client: ConsulClient;
  readonly clock: Clock;
  readonly datacenter: string | undefined;
  /** How long a question may be held open, ms. Asked anew for each. */
  readonly waitMs: () => number;
  readonly requestTimeoutMs: number;
  /** It has ended: with an error when Consul was lost. */
  readonly onEnd: (error?: unknown) => void;
}

/** Between the beginnings of two questions, so that a burst of changes becomes a few lists, and a strange agent no hot loop. */
const FLOOR_MS = 100;
/** The same when the agent tells no index, so that its answers do not wait for a change. */
const BLIND_FLOOR_MS = 1_000;

/**
 * The blocking query of one service, shared by all who watch it here. It begins with index 0 and ends with the first failure, so that
 * the next one begins with 0 again: an agent that came back empty would hold a question with the old index until its wait is over.
 */
export class ServiceWatch {
  readonly #service: string;
  readonly #options: ServiceWatchOptions;
  readonly #sinks = new Set<Sink<readonly Instance[]>>();
  readonly #ending = new AbortController();
  #list: readonly Instance[] | undefined;

  constructor(service: string, options: ServiceWatchOptions) {
    this.#service = service;
    this.#options = options;
    void this.#run();
  }

  /** Pushes the newest list as soon as there is one, and every later one. The last to leave ends the watch. */
  subscribe(sink: Sink<readonly Instance[]>): () => void {
    this.#sinks.add(sink);
    if (this.#list !== undefined) sink.push(this.#list);
    return () => {
      if (this.#sinks.delete(sink) && this.#sinks.size === 0) this.end();
    };
  }

  /** Ends it, for those who still watch with this error. */
  end(error?: unknown): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    const sinks = [...this.#sinks];
    this.#sinks.clear();
    for (const sink of sinks) sink.fail(error);
    this.#options.onEnd(error);
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const abortable = abortableOf(this.#ending.signal);
    let index = 0;
    try {
      for (;;) {
        const askedAt = clock.now();
        const found = await this.#ask(index);
        if (abortable.aborted) return;
        this.#take(found.rows);
        // Backwards: the agent lost its state, and what comes next may have any index.
        index = found.index < index ? 0 : found.index;
        const restMs = askedAt + (found.index === 0 ? BLIND_FLOOR_MS : FLOOR_MS) - clock.now();
        if (restMs > 0) await sleep(restMs, abortable, clock);
      }
    } catch (error) {
      this.end(error);
    }
  }

  async #ask(index: number): Promise<{ readonly index: number; readonly rows: readonly HealthRow[] }> {
    const { client, datacenter, requestTimeoutMs } = this.#options;
    const waitMs = Math.round(this.#options.waitMs());
    const request: ConsulRequest = {
      method: 'GET',
      path: '/health/service/{name}',
      params: { name: consulName(this.#service) },
      query: { index: String(index), wait: `${waitMs}ms`, ...(datacenter !== undefined && { dc: datacenter }) },
      // Consul adds up to a sixteenth, so that not all who wait come back together. Index 0 is answered at once.
      timeoutMs: index === 0 ? requestTimeoutMs : waitMs + waitMs / 16 + 5_000,
      signal: this.#ending.signal,
      blocking: index !== 0,
    };
    const answer = await client.ask(request);
    if (!Array.isArray(answer.body)) throw client.refusedBy(request, answer);
    return { index: answer.index, rows: answer.body as HealthRow[] };
  }

  #take(rows: readonly HealthRow[]): void {
    const before = new Map(this.#list?.map((instance) => [instance.id, instance]));
    const found = new Map<string, Instance>();
    // The same id at two agents: it moved, and the later one holds.
    for (const row of rows.toSorted((a, b) => sinceOf(a.Service?.Meta?.[OWNER]) - sinceOf(b.Service?.Meta?.[OWNER]))) {
      // Consul finds names without regard to case.
      if (row.Service?.Service !== consulName(this.#service)) continue;
      const instance = decode(row, this.#service);
      if (instance === undefined) continue;
      const known = before.get(instance.id);
      found.set(instance.id, known !== undefined && sameInstance(known, instance) ? known : Object.freeze(instance));
    }
    if (this.#list !== undefined && found.size === before.size && [...found].every(([id, instance]) => before.get(id) === instance)) return;
    const list = Object.freeze([...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
    this.#list = list;
    for (const sink of [...this.#sinks]) sink.push(list);
  }
}
