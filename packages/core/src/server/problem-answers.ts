import { checkMappers } from '../errors/error-mapper.js';
import type { ErrorMapper } from '../errors/error-mapper.js';
import { errorLog } from '../errors/error-log.js';
import { ERROR_REPLY_OPTIONS, checkErrorReplies, replyMapping } from '../errors/error-replies.js';
import type { ErrorReplyOptions } from '../errors/error-replies.js';
import { jsonLogger } from '../logging/json-logger.js';
import type { Logger } from '../logging/logger.js';
import { checkOptions, checkSurroundings } from '../options/check.js';
import type { Mountable } from './http-adapter.js';
import { unmatchedCalls } from './unmatched.js';

/** What an adapter's `problemErrors()` takes. */
export interface ProblemErrorsOptions extends ErrorReplyOptions {
  /** Asked in turn before problem+json. */
  readonly mappers?: readonly ErrorMapper[];
  /** The member `service` of the problems. Default: left out. */
  readonly service?: string;
  /**
   * Hears once of every error behind a 5xx, but for refusals of our own and timeouts: the client is not told what it was.
   * Default `jsonLogger()`, which writes to standard error; `silentLogger` for none.
   */
  readonly logger?: Logger;
}

/**
 * Errors to replies for an app without a service, for an adapter's `problemErrors()`: as a service answers and logs them.
 * @throws TypeError when an option is unknown or bad.
 */
export function problemAnswers(options: ProblemErrorsOptions = {}): Pick<Mountable, 'toReply' | 'brokeOff'> {
  checkOptions('problemErrors', options, ['mappers', 'service', 'logger', ...ERROR_REPLY_OPTIONS]);
  checkSurroundings('problemErrors', options);
  checkMappers(options.mappers, 'problemErrors mappers');
  const { mappers = [], service, logger, ...replies } = options;
  checkErrorReplies(replies, 'problemErrors');
  const map = replyMapping(mappers, service, replies);
  const log = errorLog(logger ?? jsonLogger(service === undefined ? {} : { fields: { service } }));
  const callFor = unmatchedCalls(service ?? '');
  return {
    toReply(error, res) {
      const call = callFor(res);
      const reply = map(error, call);
      if (reply.status >= 500) log(error, call, 'A request failed');
      return reply;
    },
    brokeOff: (error, res) => log(error, callFor(res), 'A request failed after its headers were sent'),
  };
}
