import { STATUS_CODES } from 'node:http';
import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import type { Words } from './problem.js';
import type { ServiceError } from './service-error.js';

/** Makes the whole reply for an error, which is our own already: what another service answered has become a 5xx of ours. */
export type ErrorFormat = (error: ServiceError, call: Call) => Reply;

export type ErrorFormatName = 'problem' | 'micro' | 'plain';

export const ERROR_FORMATS: readonly ErrorFormatName[] = ['problem', 'micro', 'plain'];

/** go-micro's error (`errors.Error` of go-micro.dev): `id` is the service, `code` the HTTP status, `status` its phrase. */
export interface MicroError {
  readonly id: string;
  readonly code: number;
  readonly detail: string;
  readonly status: string;
}

export function microBody(error: ServiceError, service: string, words: Words): MicroError {
  return { id: service, code: error.status, detail: words.detail, status: STATUS_CODES[error.status] ?? words.title };
}

/** The original design's: `code` is the business number when there is one, else the canonical word; `timestamp` is RFC 3339. */
export interface PlainError {
  readonly error: { readonly code: number | string; readonly message: string };
  readonly timestamp: string;
}

export function plainBody(error: ServiceError, words: Words, wallTime: number): PlainError {
  const code = typeof error.number === 'number' && Number.isFinite(error.number) ? error.number : error.code;
  return { error: { code, message: words.detail }, timestamp: new Date(wallTime).toISOString() };
}
