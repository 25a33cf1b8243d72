import { isServiceError } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import { sameInstance } from '@ferrule/core/adapter';
import type { Sink } from '@ferrule/core/adapter';
import type { EtcdClient, Member } from './client.js';
import { allBelow } from './key-range.js';
import type { Layout } from './layouts/layout.js';
import { DELETE, RANGE } from './messages.js';
import type { KeyValue } from './messages.js';

export interface ServiceWatchOptions {
  readonly client: EtcdClient;
  readonly layout: Layout;
  /** A value that is no instance. */
  readonly onUnreadable: (key: string, error: unknown) => void;
  /** It has ended: with an error when etcd was lost. */
  readonly onEnd: () => void;
}

/** Keys of one answer: some hundred kilobytes. */
const PAGE = 1_000;
/** Changes at a time from which on sorting anew is cheaper than putting each into its place. */
const MANY = 64;

/**
 * The instances of one service, shared by all who watch it here: listed at some revision, followed from the next one on, at the same member,
 * so that nothing can happen in between. Listed again when etcd has forgotten that revision; ends with any other failure.
 */
export class ServiceWatch {
  readonly #service: string;
  readonly #options: ServiceWatchOptions;
  readonly #sinks = new Set<Sink<readonly Instance[]>>();
  readonly #ending = new AbortController();
  /** By their keys. */
  #instances = new Map<string, Instance>();
  #list: readonly Instance[] | undefined;
  readonly #changed = new Set<string>();
  #settling = false;
  #stop: (() => void) | undefined;

  constructor(service: string, options: ServiceWatchOptions) {
    this.#service = service;
    this.#options = options;
    this.#run().catch((error: unknown) => this.end(error));
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
    this.#stop?.();
    const sinks = [...this.#sinks];
    this.#sinks.clear();
    for (const sink of sinks) sink.fail(error);
    this.#options.onEnd();
  }

  async #run(): Promise<void> {
    const member = await this.#options.client.connect();
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const revision = await this.#listAt(member);
      if (revision !== undefined && !signal.aborted) await this.#follow(member, revision + 1);
    }
  }

  /** Takes all there is; the revision at which it was so, undefined when it was forgotten between two pages. */
  async #listAt(member: Member): Promise<number | undefined> {
    const { rangeEnd, key: first } = allBelow(this.#options.layout.servicePrefix(this.#service));
    const kvs: KeyValue[] = [];
    let revision = 0;
    for (let key = first, more = true; more;) {
      const page = await member.call(RANGE, { key, rangeEnd, revision, limit: PAGE }, this.#ending.signal).catch((error: unknown) => {
        if (isServiceError(error) && error.code === 'OUT_OF_RANGE') return undefined;
        throw error;
      });
      if (page === undefined) return undefined;
      revision ||= page.header?.revision ?? 0;
      kvs.push(...page.kvs);
      more = page.more && page.kvs.length > 0;
      key = `${kvs.at(-1)?.key ?? ''}\0`;
    }
    const before = this.#instances;
    this.#instances = new Map();
    for (const kv of kvs) {
      const instance = this.#read(kv, before.get(kv.key));
      if (instance !== undefined) this.#instances.set(kv.key, instance);
    }
    this.#changed.clear();
    this.#publish([...this.#instances.values()].sort(byId));
    return revision;
  }

  /** Resolves when the revision is forgotten; rejects when the watch has ended. */
  #follow(member: Member, startRevision: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stop = member.watch(
        { ...allBelow(this.#options.layout.servicePrefix(this.#service)), startRevision },
        {
          onEvents: ({ events, fragment }) => {
            for (const { type, kv } of events) if (kv !== undefined) this.#take(kv, type === DELETE);
            if (!fragment) this.#settle();
          },
          onEnd: (why) => (why === 'compacted' ? resolve() : reject(why)),
        },
      );
    });
  }

  #take(kv: KeyValue, deleted: boolean): void {
    const known = this.#instances.get(kv.key);
    const instance = deleted ? undefined : this.#read(kv, known);
    if (instance === known) return;
    if (instance === undefined) this.#instances.delete(kv.key);
    else this.#instances.set(kv.key, instance);
    this.#changed.add((instance ?? known)!.id);
  }

  /** The instance of a key, as the same object when nothing of it has changed; undefined when it is none of this service. */
  #read({ key, value }: KeyValue, known: Instance | undefined): Instance | undefined {
    const { layout, onUnreadable } = this.#options;
    try {
      const instance = layout.decode(value)?.instance;
      if (instance === undefined) return undefined;
      if (layout.key(instance.service, instance.id) !== key) throw new Error('its service and id belong under another key');
      if (instance.service !== this.#service) return undefined; // one with a slash in its name, where layouts allow that
      return known !== undefined && sameInstance(known, instance) ? known : instance;
    } catch (error) {
      onUnreadable(key, error);
      return undefined;
    }
  }

  /** Makes one list of all that came in the same piece of the stream. */
  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    queueMicrotask(() => {
      this.#settling = false;
      if (this.#changed.size === 0 || this.#list === undefined) return;
      const list = this.#changed.size > MANY ? [...this.#instances.values()].sort(byId) : this.#patched(this.#list);
      this.#changed.clear();
      this.#publish(list);
    });
  }

  #patched(before: readonly Instance[]): Instance[] {
    const { layout } = this.#options;
    const list = [...before];
    for (const id of this.#changed) {
      const at = placeOf(list, id);
      const instance = this.#instances.get(layout.key(this.#service, id));
      list.splice(at, list[at]?.id === id ? 1 : 0, ...(instance === undefined ? [] : [instance]));
    }
    return list;
  }

  #publish(list: Instance[]): void {
    if (this.#ending.signal.aborted) return;
    const before = this.#list;
    if (before !== undefined && list.length === before.length && list.every((instance, index) => instance === before[index])) return;
    this.#list = Object.freeze(list);
    for (const sink of [...this.#sinks]) sink.push(this.#list);
  }
}

function byId(a: Instance, b: Instance): number {
  return a.id < b.id ? -1 : 1;
}

/** Of the first instance whose id is not before this one. */
function placeOf(list: readonly Instance[], id: string): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]!.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
