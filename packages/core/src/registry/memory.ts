import { ServiceError } from '../errors/service-error.js';
import { checkSignal } from '../options/check.js';
import { checkInstance, checkServiceName } from './instance.js';
import { Lists } from './lists.js';
import { newest } from './newest.js';
import type { Sink } from './newest.js';
import type { Instance, Registry } from './registry.js';

/** A registry inside this process, for tests and for several services in one process. Nothing of it is seen elsewhere. */
export function memoryRegistry(): Registry {
  return inProcessRegistry('memory');
}

/** A registry that keeps its entries in this process, as those see it that are built on it. */
export interface InProcessRegistry extends Registry {
  /** Takes away and puts in, and tells the watches once. */
  change(service: string, gone: Iterable<string>, come: Iterable<Instance>): void;
  /** The list of now. */
  list(service: string): readonly Instance[];
  /** @throws ServiceError when it is closed */
  open(): void;
  /** Pushes the list of now, then every later one; the returned function ends that. @throws ServiceError when it is closed */
  subscribe(service: string, sink: Sink<readonly Instance[]>): () => void;
}

/** What the registries that keep their entries in this process have in common. */
export function inProcessRegistry(name: string): InProcessRegistry {
  const services = new Map<string, Map<string, Instance>>();
  const lists = new Lists();
  let closed = false;

  const open = (): void => {
    if (closed) throw new ServiceError('UNAVAILABLE', `The ${name} registry is closed; make a new one`, { retryable: false });
  };
  const publish = (service: string): void => lists.set(service, services.get(service)?.values() ?? []);
  const change = (service: string, gone: Iterable<string>, come: Iterable<Instance>): void => {
    const instances = services.get(service) ?? new Map<string, Instance>();
    for (const id of gone) instances.delete(id);
    for (const instance of come) instances.set(instance.id, instance);
    if (instances.size === 0) services.delete(service);
    else services.set(service, instances);
    publish(service);
  };
  const put = (instance: Instance): void => change(instance.service, [], [instance]);
  const subscribe = (service: string, sink: Sink<readonly Instance[]>): (() => void) => {
    open();
    return lists.subscribe(service, sink);
  };

  return {
    name,
    open,
    change,
    list: (service) => lists.get(service),
    subscribe,
    async register(instance, options = {}) {
      open();
      checkSignal(options.signal, `${name} registry register signal`);
      options.signal?.throwIfAborted();
      let current = checkInstance(instance);
      put(current);
      // A later registration of the same id replaced this one: then the entry is no longer ours to change.
      const isOurs = (): boolean => services.get(current.service)?.get(current.id) === current;
      const deregister = async (): Promise<void> => {
        if (isOurs()) change(current.service, [current.id], []);
      };
      return {
        get instance() {
          return current;
        },
        async report(status) {
          if (!isOurs() || (current.status ?? 'pass') === status) return;
          current = checkInstance({ ...current, status });
          put(current);
        },
        deregister,
        [Symbol.asyncDispose]: deregister,
      };
    },
    watch(service, signal) {
      checkServiceName(service);
      return newest(signal, (sink) => subscribe(service, sink));
    },
    async services(signal) {
      open();
      signal?.throwIfAborted();
      return lists.names();
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      services.clear();
      lists.fail(new ServiceError('UNAVAILABLE', `The ${name} registry was closed`));
    },
  };
}
