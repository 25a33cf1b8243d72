import { REASONS, ServiceError } from '../errors/service-error.js';

/** Arrays and objects inside of one another; deeper text is an attack on whoever walks the value. */
export const DEEPEST_JSON = 64;

/** A key that could become a prototype, however it is escaped: cheap to look for, and hardly ever there. */
const SUSPICIOUS = /\\u00|__proto__|constructor/;

/**
 * The value of a JSON text (RFC 8259; a scalar is one too).
 * @throws ServiceError INVALID_ARGUMENT (400, `MALFORMED_BODY`) when it is malformed, deeper than 64, or has a key
 * `__proto__`, or `constructor` with a `prototype` inside: those are made for code that merges objects carelessly.
 */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) throw malformed(`JSON is nested deeper than ${DEEPEST_JSON}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('The body is not valid JSON');
  }
  if (SUSPICIOUS.test(text) && pollutes(value)) throw malformed('The body has a key that could change a prototype');
  return value;
}

/** Counts brackets outside of strings, before anything is built. */
function isTooDeep(text: string): boolean {
  if (text.length < 2 * DEEPEST_JSON) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) {
      at = endOfString(text, at);
      if (at === -1) return false;
    } else if (char === 0x5b || char === 0x7b) {
      if (++depth > DEEPEST_JSON) return true;
    } else if (char === 0x5d || char === 0x7d) {
      depth--;
    }
  }
  return false;
}

/** Where the string that starts at `start` ends; -1 when it does not, and the parser will say so. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return -1;
}

/** The depth is known to be bounded, so that recursion is. */
function pollutes(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(pollutes);
  for (const [key, inner] of Object.entries(value as Record<string, unknown>)) {
    if (key === '__proto__') return true;
    if (key === 'constructor' && typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'prototype')) return true;
    if (pollutes(inner)) return true;
  }
  return false;
}

function malformed(message: string): ServiceError {
  return new ServiceError('INVALID_ARGUMENT', message, { status: 400, reason: REASONS.malformedBody });
}
