import type { SnapshotStore } from '@ferrule/core/adapter';
import { IN_CODE } from './options.js';
import { redisStore } from './redis-store.js';

/**
 * The store of a configuration's `{ type: 'redis', url: 'redis://host:6379', … }`: what stands beside `type` is the options of `redisStore`
 * that JSON can hold.
 * @throws TypeError as `redisStore` does, and for `client`, `logger`, `clock` and `random`, which are given in code.
 */
export function createSnapshotStore(config: Readonly<Record<string, unknown>> = {}): SnapshotStore {
  for (const name of IN_CODE)
    if (typeof config === 'object' && config !== null && Object.hasOwn(config, name))
      throw new TypeError(`redisStore ${name}: a configuration cannot hold it. Leave it out, or call redisStore({ ${name} }) in code.`);
  return redisStore(config);
}
