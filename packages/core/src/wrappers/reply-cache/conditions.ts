import type { Call } from '../../call/call.js';
import { Reply } from '../../call/reply.js';
import { isRefusal, isServiceError } from '../../errors/service-error.js';
import { discard } from '../discard.js';
import { fieldOf } from './control.js';
import { verdictOn } from '../verdict.js';

/** A part of a reply, or a question that only the other side can answer. */
const NOT_FOR_CACHES = ['range', 'if-range', 'if-match', 'if-unmodified-since'] as const;

/** Whether a kept reply could be an answer, going by the conditions of the call. */
export function mayBeCached(call: Call): boolean {
  const { headers } = call;
  if (call.body !== undefined || NOT_FOR_CACHES.some((name) => headers[name] !== undefined)) return false;
  return headers['if-none-match'] !== undefined || headers['if-modified-since'] === undefined;
}

/** The call without its own conditions, so that the whole reply comes, and with those of the cache. */
export function unconditional(call: Call, validators: Readonly<Record<string, string>> | undefined): Call {
  if (validators === undefined && call.headers['if-none-match'] === undefined) return call;
  const { 'if-none-match': _tags, 'if-modified-since': _since, ...headers } = call.headers;
  return call.derive({ headers: { ...headers, ...validators } });
}

/** Whether one of the tags is this one, by the weak comparison (RFC 9110, 13.1.2). */
function matches(ifNoneMatch: string, etag: string | undefined): boolean {
  if (etag === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  return [...ifNoneMatch.matchAll(/(?:W\/)?("[^"]*")/g)].some(([, tag]) => tag === opaque);
}

/** Whether it says that the other side is away, or cannot be asked now: the failures for which something old is better than nothing. */
export function isOutage(error: unknown, call: Call): boolean {
  if (isRefusal(error)) return true;
  if (isServiceError(error) && error.code === 'DEADLINE_EXCEEDED') return true;
  return verdictOn(error, call) === 'failed';
}

const OF_304 = ['age', 'cache-control', 'content-location', 'date', 'etag', 'expires', 'vary'] as const;

/** The reply, or 304 when the caller has said that he has it. */
export function conditional(reply: Reply, ifNoneMatch: string | undefined): Reply {
  if (ifNoneMatch === undefined || reply.status !== 200 || !matches(ifNoneMatch, fieldOf(reply, 'etag'))) return reply;
  discard(reply);
  return new Reply(304, undefined, Object.fromEntries(OF_304.map((name) => [name, reply.headers[name]])));
}
