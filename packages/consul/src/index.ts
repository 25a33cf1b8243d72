export { consulRegistry } from './consul-registry.js';
export { consulModule } from './module.js';
export type { ConsulTls } from './client.js';
export type { ConsulRegistryOptions } from './options.js';
