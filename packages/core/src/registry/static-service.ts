import { isIP } from 'node:net';
import { ServiceError } from '../errors/service-error.js';
import { checkInstance, sameInstance } from './instance.js';
import type { InProcessRegistry } from './memory.js';
import { NameWatch } from './name-watch.js';
import type { NameWatchSettings } from './name-watch.js';
import type { FoundPlace } from './find-addresses.js';
import type { Sink } from './newest.js';
import type { Instance } from './registry.js';
import { placeId } from './static-address.js';
import type { StaticEntry } from './static-address.js';

interface Place {
  readonly entry: StaticEntry;
  /** Undefined for an IP address, and when names are left to whoever connects. */
  readonly name: NameWatch | undefined;
  readonly instances: readonly Instance[];
}

interface Watcher {
  readonly sink: Sink<readonly Instance[]>;
  unsubscribe: (() => void) | undefined;
}

const HIGHEST_PRIORITY = 127;

/** The addresses of one service: IP addresses are instances at once, names while somebody watches. */
export class StaticService {
  readonly #service: string;
  readonly #registry: InProcessRegistry;
  readonly #settings: NameWatchSettings | undefined;
  readonly #places = new Map<string, Place>();
  readonly #watchers = new Set<Watcher>();

  /** @param settings undefined: no name is resolved */
  constructor(service: string, registry: InProcessRegistry, settings: NameWatchSettings | undefined) {
    this.#service = service;
    this.#registry = registry;
    this.#settings = settings;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Takes addresses away and puts others in, as one change. Returns whether all that go were there. */
  change(gone: readonly string[], come: readonly StaticEntry[]): boolean {
    let all = true;
    const leaving = new Set<string>();
    for (const id of gone) {
      const place = this.#places.get(id);
      all &&= place !== undefined;
      place?.name?.stop();
      for (const instance of place?.instances ?? []) leaving.add(instance.id);
      this.#places.delete(id);
    }
    const arriving: Instance[] = [];
    for (const entry of come) {
      const before = this.#places.get(entry.instance.id);
      const name = this.#nameOf(entry, before);
      if (before?.name !== name) before?.name?.stop();
      const place: Place = { entry, name, instances: instancesOf(entry, name, before?.instances ?? []) };
      for (const { id } of before?.instances ?? []) leaving.add(id);
      arriving.push(...place.instances);
      this.#places.set(entry.instance.id, place);
    }
    this.#registry.change(this.#service, leaving, arriving);
    if (this.#watchers.size > 0) for (const { name } of this.#places.values()) name?.start();
    this.#settle();
    return all;
  }

  /** The ids of its addresses other than these. */
  except(entries: readonly StaticEntry[]): readonly string[] {
    const kept = new Set(entries.map(({ instance }) => instance.id));
    return [...this.#places.keys()].filter((id) => !kept.has(id));
  }

  /** Pushes the list as soon as each name has been answered or has failed, and then every later one. */
  subscribe(sink: Sink<readonly Instance[]>): () => void {
    const watcher: Watcher = { sink, unsubscribe: undefined };
    this.#watchers.add(watcher);
    for (const { name } of this.#places.values()) name?.start();
    this.#settle();
    return () => {
      watcher.unsubscribe?.();
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.#stop();
    };
  }

  /** The registry was closed: who still waits for a first list hears of it as the others did. */
  close(): void {
    const error = new ServiceError('UNAVAILABLE', 'The static registry was closed');
    for (const { sink } of [...this.#watchers]) sink.fail(error);
    this.#stop();
  }

  #stop(): void {
    for (const { name } of this.#places.values()) name?.stop();
  }

  #nameOf(entry: StaticEntry, before: Place | undefined): NameWatch | undefined {
    const { host } = entry.instance;
    if (this.#settings === undefined || !(entry.srv || isResolvable(host))) return undefined;
    // The same id may stand for another host by now.
    if (before?.name !== undefined && before.entry.instance.host === host && before.entry.srv === entry.srv) return before.name;
    return new NameWatch(this.#service, host, entry.srv, this.#settings, () => this.#renew(entry.instance.id));
  }

  /** A name has been answered, or has failed. */
  #renew(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    const instances = instancesOf(place.entry, place.name, place.instances);
    this.#places.set(id, { ...place, instances });
    this.#registry.change(
      this.#service,
      place.instances.map((instance) => instance.id),
      instances,
    );
    this.#settle();
  }

  #settle(): void {
    const names = [...this.#places.values()].flatMap(({ name }) => name ?? []);
    if (!names.every(({ settled }) => settled)) return;
    const failed = names.find(({ failure }) => failure !== undefined);
    // Nobody could be asked: that is not the same as nobody being there.
    if (failed !== undefined && this.#registry.list(this.#service).length === 0) {
      const error = new ServiceError('UNAVAILABLE', `No address of service "${this.#service}" could be resolved`, { cause: failed.failure });
      for (const { sink } of [...this.#watchers]) sink.fail(error);
      return;
    }
    for (const watcher of [...this.#watchers]) watcher.unsubscribe ??= this.#registry.subscribe(this.#service, watcher.sink);
  }
}

/** `localhost` is this machine, and no matter of DNS (RFC 6761, 6.3): whoever connects tries its addresses in turn. */
function isResolvable(host: string): boolean {
  return isIP(host) === 0 && !/(?:^|\.)localhost\.?$/.test(host);
}

/** Those that did not change keep their objects. */
function instancesOf({ instance }: StaticEntry, name: NameWatch | undefined, before: readonly Instance[]): readonly Instance[] {
  const now = name === undefined ? [instance] : name.places.map((place) => instanceAt(instance, place));
  return now.map((one) => before.find((other) => sameInstance(one, other)) ?? one);
}

function instanceAt(pattern: Instance, { host, serverName, port = pattern.port, weight, priority = 0 }: FoundPlace): Instance {
  const at = pattern.port === port ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return checkInstance({
    ...pattern,
    id: placeId(`${pattern.id}/${at}`),
    host,
    port,
    serverName: pattern.serverName ?? serverName,
    priority: Math.min(HIGHEST_PRIORITY, (pattern.priority ?? 0) + priority),
    ...(weight !== undefined && { weight: Math.min(65_535, weight * (pattern.weight ?? 1)) }),
  });
}
