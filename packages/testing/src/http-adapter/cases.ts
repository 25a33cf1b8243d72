import { contextCases } from './context.js';
import { deadlineCases } from './deadlines.js';
import { drainCases } from './drain.js';
import { errorReplyCases } from './error-replies.js';
import { errorCases } from './errors.js';
import { foreignCases } from './foreign.js';
import { healthCases } from './health.js';
import { nativeCases } from './native.js';
import { replyCases } from './replies.js';
import { requestCases } from './requests.js';
import type { HttpAdapterCase } from './stage.js';

/**
 * What an HttpAdapter promises, checked through real sockets on 127.0.0.1. With mocha:
 * `for (const one of httpAdapterCases) it(one.name, () => one.run(subject))`.
 */
export const httpAdapterCases: readonly HttpAdapterCase[] = Object.freeze([
  ...requestCases,
  ...replyCases,
  ...errorCases,
  ...deadlineCases,
  ...errorReplyCases,
  ...nativeCases,
  ...foreignCases,
  ...healthCases,
  ...contextCases,
  ...drainCases,
]);
