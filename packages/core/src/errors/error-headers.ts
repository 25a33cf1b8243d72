import { isRemoteError } from './remote-error.js';
import type { Described } from './service-error.js';

/** What a client can act on; any other header of an error (and http-errors and boom allow any) stays here. */
const ALLOWED: readonly string[] = [
  'accept',
  'accept-encoding',
  'allow',
  'content-range',
  'proxy-authenticate',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'www-authenticate',
];
/** The error of an API client has what its server sent under the same name: a challenge or a method list among it is not ours. */
const ALLOWED_OF_OTHERS: readonly string[] = ['retry-after'];
const SAFE_VALUE = /^[\t\x20-\x7e]{1,1024}$/;

/** The header fields of an error reply, but for its content type: what the error brings along of those that clients act on, and its `Retry-After`. */
export function headersOfError(error: unknown, known: Described): Record<string, string | number> {
  const headers: Record<string, string | number> = {};
  if (known.isBare === true) return headers;
  for (const source of known.cause === error ? [error] : [error, known.cause]) {
    const given = foreignHeaders(source);
    if (given === undefined) continue;
    const allowed = isAnswer(source as object) ? ALLOWED : ALLOWED_OF_OTHERS;
    for (const [name, value] of Object.entries(given)) {
      const lower = name.toLowerCase();
      if (allowed.includes(lower) && (typeof value === 'string' || typeof value === 'number') && SAFE_VALUE.test(String(value)))
        headers[lower] = String(value);
    }
    break;
  }
  const after = known.retryAfterMs;
  if (typeof after === 'number' && after >= 0 && Number.isFinite(after)) headers['retry-after'] = Math.max(1, Math.ceil(after / 1_000));
  return headers;
}

/**
 * The headers that http-errors (`headers`) and boom (`output.headers`) carry; none of what another service answered (`response`, `config`).
 */
function foreignHeaders(error: unknown): object | undefined {
  if (typeof error !== 'object' || error === null || isRemoteError(error)) return undefined;
  try {
    const { headers, output, response, config } = error as Record<string, unknown> & { output?: { headers?: unknown } };
    if (response !== undefined || config !== undefined) return undefined;
    for (const candidate of [headers, output?.headers]) {
      if (typeof candidate === 'object' && candidate !== null) return candidate;
    }
  } catch {
    // A Proxy or a getter that throws: the reply has none of its headers, and all the rest.
  }
  return undefined;
}

/** Whether the error was made to be an answer of ours. */
export function isAnswer(error: object): boolean {
  try {
    const { expose, isBoom } = error as { expose?: unknown; isBoom?: unknown };
    return typeof expose === 'boolean' || isBoom === true;
  } catch {
    return false;
  }
}
