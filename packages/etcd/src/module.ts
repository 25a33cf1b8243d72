import { Tokens } from '@ferrule/core/adapter';
import type { Module } from '@ferrule/core/adapter';
import { etcdRegistry } from './etcd-registry.js';
import type { EtcdRegistryOptions } from './options.js';

/** Binds `Tokens.Registry` to an `etcdRegistry`, for `load` of `@ferrule/core/di`. It loads no container itself. */
export function etcdModule(options: EtcdRegistryOptions = {}): Module {
  return { name: 'etcd', load: ({ bind }) => bind(Tokens.Registry, () => etcdRegistry(options)) };
}
