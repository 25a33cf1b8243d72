import { Tokens } from '@ferrule/core/adapter';
import type { Module } from '@ferrule/core/adapter';
import { consulRegistry } from './consul-registry.js';
import type { ConsulRegistryOptions } from './options.js';

/** Binds `Tokens.Registry` to a `consulRegistry`, for `load` of `@ferrule/core/di`. It loads no container itself. */
export function consulModule(options: ConsulRegistryOptions = {}): Module {
  return { name: 'consul', load: ({ bind }) => bind(Tokens.Registry, () => consulRegistry(options)) };
}
