import type { Call } from '../call/call.js';
import { currentCall } from '../call/context.js';
import { giveUp, isGivenUp } from '../call/given-up.js';
import { failedItself } from '../call/own-failure.js';
import type { Reply } from '../call/reply.js';
import type { ErrorMapper } from '../errors/error-mapper.js';
import { checkClientErrors, kindsIn, mappersIn } from '../errors/known-kinds.js';
import type { ClientErrors } from '../errors/known-kinds.js';
import { checkOwnAnswers } from '../errors/own-answers.js';
import type { OwnAnswers } from '../errors/own-answers.js';
import { isRemoteError, remoteErrorOf } from '../errors/remote-error.js';
import type { RemoteError } from '../errors/remote-error.js';
import { isServiceError } from '../errors/service-error.js';
import type { ServiceError } from '../errors/service-error.js';
import { checkOptions, checkSurroundings } from '../options/check.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { parseBody } from './reply-body.js';

export interface RemoteErrorsOptions {
  /**
   * Mappers are asked in turn; the first that gives an error wins, RemoteError is the last. One that throws is passed over and named as the cause.
   * Of catalogues a RemoteError has what the reply leaves open: reason, number, code, title, whether to try again, and the params.
   */
  readonly mappers?: ClientErrors;
  /** What a server of ours answers with for such an error, by status. Default: see `RemoteError.toOwn`. */
  readonly toOwn?: OwnAnswers;
  /**
   * Whether an error of a mapper's own kind, or a ServiceError of it that leaves out the reply's `Retry-After`, is thrown as the RemoteError that it stands for, until `ownErrors()` further up puts it in its
   * place: retry, breaker and the like know what to make of a RemoteError, and would take any other for a failure worth trying again.
   * Default false.
   */
  readonly hold?: boolean;
  readonly clock?: Clock;
}

/**
 * Turns error replies (400 and up) into thrown errors, so that every policy above sees errors alone, and notes of these and of the
 * transport's own that they are about this call (`failedItself`).
 * 2xx and 3xx are replies: a redirect or a 304 is an answer that the caller may have asked for; none is followed.
 */
export function remoteErrors(options: RemoteErrorsOptions = {}): Wrapper {
  checkOptions('remoteErrors', options, ['mappers', 'toOwn', 'hold', 'clock']);
  checkClientErrors(options.mappers, 'remoteErrors mappers');
  checkOwnAnswers(options.toOwn, 'remoteErrors toOwn');
  checkSurroundings('remoteErrors', options);
  const { clock = systemClock, hold = false } = options;
  const toOwn = options.toOwn === undefined ? undefined : Object.freeze({ ...options.toOwn });
  const mappers = mappersIn(options.mappers ?? []);
  const kinds = kindsIn(options.mappers ?? []);
  return named(
    { name: 'remoteErrors' },
    (next) => (call) =>
      next(call).then(
        (reply) => {
          if (reply.status < 400) return reply;
          const read = parsed(reply);
          const error = errorOf(read, call, mappers, (more) => remoteErrorOf(read, call, clock.wallTime(), { ...more, reply, kinds, toOwn }), hold);
          failedItself(call, error);
          throw error;
        },
        (error: unknown) => {
          failedItself(call, error);
          throw error;
        },
      ),
  );
}

const HELD = new WeakMap<RemoteError, Error>();

/** Puts the errors that `remoteErrors({ hold: true })` held back in the place of the RemoteErrors. */
export function ownErrors(): Wrapper {
  return named(
    { name: 'ownErrors' },
    (next) => (call) =>
      next(call).catch((error: unknown) => {
        const own = isRemoteError(error) ? HELD.get(error) : undefined;
        if (own === undefined) throw error;
        if (isGivenUp(currentCall(), error)) giveUp(call, own);
        throw own;
      }),
  );
}

function errorOf(
  reply: Reply,
  call: Call,
  mappers: readonly ErrorMapper[],
  remote: (more?: { readonly cause?: unknown; readonly retryable?: boolean }) => RemoteError,
  hold: boolean,
): Error {
  let failure: unknown;
  for (const mapper of mappers) {
    try {
      const error = mapper.toError!(reply, call);
      if (error === undefined) continue;
      if (!hold) return error;
      const held = isServiceError(error) ? overloadOf(error, remote) : remote();
      if (held === undefined) return error;
      HELD.set(held, error);
      return held;
    } catch (thrown) {
      failure ??= thrown;
    }
  }
  return remote({ cause: failure });
}

/**
 * What stands for a mapper's ServiceError that says less than the reply did: when to come back, which retry waits for and the ejector goes by.
 * Whether to try again at all is still the mapper's word.
 */
function overloadOf(error: ServiceError, remote: (more: { readonly retryable: boolean }) => RemoteError): RemoteError | undefined {
  if (isRemoteError(error) || error.retryAfterMs !== undefined) return undefined;
  const held = remote({ retryable: error.retryable });
  return held.retryAfterMs === undefined ? undefined : held;
}

/** The reply with its body parsed, when it was left as bytes for a caller who wants them so. */
function parsed(reply: Reply): Reply {
  if (!(reply.body instanceof Uint8Array)) return reply;
  const type = reply.headers['content-type'];
  try {
    return reply.with({ body: parseBody(reply.body, typeof type === 'string' ? type : undefined) });
  } catch {
    return reply.with({ body: undefined });
  }
}
