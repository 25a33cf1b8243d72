import type { Call } from '../call/call.js';
import { currentCall } from '../call/context.js';
import { CODE_TABLE } from './codes.js';
import type { Code } from './codes.js';
import { recognise } from './from-unknown.js';
import { isRemoteError } from './remote-error.js';
import { isServiceError } from './service-error.js';
import type { ServiceError } from './service-error.js';

/** Where an error happened, for `record`. What is left out is that of the call that the running code works for. */
export interface ErrorOrigin {
  readonly service?: string;
  /** For example `GET /orders/:id`, or the name of a job: a word out of a few, without values of a request. */
  readonly operation?: string;
}

/** What is counted of an error. */
export interface ErrorFacts {
  readonly code: Code;
  readonly reason: string | undefined;
  readonly status: number;
  readonly service: string;
  readonly operation: string;
}

/**
 * The facts of an error, without making another one: it may be one of many. An error that a service behind us answered with has its own code on the
 * client's side, and what we make of it where we answer with it. Never throws.
 */
export function factsOf(error: unknown, origin: ErrorOrigin, call: Call | undefined = currentCall()): ErrorFacts {
  const service = textOf(origin.service) ?? call?.operation.service ?? '';
  const operation = textOf(origin.operation) ?? call?.label ?? '';
  try {
    if (isServiceError(error) && Object.hasOwn(CODE_TABLE, error.code)) {
      const known: ServiceError = call?.side === 'server' && isRemoteError(error) ? error.toOwn() : error;
      return { code: known.code, reason: textOf(known.reason), status: known.status, service, operation };
    }
  } catch {
    // It only says that it is one of ours.
  }
  const { code, options } = recognise(error);
  return { code, reason: options.reason, status: options.status ?? CODE_TABLE[code].status, service, operation };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
