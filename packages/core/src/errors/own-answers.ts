import { checkRecord } from '../options/check.js';
import { shown } from '../options/shown.js';
import { isCode } from './codes.js';
import type { Code } from './codes.js';
import type { ErrorParams } from './params.js';
import type { RemoteError } from './remote-error.js';
import { ServiceError, ownAnswer } from './service-error.js';

/**
 * What a server of ours says to its own client when a service behind it has answered with a status, such as 404, or one of a class, `4xx` or
 * `5xx`: a code, or `pass` for the same status, code, reason, number, type and title, and below 500 the same detail, field errors and details, because
 * that service speaks for us. Everything else as the table of `RemoteError.toOwn` has it.
 */
export type OwnAnswers = Readonly<Record<string | number, Code | 'pass'>>;

/** @throws TypeError when a key is no status or class, or a value neither a code nor `pass`. */
export function checkOwnAnswers(answers: unknown, option: string): void {
  checkRecord(answers, option);
  for (const [key, value] of Object.entries(answers ?? {})) {
    if (!/^(?:[45]\d\d|[45]xx)$/.test(key))
      throw new TypeError(`${option}: ${shown(key)} is no status of an error. Give one from 400 to 599, or 4xx or 5xx for all of them.`);
    if (value !== 'pass' && !isCode(value))
      throw new TypeError(
        `${option} ${key}: ${shown(value)} is no answer. Give a code such as 'NOT_FOUND', or 'pass' for the same status and reason.`,
      );
  }
}

/** The error of ours for an answer of another service. */
export function ownAnswerBy(answers: OwnAnswers | undefined, error: RemoteError): ServiceError {
  const answer = answers === undefined ? undefined : (own(answers, String(error.status)) ?? own(answers, error.status < 500 ? '4xx' : '5xx'));
  if (answer === undefined) return ownAnswer(error.status, error.message, error);
  if (answer !== 'pass') return new ServiceError(answer, error.message, { expose: false, cause: error });
  const { code, status, reason, number, type, retryable, params, problem } = error;
  const title = problem?.title;
  const detail = status < 500 ? problem?.detail : undefined;
  const errors = status < 500 ? problem?.errors : undefined;
  return new PassedOn(code, detail ?? (errors === undefined ? error.message : (title ?? '')), {
    status,
    type,
    retryable,
    expose: detail !== undefined || errors !== undefined,
    cause: error,
    ...(reason !== undefined && { reason }),
    ...(number !== undefined && { number }),
    ...(title !== undefined && { title }),
    ...(params !== undefined && { params }),
    ...(errors !== undefined && { errors }),
  });
}

/** Its params are those that the catalogue of the other service lets a client see. */
class PassedOn extends ServiceError {
  override get details(): ErrorParams | undefined {
    return this.params;
  }
}

function own(answers: OwnAnswers, key: string): Code | 'pass' | undefined {
  return Object.hasOwn(answers, key) ? answers[key] : undefined;
}
