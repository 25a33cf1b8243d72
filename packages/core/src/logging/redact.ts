import { isPath, secretPaths } from './redact-paths.js';
import type { SecretPaths } from './redact-paths.js';

/** Words whose presence in a key makes its value a secret; compared without case, `-`, `_`, `.` and blanks. */
const SECRET_WORDS = [
  'password',
  'passwd',
  'passphrase',
  'secret',
  'token',
  'authorization',
  'cookie',
  'apikey',
  'accesskey',
  'privatekey',
  'credential',
];
/** Short words that stand inside of harmless ones: the whole key must be this. */
const SECRET_KEYS: ReadonlySet<string> = new Set([
  'pwd',
  'auth',
  'jwt',
  'session',
  'sessionid',
  'sid',
  'sig',
  'signature',
  'otp',
  'pin',
  'cvv',
  'cvc',
]);

export const REDACTED = '[redacted]';

/** What is not written down. */
export interface Redaction {
  /** By the name of a key, wherever it stands. */
  readonly key: (key: string) => boolean;
  /** By where a value stands; undefined when no path was given. */
  readonly paths: SecretPaths | undefined;
}

/** @throws TypeError when `extra` holds what is neither a word, nor a pattern, nor a path */
export function redaction(extra: readonly (string | RegExp)[] = []): Redaction {
  const paths = extra.filter((one): one is string => typeof one === 'string' && isPath(one));
  return { key: secretKeys(extra.filter((one) => !(paths as readonly unknown[]).includes(one))), paths: secretPaths(paths) };
}

/**
 * Whether the value under this key must not be written down. `extra` adds words (found anywhere in a key) and patterns.
 * @throws TypeError when `extra` holds anything else.
 */
export function secretKeys(extra: readonly (string | RegExp)[] = []): (key: string) => boolean {
  const words = [...SECRET_WORDS];
  const patterns: RegExp[] = [];
  for (const one of extra) {
    if (typeof one === 'string' && normal(one) !== '') words.push(normal(one));
    else if (one instanceof RegExp) patterns.push(new RegExp(one.source, one.flags.replace(/[gy]/g, '')));
    else
      throw new TypeError(
        `redact: ${typeof one === 'string' ? 'an empty text' : typeof one} is neither a word nor a pattern. Give names of keys such as 'iban', or regular expressions.`,
      );
  }
  const known = new Map<string, boolean>();
  return (key) => {
    let secret = known.get(key);
    if (secret === undefined) {
      const word = normal(key);
      secret = SECRET_KEYS.has(word) || words.some((part) => word.includes(part)) || patterns.some((pattern) => pattern.test(key));
      // Keys repeat; a caller who makes new ones for ever must not fill the memory.
      if (known.size >= 1000) known.clear();
      known.set(key, secret);
    }
    return secret;
  };
}

function normal(key: string): string {
  return key.toLowerCase().replace(/[-_. ]/g, '');
}

/** Names that are secrets in a query only: as keys of a log line they are harmless words. */
const SECRET_IN_QUERY: ReadonlySet<string> = new Set(['key', 'code', 'assertion', 'samlresponse', 'samlrequest']);
const isSecretInQuery = (word: string): boolean => SECRET_IN_QUERY.has(word) || word.endsWith('signature'); // X-Amz-Signature and its like
const USER_INFO = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#"'<>]*@/gi;
const BEARER = /\b(bearer\s{1,4})(?=[\w~+/.=-]{0,64}\d|[\w~+/.=-]{16})[\w~+/.=-]{8,}/gi;
/** A member of JSON in a text, also one that the end of the text cuts. */
const MEMBER = /("([\w. -]{1,64})"\s{0,4}:\s{0,4}")(?:[^"\\]|\\.){1,16384}(?:"|\\?$)/g;
const PARAMETER = /([?&#])([^\s=&#?"'<>]{1,64})=([^\s&#"'<>]+)/g;

/**
 * A text whose URLs and connection strings hold no credentials: neither user info (`postgres://[redacted]@host/db`) nor the values of
 * query and fragment parameters whose names are those of secrets; nor a bearer token behind its
 * word, nor texts of JSON under the name of a secret. Linear in the length of the text.
 */
export function withoutUrlSecrets(text: string, isSecret: (key: string) => boolean): string {
  let safe = /bearer/i.test(text) ? text.replace(BEARER, `$1${REDACTED}`) : text;
  if (safe.includes('":') || safe.includes('" :'))
    safe = safe.replace(MEMBER, (whole, start: string, name: string) => (isSecret(name) ? `${start}${REDACTED}"` : whole));
  if (safe.includes('://')) safe = safe.replace(USER_INFO, `$1${REDACTED}@`);
  if (!safe.includes('=') || !/[?&#]/.test(safe)) return safe;
  return safe.replace(PARAMETER, (whole, mark: string, name: string) =>
    isSecret(name) || isSecretInQuery(normal(name)) ? `${mark}${name}=${REDACTED}` : whole,
  );
}
