import { ServiceError } from '@ferrule/core';

/** A command or a connection that took too long. */
export class TooLate extends Error {
  override readonly name = 'TooLate';
  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

/**
 * What went wrong, in a line. The error itself never gets further: a server that does not know a command answers with its arguments, the
 * password of the greeting among them.
 */
export function reasonOf(error: unknown, secrets: readonly string[]): string {
  const { message, code, name } = (typeof error === 'object' && error !== null ? error : {}) as { message?: unknown; code?: unknown; name?: unknown };
  // One that joins several attempts to connect has a code alone.
  const said = [message, code, name].find((each): each is string => typeof each === 'string' && each !== '') ?? 'an unknown error';
  let text = said
    .split(/,? with args/)[0]!
    .split('\n')[0]!
    .slice(0, 200);
  for (const secret of secrets) text = text.replaceAll(secret, '[redacted]');
  return /^(?:WRONGPASS|NOAUTH)\b/.test(text) ? `${text} (give the right username and password)` : text;
}

/** What `load` and `save` reject with: either Redis did not answer, or it answered with an error, whose first word is of capitals. */
export function unavailable(address: string, reason: string): ServiceError {
  const what = /^[A-Z]{2,} /.test(reason) ? 'answered' : 'is away';
  return new ServiceError('UNAVAILABLE', `Redis at ${address} ${what}: ${reason}`, { expose: false, status: 502 });
}
