export { createSnapshotStore } from './create-snapshot-store.js';
export { redisStore } from './redis-store.js';
export { redisCheck } from './redis-check.js';
export type { RedisCheckOptions } from './redis-check.js';
export type { RedisSocket } from './endpoint.js';
export type { RedisStoreOptions } from './options.js';
export type { RedisClient } from './redis-client.js';
