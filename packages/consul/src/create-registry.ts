import type { Registry } from '@ferrule/core';
import { consulRegistry } from './consul-registry.js';
import { SURROUNDINGS } from './options.js';

/**
 * The registry of a configuration's `{ type: 'consul', address: 'host:8500', … }`: what stands beside `type` is the options of
 * `consulRegistry` that JSON can hold.
 * @throws TypeError as `consulRegistry` does, and for `logger`, `clock` and `random`, which are given in code.
 */
export function createRegistry(config: Readonly<Record<string, unknown>> = {}): Registry {
  for (const name of SURROUNDINGS)
    if (typeof config === 'object' && config !== null && Object.hasOwn(config, name))
      throw new TypeError(`consulRegistry ${name}: a configuration cannot hold it. Leave it out, or call consulRegistry({ ${name} }) in code.`);
  return consulRegistry(config);
}
