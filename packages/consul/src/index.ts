export { consulRegistry } from './consul-registry.js';
export type { ConsulRegistration, ConsulRegistry } from './consul-registry.js';
export { createRegistry } from './create-registry.js';
export { consulModule } from './module.js';
export type { ConsulCheck, GrpcCheck, HttpCheck, TcpCheck, TtlCheck } from './check.js';
export type { ConsulRegistryOptions } from './options.js';
export type { ConsulTls } from './tls.js';
