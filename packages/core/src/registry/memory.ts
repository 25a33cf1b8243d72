import { ServiceError } from '../errors/service-error.js';
import { checkSignal } from '../options/check.js';
import { checkInstance, checkServiceName } from './instance.js';
import { Lists } from './lists.js';
import { newest } from './newest.js';
import type { Instance, Registry } from './registry.js';

/** A registry inside this process, for tests and for several services in one process. Nothing of it is seen elsewhere. */
export function memoryRegistry(): Registry {
  return inProcessRegistry('memory');
}

/** What the registries that keep their entries in this process have in common. */
export function inProcessRegistry(name: string): Registry & { put(instance: Instance): void; remove(service: string, id: string): boolean } {
  const services = new Map<string, Map<string, Instance>>();
  const lists = new Lists();
  let closed = false;

  const open = (): void => {
    if (closed) throw new ServiceError('UNAVAILABLE', `The ${name} registry is closed; make a new one`, { retryable: false });
  };
  const publish = (service: string): void => lists.set(service, services.get(service)?.values() ?? []);
  const put = (instance: Instance): void => {
    let instances = services.get(instance.service);
    if (instances === undefined) services.set(instance.service, (instances = new Map<string, Instance>()));
    instances.set(instance.id, instance);
    publish(instance.service);
  };
  const remove = (service: string, id: string): boolean => {
    const instances = services.get(service);
    if (instances?.delete(id) !== true) return false;
    if (instances.size === 0) services.delete(service);
    publish(service);
    return true;
  };

  return {
    name,
    put,
    remove,
    async register(instance, options = {}) {
      open();
      checkSignal(options.signal, `${name} registry register signal`);
      options.signal?.throwIfAborted();
      let current = checkInstance(instance);
      put(current);
      // A later registration of the same id replaced this one: then the entry is no longer ours to change.
      const isOurs = (): boolean => services.get(current.service)?.get(current.id) === current;
      const deregister = async (): Promise<void> => {
        if (isOurs()) remove(current.service, current.id);
      };
      return {
        get instance() {
          return current;
        },
        async report(status) {
          if (!isOurs()) return;
          current = checkInstance({ ...current, status });
          put(current);
        },
        deregister,
        [Symbol.asyncDispose]: deregister,
      };
    },
    watch(service, signal) {
      checkServiceName(service);
      return newest(signal, (sink) => {
        open();
        return lists.subscribe(service, sink);
      });
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
