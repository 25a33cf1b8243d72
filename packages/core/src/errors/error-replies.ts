import type { Call } from '../call/call.js';
import { NO_RETRY, isGivenUp } from '../call/given-up.js';
import { Reply } from '../call/reply.js';
import { checkFunction, checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { ErrorMapper } from './error-mapper.js';
import { ERROR_FORMATS, microBody, plainBody } from './formats.js';
import type { ErrorFormat, ErrorFormatName } from './formats.js';
import { SHOWN, fit, headersFor, ownError, ownWords, problemOf, problemReply } from './problem.js';
import type { Shown } from './problem.js';
import type { ServiceError } from './service-error.js';
import { spokenTo } from './translate.js';
import type { Translate } from './translate.js';

/** How errors are answered that no mapper took. */
export interface ErrorReplyOptions {
  /**
   * The form of the body: `problem` is RFC 9457 (default), `micro` go-micro's, `plain` the original design's, or a function that makes the whole
   * reply, to which `Retry-After` and the like are added where it has none; one that throws or gives no reply is answered for by a problem.
   */
  readonly format?: ErrorFormatName | ErrorFormat;
  /** Title and detail in the languages of the client's `Accept-Language`. Default none: the error's own words. */
  readonly translate?: Translate;
  /** The language of the errors themselves, for `Content-Language`. Used with `translate` alone. Default `en`. */
  readonly language?: string;
  /** The `WWW-Authenticate` of a 401 that brings none, such as `Bearer realm="orders"`; RFC 9110 asks for one with every 401. Default none. */
  readonly challenge?: string;
  /** What of the request may stand in a problem. Default `requestId`, `traceId` and `service`. */
  readonly show?: readonly Shown[];
}

export const ERROR_REPLY_OPTIONS: readonly string[] = namesOf<ErrorReplyOptions>({
  format: true,
  translate: true,
  language: true,
  challenge: true,
  show: true,
});

const LANGUAGE = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,3}$/;
const CHALLENGE = /^[A-Za-z][\x20-\x7e]{0,1023}$/;
const DEFAULT_SHOWN: readonly Shown[] = ['requestId', 'traceId', 'service'];

/** @throws TypeError when an option is unknown or bad. */
export function checkErrorReplies(options: ErrorReplyOptions, option: string): void {
  checkOptions(option, options, ERROR_REPLY_OPTIONS);
  const { format, translate, language, challenge, show } = options as Readonly<Record<keyof ErrorReplyOptions, unknown>>;
  if (format !== undefined && typeof format !== 'function' && !(ERROR_FORMATS as readonly unknown[]).includes(format))
    throw new TypeError(`${option} format: ${shown(format)} is none. Use ${ERROR_FORMATS.join(', ')}, or a function (error, call) => new Reply(…).`);
  checkFunction(translate, `${option} translate`);
  if (language !== undefined && !(typeof language === 'string' && LANGUAGE.test(language)))
    throw new TypeError(`${option} language: ${shown(language)} is no language tag. Give one such as 'en' or 'zh-CN'.`);
  if (challenge !== undefined && !(typeof challenge === 'string' && CHALLENGE.test(challenge)))
    throw new TypeError(
      `${option} challenge: ${shown(challenge)} is none. Give a scheme and its parameters in ASCII, such as 'Bearer realm="orders"'.`,
    );
  if (show !== undefined && !(Array.isArray(show) && show.every((one) => (SHOWN as readonly unknown[]).includes(one))))
    throw new TypeError(`${option} show: ${shown(show)} does not fit. Give a list of ${SHOWN.join(', ')}.`);
}

/**
 * Asks the mappers in turn, `options` last. A mapper that throws, or gives anything but a reply, is passed over; the reply remembers the error that
 * it was made from. Of what an outbound call gave up with, because it had no budget left for another try, the reply says `x-retry: no`: one layer
 * tries again, and when it may not, none above it shall.
 */
export function replyMapping(
  mappers: readonly ErrorMapper[],
  service?: string,
  options: ErrorReplyOptions = {},
  clock: Clock = systemClock,
): (error: unknown, call: Call) => Reply {
  const asked = mappers.filter((mapper) => mapper.toReply !== undefined);
  const last = Object.keys(options).length === 0 ? undefined : answering(options, service, clock);
  const answer = (error: unknown, call: Call): Reply => {
    for (const mapper of asked) {
      try {
        const reply = remembering(mapper.toReply!(error, call), error);
        if (reply !== undefined) return reply;
      } catch {
        // The error at hand matters more than the mapper's own; the next one is asked.
      }
    }
    return last === undefined ? problemReply(error, call, service) : last(error, call);
  };
  return (error, call) => {
    const reply = answer(error, call);
    if (reply.sent || reply.status < 400 || 'x-retry' in reply.headers || !isGivenUp(call, error)) return reply;
    return reply.with({ headers: NO_RETRY });
  };
}

/** The reply with the error in it, undefined when there is none. @throws RangeError when it is no reply. */
function remembering(reply: Reply | undefined, error: unknown): Reply | undefined {
  if (reply === undefined || reply.error !== undefined) return reply;
  // What an async mapper gives is no reply; nobody else would take its rejection.
  if (reply instanceof Promise) void reply.catch(() => undefined);
  return new Reply(reply.status, reply.body, reply.headers, { error, sent: reply.sent });
}

/** The last of the chain: takes whatever was thrown, and never throws. */
function answering(options: ErrorReplyOptions, service: string | undefined, clock: Clock): (error: unknown, call: Call) => Reply {
  const { format = 'problem', translate, language = 'en', challenge, show = DEFAULT_SHOWN } = options;
  const visible = new Set(show);
  return (error, call) => {
    try {
      const known = ownError(error);
      const headers: Record<string, string | number> = headersFor(error, known, call);
      if (challenge !== undefined && known.status === 401) headers['www-authenticate'] ??= challenge;
      const made = typeof format === 'function' ? replyOf(format, known, error, call) : undefined;
      if (made !== undefined) return withDefaults(made, headers);
      const spoken = translate === undefined ? undefined : spokenTo(call, known, translate, language);
      if (spoken !== undefined) {
        headers['content-language'] = spoken.language;
        headers['vary'] = 'Accept-Language';
      }
      const words = spoken?.words ?? ownWords(known);
      const name = service ?? call.operation.service;
      if (format === 'micro' || format === 'plain') {
        headers['content-type'] = 'application/json';
        const body = format === 'micro' ? microBody(known, name, words) : plainBody(known, words, clock.wallTime());
        return new Reply(known.status, body, headers, { error });
      }
      return new Reply(known.status, fit(problemOf(known, call, name, words, visible)), headers, { error });
    } catch {
      return problemReply(error, call, service);
    }
  };
}

/** undefined when the function fails: the error at hand matters more. */
function replyOf(format: ErrorFormat, known: ServiceError, error: unknown, call: Call): Reply | undefined {
  try {
    return remembering(format(known, call), error);
  } catch {
    return undefined;
  }
}

/** What clients act on, where the application has said nothing of it. */
function withDefaults(reply: Reply, headers: Readonly<Record<string, string | number>>): Reply {
  if (reply.sent) return reply;
  const { 'content-type': _own, ...rest } = headers;
  return new Reply(reply.status, reply.body, { ...rest, ...reply.headers }, { error: reply.error });
}
