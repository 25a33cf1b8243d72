export { handle, native } from './handle.js';
export { healthRoutes } from './health-routes.js';
export { koaAdapter } from './koa-adapter.js';
export type { KoaAdapterOptions } from './koa-adapter.js';
export { problemErrors } from './problem-errors.js';
export type { ProblemErrorsOptions } from './problem-errors.js';
export { routes } from './routes.js';
