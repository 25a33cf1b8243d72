import { ATTEMPT_HEADER } from '../call/attempt-header.js';
import type { Call, CallHeaders } from '../call/call.js';
import { checkRecord } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { RequestBody } from './request-body.js';

/** The names of the headers that tell the other side about time and the request. */
export const TIMEOUT_HEADER = 'x-request-timeout-ms';
export const REQUEST_ID_HEADER = 'x-request-id';

/** Fields of one connection, not of the message (RFC 9110, 7.6.1), and those that only the transport can know. */
const NOT_FORWARDED = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
  'expect',
  'host',
  'content-length',
]);

/**
 * The header fields of one attempt as undici takes them: name, value, name, value.
 *
 * The call's own headers without those of a connection, the content type of the body unless the call has one, and what the
 * other side should know: how much time is left, which attempt it is, the request that it is part of.
 * Nothing else is added: authorization and cookies go out only when somebody put them on the call.
 */
export function requestHeaders(call: Call, body: RequestBody, requestId: string | undefined, leftMs: number | undefined): string[] {
  const fields: string[] = [];
  const { headers } = call;
  let ownType = false;
  let ownId = false;
  const connection = headers['connection'];
  const named = connection === undefined ? undefined : tokensOf(connection);
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value === undefined) continue;
    const lower = name.toLowerCase();
    if (NOT_FORWARDED.has(lower)) {
      // The length of a stream is something only its maker knows.
      if (lower === 'content-length' && typeof body.content === 'object' && !(body.content instanceof Uint8Array)) fields.push(name, String(value));
      continue;
    }
    if (named?.has(lower) === true || lower === TIMEOUT_HEADER || lower === ATTEMPT_HEADER) continue;
    if (lower === 'content-type') ownType = true;
    else if (lower === REQUEST_ID_HEADER) ownId = true;
    if (typeof value === 'string') fields.push(name, value);
    else for (const single of listOf(name, value)) fields.push(name, single);
  }
  if (!ownType && body.contentType !== undefined) fields.push('content-type', body.contentType);
  if (!ownId && requestId !== undefined) fields.push(REQUEST_ID_HEADER, requestId);
  if (leftMs !== undefined) fields.push(TIMEOUT_HEADER, String(leftMs));
  fields.push(ATTEMPT_HEADER, String(call.attempt));
  return fields;
}

/** @throws TypeError naming a header whose value is no text. */
export function checkHeaders(headers: CallHeaders | undefined, option: string): void {
  checkRecord(headers, option);
  for (const [name, value] of Object.entries(headers ?? {})) if (value !== undefined && typeof value !== 'string') listOf(name, value);
}

function listOf(name: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((single) => typeof single === 'string')) return value;
  throw new TypeError(
    `header '${name}': ${shown(value)} is no text. Give a string, or an array of strings to repeat it; String() makes one of a number.`,
  );
}

function tokensOf(value: string | readonly string[]): Set<string> {
  return new Set(
    String(value)
      .split(',')
      .map((token) => token.trim().toLowerCase()),
  );
}
