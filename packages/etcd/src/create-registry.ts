import type { Registry } from '@ferrule/core';
import { etcdRegistry } from './etcd-registry.js';
import { SURROUNDINGS } from './options.js';
import type { EtcdRegistryOptions } from './options.js';

/**
 * The registry of a configuration's `{ type: 'etcd', address: 'host:2379', … }`: what stands beside `type` is the options of `etcdRegistry`
 * that JSON can hold; `address` is another name of `endpoints`.
 * @throws TypeError as `etcdRegistry` does, and for `logger`, `clock` and `random`, which are given in code.
 */
export function createRegistry(config: Readonly<Record<string, unknown>> = {}): Registry {
  if (typeof config !== 'object' || config === null) return etcdRegistry(config); // throws
  for (const name of SURROUNDINGS)
    if (Object.hasOwn(config, name))
      throw new TypeError(`etcdRegistry ${name}: a configuration cannot hold it. Leave it out, or call etcdRegistry({ ${name} }) in code.`);
  const { address, ...options } = config;
  if (address !== undefined && options['endpoints'] !== undefined)
    throw new TypeError('etcdRegistry address: it is another name of endpoints, which is given too. Give one of them.');
  return etcdRegistry({ ...options, ...(address !== undefined && { endpoints: address }) } as EtcdRegistryOptions);
}
