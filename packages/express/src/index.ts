export { expressAdapter } from './express-adapter.js';
export type { ExpressAdapterOptions } from './express-adapter.js';
export { handle, native } from './handle.js';
export { healthRoutes } from './health-routes.js';
export { expressModule } from './module.js';
export { problemErrors } from './problem-errors.js';
export type { ProblemErrorsOptions } from '@ferrule/core/adapter';
export { routes } from './routes.js';
