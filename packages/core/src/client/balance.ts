import type { Readable } from 'node:stream';
import type { Call } from '../call/call.js';
import { HEDGING } from '../call/hedging.js';
import { failedItself } from '../call/own-failure.js';
import { isStream } from '../call/reply.js';
import type { Reply } from '../call/reply.js';
import { isWorking } from '../balancing/outcome.js';
import { isRemoteError } from '../errors/remote-error.js';
import { REASONS, isServiceError } from '../errors/service-error.js';
import { TRIED } from '../selection/selector.js';
import type { Lease, Outcome, Selector } from '../selection/selector.js';
import { named } from '../wrappers/wrapper.js';
import type { Handler, Wrapper } from '../wrappers/wrapper.js';
import { isRefused } from './transport-errors.js';

/**
 * Gives each attempt an endpoint, and tells the selector how it went: when headers came, and, once the attempt has settled and
 * everything of it has ended, with what outcome. An endpoint where it failed is remembered for the call, so that the next
 * attempt goes elsewhere; of a call that may be hedged, also one where it is still under way. Stands below `retry`, so that each attempt picks again, and above the attempt's timeout, so that the
 * endpoint hears of timeouts.
 */
export function balance(selector: Selector): Wrapper {
  return named({ name: 'balance' }, (next) => (call) => {
    let lease: Lease | Promise<Lease>;
    try {
      lease = selector.select(call);
    } catch (error) {
      return unavailable(error, call);
    }
    if (!('then' in lease)) return lend(lease, selector, next, call);
    return lease.then(
      (known) => lend(known, selector, next, call),
      (error: unknown) => unavailable(error, call),
    );
  });
}

/** There is no endpoint: nothing was sent, and `retry` may know that it is this call that was not. */
function unavailable(error: unknown, call: Call): Promise<never> {
  failedItself(call, error);
  return Promise.reject(error);
}

function lend(lease: Lease, selector: Selector, next: Handler, call: Call): Promise<Reply> {
  const use = new Use(lease, call);
  const hedging = call.values.get(HEDGING);
  if (hedging !== undefined) {
    hedging.places = selector;
    use.noteAsTried();
  }
  let reply: Promise<Reply>;
  try {
    reply = next(call.derive({ endpoint: lease.endpoint }));
  } catch (error) {
    reply = Promise.reject(error);
  }
  reply.then(
    (answer) => use.answered(answer),
    (error: unknown) => use.failed(error),
  );
  return reply;
}

/** One lease, from the pick until both have happened: the attempt has settled, and its life has ended. */
class Use {
  readonly #lease: Lease;
  readonly #call: Call;
  #status: number | undefined;
  #outcome: Outcome | undefined;
  #stream: Readable | undefined;
  #ended = false;

  constructor(lease: Lease, call: Call) {
    this.#lease = lease;
    this.#call = call;
    call.onAnswered((status) => {
      this.#status ??= status;
      lease.answered(status);
    });
    call.onEnd(() => {
      this.#ended = true;
      this.#report();
    });
  }

  answered(reply: Reply): void {
    if (isStream(reply.body)) this.#stream = reply.body as Readable;
    this.#outcome = outcomeOfStatus(reply.status, undefined);
    this.#lease.heard?.(reply.headers);
    this.#report();
  }

  failed(error: unknown): void {
    const outcome = outcomeOf(error, this.#status, this.#call);
    if (outcome.kind !== 'cancelled') this.noteAsTried();
    this.#outcome = outcome;
    this.#report();
  }

  /** The next attempt of the call goes elsewhere. */
  noteAsTried(): void {
    const { values } = this.#call;
    const { endpoint } = this.#lease;
    const tried = values.get(TRIED);
    if (tried === undefined) values.set(TRIED, [endpoint]);
    else if (!tried.includes(endpoint)) tried.push(endpoint);
  }

  #report(): void {
    if (!this.#ended || this.#outcome === undefined) return;
    // A stream that broke off after its headers. A reader who merely stops reading leaves no error in it.
    const broken = this.#stream?.errored ?? undefined;
    this.#lease.end(broken === undefined ? this.#outcome : outcomeOf(broken, this.#status, this.#call));
  }
}

/** What a failed attempt says about the endpoint. `status` is what it answered, if it did: a mapper may have made any error of it. */
export function outcomeOf(error: unknown, status: number | undefined, call: Call): Outcome {
  const known = isServiceError(error) ? error : undefined;
  if (known !== undefined && !isRemoteError(known)) {
    if (known.reason === REASONS.connectFailed) return { kind: isRefused(known.cause) ? 'refused' : 'transport' };
    if (known.reason === REASONS.connectionLost) return { kind: 'transport', ...(status !== undefined && { status }) };
    if (known.reason === REASONS.malformedReply) return { kind: 'error', ...(status !== undefined && { status }) };
    if (known.reason === REASONS.replyTooLarge) return { kind: 'ok', ...(status !== undefined && { status }) };
    // Time ran out before anything was sent: the endpoint knows nothing of it.
    if (known.code === 'DEADLINE_EXCEEDED') return { kind: known.unsent ? 'cancelled' : 'timeout' };
  }
  if (call.aborted) {
    if (isTimeout(call.reason)) return { kind: 'timeout' };
    // A caller who leaves says nothing; a failure that was answered before stays one.
    return status === undefined || isWorking(status) ? { kind: 'cancelled' } : outcomeOfStatus(status, undefined);
  }
  return status === undefined ? { kind: 'cancelled' } : outcomeOfStatus(status, known?.retryAfterMs);
}

function outcomeOfStatus(status: number, retryAfterMs: number | undefined): Outcome {
  if (isWorking(status)) return { kind: 'ok', status };
  if (status === 429 || (status === 503 && retryAfterMs !== undefined))
    return { kind: 'overload', status, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  return { kind: 'error', status };
}

/** Whether an abort says that the time was over, as opposed to a caller who left. */
function isTimeout(reason: unknown): boolean {
  return isServiceError(reason) ? reason.code === 'DEADLINE_EXCEEDED' : reason instanceof Error && reason.name === 'TimeoutError';
}
