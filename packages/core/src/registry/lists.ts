import { byId } from './instance.js';
import type { Sink } from './newest.js';
import type { Instance } from './registry.js';

const NONE: readonly Instance[] = Object.freeze([]);

/** The newest list of each service, sorted by id and frozen, told to everyone who subscribed to it. */
export class Lists {
  readonly #lists = new Map<string, readonly Instance[]>();
  readonly #sinks = new Map<string, Set<Sink<readonly Instance[]>>>();

  get(service: string): readonly Instance[] {
    return this.#lists.get(service) ?? NONE;
  }

  /** The names of all services that have an instance, sorted. */
  names(): readonly string[] {
    return [...this.#lists.keys()].sort();
  }

  /** Puts a list in place of the one before; subscribers hear of it unless it holds the same objects. */
  set(service: string, instances: Iterable<Instance>): void {
    const list = Object.freeze([...instances].sort(byId));
    const before = this.get(service);
    if (list.length === before.length && list.every((instance, index) => instance === before[index])) return;
    if (list.length === 0) this.#lists.delete(service);
    else this.#lists.set(service, list);
    for (const sink of [...(this.#sinks.get(service) ?? [])]) sink.push(list);
  }

  /** Pushes the list of now, then every later one. The returned function ends that. */
  subscribe(service: string, sink: Sink<readonly Instance[]>): () => void {
    let sinks = this.#sinks.get(service);
    if (sinks === undefined) this.#sinks.set(service, (sinks = new Set()));
    sinks.add(sink);
    sink.push(this.get(service));
    return () => {
      sinks.delete(sink);
      if (sinks.size === 0 && this.#sinks.get(service) === sinks) this.#sinks.delete(service);
    };
  }

  /** Ends all subscriptions with an error and forgets all lists. */
  fail(error: unknown): void {
    const sinks = [...this.#sinks.values()].flatMap((some) => [...some]);
    this.#sinks.clear();
    this.#lists.clear();
    for (const sink of sinks) sink.fail(error);
  }
}
