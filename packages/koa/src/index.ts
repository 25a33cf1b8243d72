export { handle, native } from './handle.js';
export { healthRoutes } from './health-routes.js';
export { koaAdapter } from './koa-adapter.js';
export type { KoaAdapterOptions } from './koa-adapter.js';
export { koaModule } from './module.js';
export { problemErrors } from './problem-errors.js';
export type { ProblemErrorsOptions } from '@ferrule/core/adapter';
export { routes } from './routes.js';
