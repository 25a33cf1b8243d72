import { REDACTED } from '../logging/redact.js';

/** A text that can stand in a log line, cut, and without users and passwords of URLs; undefined for what is none. */
export function reasonOf(reason: unknown): string | undefined {
  return typeof reason === 'string' && reason !== ''
    ? reason
        .slice(0, MAX_READ)
        .replace(USERINFO, `//${REDACTED}@`)
        .slice(0, MAX_REASON)
        .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ')
    : undefined;
}

/** The code, else the name, of what was thrown, never its message. Never throws, whatever the thrown thing does when read. */
export function thrownName(thrown: unknown): string {
  try {
    if (typeof thrown !== 'object' || thrown === null) return typeof thrown;
    const { code, name } = thrown as { code?: unknown; name?: unknown };
    if (typeof code === 'string' && TOKEN.test(code)) return code;
    return typeof name === 'string' && TOKEN.test(name) ? name : 'Error';
  } catch {
    return 'Error';
  }
}

const MAX_REASON = 256;
/** So much is looked at; a credential that begins within what is kept ends within this. */
const MAX_READ = 4_096;
/** User and password of a URL. */
const USERINFO = /\/\/[^\s/?#]*@/g;
/** Names and codes such as `TypeError` or `ECONNREFUSED`: nothing that could be a secret or break a log line. */
const TOKEN = /^[A-Za-z0-9_.:-]{1,64}$/;
