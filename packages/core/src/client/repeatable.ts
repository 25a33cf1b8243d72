import { Readable } from 'node:stream';
import { bytesOf } from '../call/bytes.js';
import type { Call } from '../call/call.js';
import { isServiceError } from '../errors/service-error.js';
import { wholeNumber } from '../wrappers/options.js';
import type { RetryOptions } from '../wrappers/retry.js';
import { isRetryable } from '../wrappers/verdict.js';
import { OUTBOUND } from './outbound.js';
import { isUnread } from './request-body.js';

export interface OutboundRetryOptions extends RetryOptions {
  /**
   * Bytes of a request body that are sent a second time. What is longer is only tried again when nothing of it was sent: the more a request
   * weighs, the less an overloaded service needs it twice. A body that a function makes for each attempt is not counted. Default 65,536.
   */
  readonly replayLimit?: number;
}

const REPLAY_LIMIT = 65_536;

/**
 * Options of `retry` that never send a stream again of which a part was read, whatever the reply said: the rest would pass for all of it;
 * nor bytes and text beyond the limit that were sent before.
 */
export function repeatable(options: OutboundRetryOptions | boolean = true): RetryOptions {
  const { replayLimit = REPLAY_LIMIT, ...given } = typeof options === 'boolean' ? {} : options;
  wholeNumber(replayLimit, 'retry replayLimit', 0);
  const when: NonNullable<RetryOptions['when']> = given.when ?? isRetryable;
  if (typeof when !== 'function') return given; // refused by `retry`
  return { ...given, when: (error, attempt) => maySendAgain(attempt as Call, error, replayLimit) && when(error, attempt) };
}

function maySendAgain(call: Call, error: unknown, replayLimit: number): boolean {
  const known = call.values.get(OUTBOUND)?.body;
  const content = known?.source === call.body ? known?.content : call.body;
  if (content instanceof Readable) return isUnread(content);
  if (isServiceError(error) && error.unsent) return true;
  return lengthOf(content) <= replayLimit;
}

/** Of what is at hand; 0 of what is made for each attempt. */
function lengthOf(content: unknown): number {
  if (typeof content === 'string') return Buffer.byteLength(content);
  return bytesOf(content)?.byteLength ?? 0;
}
