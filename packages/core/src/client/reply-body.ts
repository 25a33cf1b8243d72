import { Buffer } from 'node:buffer';

/**
 * The value of a whole body: JSON (`application/json`, `…+json`) parsed, text decoded, anything else the bytes themselves.
 * No bytes are undefined. An encoded body (gzip) stays bytes: nothing was asked for, so its reader has to know.
 * @throws SyntaxError when it says that it is JSON and is not.
 */
export function parseBody(bytes: Uint8Array, contentType: string | undefined, contentEncoding?: string): unknown {
  if (bytes.byteLength === 0) return undefined;
  if (contentType === undefined || (contentEncoding !== undefined && contentEncoding !== 'identity')) return bytes;
  if (isJson(contentType)) return JSON.parse(withoutMark(utf8(bytes)));
  if (/^\s*(?:text\/|application\/(?:x-www-form-urlencoded|xml|javascript)|[\w.-]+\/[\w.-]+\+xml)/i.test(contentType))
    return textOf(bytes, contentType);
  return bytes;
}

/** Whether a content type is JSON, a structured suffix included (RFC 6839). */
export function isJson(contentType: string): boolean {
  return contentType.startsWith('application/json') || /^\s*application\/(?:json|[\w.-]+\+json)\s*(?:;|$)/i.test(contentType);
}

function textOf(bytes: Uint8Array, contentType: string): unknown {
  const charset = /;\s*charset\s*=\s*"?([\w.:-]+)/i.exec(contentType)?.[1]?.toLowerCase();
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii') return withoutMark(utf8(bytes));
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes;
  }
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** JSON.parse refuses the byte order mark that some servers put in front. */
function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}
