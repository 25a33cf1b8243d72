import { Call } from '../../call/call.js';
import { currentCall, detached, runInContext } from '../../call/context.js';
import { isStream } from '../../call/reply.js';
import type { Reply } from '../../call/reply.js';
import { REASONS, refusal } from '../../errors/service-error.js';
import type { ServiceError } from '../../errors/service-error.js';
import type { DeadlineWheel } from '../../time/deadline-wheel.js';
import { QueuedTimer } from '../../time/timer-queue.js';
import { discard } from '../discard.js';
import type { CachedReply } from './entry.js';
import type { Handler } from '../wrapper.js';

/**
 * How a fetch went. `kept`: all who wait and agree in the header fields `names` get a copy, who began it the `original` if there is one; `own`:
 * the reply is for the one who began it, the others go on alone; `failed`: all of them fail with it.
 */
export type Landing =
  | { readonly kind: 'kept'; readonly reply: CachedReply; readonly original: Reply | undefined; readonly names: readonly string[] }
  | { readonly kind: 'own'; readonly reply: Reply }
  | { readonly kind: 'failed'; readonly error: unknown };

/**
 * One fetch for all who want the same at the same time. It has a life of its own: who leaves early, by an abort or at the end of his time, is told
 * at once and does not end it for the others; when the last has left, it is aborted. One that nobody began to wait for (a refresh) goes on.
 */
export class Flight extends QueuedTimer {
  readonly call: Call;
  /** Whether what it brings may be kept: not when it was purged meanwhile. */
  keepable = true;
  readonly #waiting = new Set<Passenger>();
  readonly #wheel: DeadlineWheel;

  /**
   * `asking`: the call that it is made for, `sending`: with the header fields that the fetch sends. `background`: nobody waits for it, and it ends at
   * the deadline.
   */
  constructor(
    readonly resource: string,
    readonly label: string,
    readonly asking: Call,
    sending: Call,
    wheel: DeadlineWheel,
    deadline: number | undefined,
    readonly background: boolean,
  ) {
    super();
    this.holds = false;
    this.#wheel = wheel;
    // Not a branch of the call: it may outlive it.
    this.call = new Call({
      side: sending.side,
      operation: sending.operation,
      params: sending.params,
      query: sending.query,
      headers: sending.headers,
      body: sending.body,
      attempt: sending.attempt,
      deadline,
      values: sending.values,
      ...(sending.endpoint !== undefined && { endpoint: sending.endpoint }),
    });
    if (background) wheel.add(this, deadline!);
  }

  /**
   * Fetches, and lands as `judge` says. What runs inside finds this call as the one that it works for, not that of one who may leave; a client's
   * call is for no request any more.
   */
  depart(next: Handler, judge: (settled: { readonly reply: Reply } | { readonly error: unknown }) => Promise<Landing> | Landing): void {
    const run = (): Promise<Reply> => this.call.run(next);
    const reply = this.call.side === 'server' ? runInContext(this.call, run) : detached(run);
    void reply
      .then(
        (known) => judge({ reply: known }),
        (error: unknown) => judge({ error }),
      )
      .catch((error: unknown): Landing => ({ kind: 'failed', error }))
      .then((landing) => this.#land(landing));
  }

  /** Waits with the others. Rejects with the reason of an abort of `call`, and with DEADLINE_EXCEEDED at the end of its time. */
  board(call: Call, now: number): Promise<Landing> {
    return new Promise((resolve, reject) => {
      const passenger = new Passenger(call, resolve, reject, (reason) => this.#left(passenger, reason));
      this.#waiting.add(passenger);
      passenger.forget = call.onAbort((reason) => passenger.leave(reason));
      if (call.deadline !== undefined) this.#wheel.add(passenger, call.deadline, now);
    });
  }

  /** Whether a reply that is for one caller alone is for this one. */
  isFor(call: Call): boolean {
    return !this.background && call === this.asking;
  }

  /** As a timer: the end of the time that a fetch in the background may take. */
  override expire(): void {
    this.call.abort(refusal('DEADLINE_EXCEEDED', `${this.label}: the fetch in the background took too long`, { reason: REASONS.timeout }));
  }

  #left(passenger: Passenger, reason: unknown): void {
    if (this.#waiting.delete(passenger) && this.#waiting.size === 0 && !this.background) this.call.abort(reason);
  }

  #land(landing: Landing): void {
    this.cancel();
    const passengers = [...this.#waiting];
    this.#waiting.clear();
    // Whoever began it may have left, and nobody else may have what is his alone.
    if (landing.kind === 'own' && !passengers.some(({ call }) => this.isFor(call))) discard(landing.reply);
    for (const passenger of passengers) passenger.arrive(landing);
  }
}

/** One who waits; as a timer, the end of his time. */
class Passenger extends QueuedTimer {
  forget: (() => void) | undefined;

  constructor(
    readonly call: Call,
    readonly resolve: (landing: Landing) => void,
    readonly reject: (reason: unknown) => void,
    readonly left: (reason: unknown) => void,
  ) {
    super();
    this.holds = currentCall() === undefined;
  }

  arrive(landing: Landing): void {
    this.#done();
    this.resolve(landing);
  }

  leave(reason: unknown): void {
    this.#done();
    this.reject(reason);
    this.left(reason);
  }

  override expire(): void {
    this.leave(late(this.call));
  }

  #done(): void {
    this.cancel();
    this.forget?.();
  }
}

function late({ label }: Call): ServiceError {
  return refusal('DEADLINE_EXCEEDED', `${label}: its time was over before the reply that it shares with others came`, { reason: REASONS.timeout });
}

/** Ties what is streamed to the one call that it is for: when that is aborted, so is the stream. */
export function followCall(reply: Reply, call: Call, flight: Flight): void {
  const { body } = reply;
  if (!isStream(body)) return;
  flight.call.onEnd(call.onAbort((reason) => void body.destroy(reason instanceof Error ? reason : undefined)));
}
