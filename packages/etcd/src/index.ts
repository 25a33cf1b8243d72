export { createRegistry } from './create-registry.js';
export { etcdRegistry } from './etcd-registry.js';
export { etcdModule } from './module.js';
export type { LayoutName } from './layouts/layouts.js';
export type { EtcdRegistryOptions } from './options.js';
export type { EtcdTls } from './tls.js';
