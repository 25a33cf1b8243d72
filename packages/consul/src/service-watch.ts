import type { Instance } from '@ferrule/core';
import type { Sink } from '@ferrule/core/adapter';
import type { ConsulAnswer } from './client.js';
import type { HealthRow } from './entry.js';
import { InstanceRows } from './instance-rows.js';
import type { Choice } from './instance-rows.js';
import { consulName } from './names.js';
import { Pace } from './pace.js';

/** What is known of one service, and who wants to know. It asks nothing itself: see service-watches.ts. */
export class ServiceWatch {
  readonly service: string;
  /** At Consul. */
  readonly name: string;
  /** X-Consul-Index of the list; 0: none, so that nothing can be held open. */
  index = 0;
  /** Clock time of the last change, or of the beginning. */
  changedAt: number;
  /** Not asked for again before, clock time. */
  restUntil = 0;
  readonly pace: Pace = new Pace();
  /** `later`: after those that have changed. */
  wanted: 'no' | 'later' | 'now' = 'no';
  /** A question that is answered at once is under way. */
  looking = false;
  /** A question is held open, or about to be. */
  holding = false;
  /** Something was heard of it since its list was asked for. */
  doubtful = false;
  #ended = false;
  readonly #rows: InstanceRows;
  /** Each with whether it has been told the list. */
  readonly #sinks = new Map<Sink<readonly Instance[]>, boolean>();

  constructor(service: string, choice: Choice, now: number) {
    this.service = service;
    this.name = consulName(service);
    this.changedAt = now;
    this.#rows = new InstanceRows(service, choice);
  }

  get ended(): boolean {
    return this.#ended;
  }

  get hasList(): boolean {
    return this.#rows.list !== undefined;
  }

  get isWatched(): boolean {
    return this.#sinks.size > 0;
  }

  /** Of Consul, where its instances are. */
  get nodes(): ReadonlySet<string> {
    return this.#rows.nodes;
  }

  /** Pushes the list that is known unless it has to be `fresh`, and every later one. The returned function ends that. */
  subscribe(sink: Sink<readonly Instance[]>, fresh: boolean): () => void {
    const { list } = this.#rows;
    const told = list !== undefined && !fresh;
    this.#sinks.set(sink, told);
    if (told) sink.push(list);
    return () => void this.#sinks.delete(sink);
  }

  /** Whether the answer brought another list. */
  take({ index, body }: ConsulAnswer, now: number): boolean {
    // With the same index it is the same list: nothing was asked but whether that still holds.
    const changed = (index === 0 || index !== this.index || !this.hasList) && this.#rows.take(body as readonly HealthRow[]);
    if (changed) this.changedAt = now;
    this.index = index;
    const list = this.#rows.list!;
    for (const [sink, told] of [...this.#sinks]) {
      if (told && !changed) continue;
      this.#sinks.set(sink, true);
      sink.push(list);
    }
    return changed;
  }

  /** The agent may be another one now: no index of the old one is believed. */
  distrust(): void {
    this.index = 0;
    this.#rows.distrust();
  }

  /** For those who still watch, with this error. */
  end(error?: unknown): void {
    this.#ended = true;
    const sinks = [...this.#sinks.keys()];
    this.#sinks.clear();
    for (const sink of sinks) sink.fail(error);
  }
}
