import type { Code } from './codes.js';
import { REASONS } from './reasons.js';

export interface SystemError {
  readonly code: Code;
  readonly reason?: string;
}

const AWAY: SystemError = { code: 'UNAVAILABLE', reason: REASONS.connectFailed };
const LOST: SystemError = { code: 'UNAVAILABLE', reason: REASONS.connectionLost };
const LATE: SystemError = { code: 'DEADLINE_EXCEEDED', reason: REASONS.timeout };
/** This process has no file, memory or disk left: another one may. */
const EXHAUSTED: SystemError = { code: 'UNAVAILABLE' };
/**
 * Files of ours that are not there, or that this process may not touch, are a fault of this server: no 404, since what is missing is seldom what
 * the client asked for, and no 403, since it was not the client who was refused. A handler that serves files says `notFound` itself.
 */
const OURS: SystemError = { code: 'INTERNAL' };

/** What Node and undici put into `code`. */
const TABLE: ReadonlyMap<string, SystemError> = new Map([
  ['ECONNREFUSED', AWAY],
  ['ENOTFOUND', AWAY],
  ['EAI_AGAIN', AWAY],
  ['EHOSTUNREACH', AWAY],
  ['EHOSTDOWN', AWAY],
  ['ENETUNREACH', AWAY],
  ['ENETDOWN', AWAY],
  ['UND_ERR_CONNECT_TIMEOUT', AWAY],
  ['ECONNRESET', LOST],
  ['EPIPE', LOST],
  ['ENOTCONN', LOST],
  ['UND_ERR_SOCKET', LOST],
  ['ETIMEDOUT', LATE],
  ['ESOCKETTIMEDOUT', LATE],
  ['UND_ERR_HEADERS_TIMEOUT', LATE],
  ['UND_ERR_BODY_TIMEOUT', LATE],
  ['EMFILE', EXHAUSTED],
  ['ENFILE', EXHAUSTED],
  ['ENOMEM', EXHAUSTED],
  ['ENOSPC', EXHAUSTED],
  ['EDQUOT', EXHAUSTED],
  ['ENOENT', OURS],
  ['EACCES', OURS],
  ['EPERM', OURS],
  ['EEXIST', OURS],
  ['EISDIR', OURS],
  ['ENOTDIR', OURS],
  ['ENOTEMPTY', OURS],
  ['EROFS', OURS],
  ['EIO', OURS],
  ['EADDRINUSE', OURS],
]);

/** What a system error stands for, by its own `code` or that of its cause, where fetch has it. A getter of theirs may throw. */
export function systemErrorOf(code: unknown, cause?: unknown): SystemError | undefined {
  if (typeof code === 'string') {
    const own = TABLE.get(code);
    if (own !== undefined) return own;
  }
  if (typeof cause !== 'object' || cause === null) return undefined;
  const { code: inner } = cause as { readonly code?: unknown };
  return typeof inner === 'string' ? TABLE.get(inner) : undefined;
}
