// @ferrule/core/di: services of an inversify container. The only entry point that loads inversify and reflect-metadata.
import 'reflect-metadata';
export { Inject } from './di/inject.js';
export type { Injected, InjectMarker } from './di/inject.js';
export { coreModule, load } from './di/core-module.js';
export type { CoreOptions, ScopedController } from './di/core-module.js';
export type { Scope } from './di/bind-class.js';
export { createService } from './di/create-service.js';
export type { Binder, Module } from './di/module.js';
export { Tokens } from './di/tokens.js';
export type { TokenName } from './di/tokens.js';
