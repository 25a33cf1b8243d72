export { createSnapshotStore } from './create-snapshot-store.js';
export { redisStore } from './redis-store.js';
export type { RedisSocket } from './endpoint.js';
export type { RedisStoreOptions } from './options.js';
export type { RedisClient } from './redis-client.js';
