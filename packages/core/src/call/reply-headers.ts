import type { Call } from './call.js';
import type { Reply, ReplyHeaders } from './reply.js';
import { valueKey } from './values.js';
import type { ValueKey } from './values.js';

const REPLY_HEADERS: ValueKey<Record<string, string>> = valueKey<Record<string, string>>('replyHeaders');

/**
 * Adds header fields to whatever reply leaves for an inbound call, that of an error too. A field that somebody has added to already becomes a
 * list of both.
 */
export function addReplyHeaders(call: Call, headers: Readonly<Record<string, string>>): void {
  const present = call.values.get(REPLY_HEADERS);
  if (present === undefined) return call.values.set(REPLY_HEADERS, { ...headers });
  for (const [name, value] of Object.entries(headers)) present[name] = present[name] === undefined ? value : `${present[name]}, ${value}`;
}

/** The fields that were added; undefined for none. */
export function replyHeadersOf(call: Call): ReplyHeaders | undefined {
  return call.values.get(REPLY_HEADERS);
}

/** The reply with the fields that were added. They stand for what a reply says itself under the same name. */
export function withReplyHeaders(reply: Reply, call: Call): Reply {
  const headers = replyHeadersOf(call);
  return headers === undefined || reply.sent ? reply : reply.with({ headers });
}
