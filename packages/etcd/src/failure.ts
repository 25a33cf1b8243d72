import { CODES, ServiceError } from '@ferrule/core';
import type { Code } from '@ferrule/core';
import type { GrpcFailure } from './grpc-stream.js';

/** What another attempt of the same heals as little. */
const FINAL: readonly Code[] = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'PERMISSION_DENIED',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'UNAUTHENTICATED',
];

/** By the words of etcd, which says some of it with the code INVALID_ARGUMENT. */
const HINTS: readonly (readonly [RegExp, Code, string])[] = [
  [/user name is empty/, 'UNAUTHENTICATED', 'etcd asks who we are. Give username and password'],
  [/authentication failed, invalid user/, 'UNAUTHENTICATED', 'Look at username and password'],
  [/permission denied/, 'PERMISSION_DENIED', 'The user needs a role with readwrite on the prefix to register, and with read to watch'],
];

/** The token is not, or no longer, known: it expired, or the member was restarted, or users were changed meanwhile. */
export function isOutdatedToken({ message }: GrpcFailure): boolean {
  return /invalid auth token|revision of auth store is old|user name is empty/.test(message);
}

export function isAuthOff({ message }: GrpcFailure): boolean {
  return message.includes('authentication is not enabled');
}

/** What went wrong at `origin`, for whoever asked. */
export function failureOf(origin: string, path: string, { status, message, lost }: GrpcFailure): ServiceError {
  const call = path.slice(path.indexOf('.') + 1);
  if (lost) return new ServiceError('UNAVAILABLE', `etcd at ${origin} did not answer ${call}: ${message}`, { expose: false });
  const [, code, hint] = HINTS.find(([words]) => words.test(message)) ?? [undefined, CODES[status - 1] ?? 'UNKNOWN', undefined];
  return new ServiceError(code, `etcd at ${origin} answered ${call}: ${message}${hint === undefined ? '' : `. ${hint}`}`, {
    expose: false,
    status: 502,
    retryable: !FINAL.includes(code),
  });
}
