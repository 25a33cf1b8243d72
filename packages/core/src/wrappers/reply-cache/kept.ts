import type { Call } from '../../call/call.js';
import { isStream } from '../../call/reply.js';
import type { Reply } from '../../call/reply.js';
import { isRefusal, isServiceError } from '../../errors/service-error.js';
import { fieldOf, termsOf } from './control.js';
import type { CacheControl, Terms } from './control.js';
import { CachedReply, isShortStream, keptBody, keptHeaders } from './entry.js';
import type { Read } from './entry.js';
import type { Flight, Landing } from './flight.js';
import { variantOf, varyNames } from './key.js';
import type { ReplyCacheRules } from './options.js';
import { ReplyStore } from './store.js';
import type { Handler } from '../wrapper.js';

/** A call that the cache may answer. */
export interface Asked {
  readonly call: Call;
  readonly next: Handler;
  readonly resource: string;
  readonly key: string;
  readonly wants: CacheControl;
  readonly ifNoneMatch: string | undefined;
  /** How often it has waited in vain for what turned out to be for others. */
  readonly round: number;
}

/** Where its reply is or would be kept, and what is kept there. */
export interface Place {
  readonly key: string;
  readonly kept: CachedReply | undefined;
  readonly notShared: boolean;
}

const KEPT_STATUS: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308]);
const LASTING_FAILURES: ReadonlySet<number> = new Set([404, 405, 410, 414, 501]);
const NOT_SHARED_MS = 10_000;
const NO_TERMS: Terms = Object.freeze({ freshMs: 0, ageMs: 0, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 });

/** What is kept, and the judgement of what may be (RFC 9111, 3 and 4.3.4). */
export class KeptReplies {
  readonly store: ReplyStore;
  readonly #rules: ReplyCacheRules;
  readonly #stored: (call: Call) => void;

  /** `stored` hears of every reply that is kept. */
  constructor(rules: ReplyCacheRules, stored: (call: Call) => void) {
    this.store = new ReplyStore(rules.maxEntries, rules.maxBytes);
    this.#rules = rules;
    this.#stored = stored;
  }

  find({ call, key }: Asked, now: number): Place {
    let at = key;
    let slot = this.store.get(at);
    if (slot?.kind === 'varies') {
      at = variantOf(call, key, slot.names);
      slot = this.store.get(at);
    }
    return { key: at, kept: slot?.kind === 'reply' ? slot : undefined, notShared: slot?.kind === 'not shared' && now < slot.until };
  }

  /** What others may get of a reply, and what is kept of it. `before`: what was kept, when the fetch asked whether it is still good. */
  async judge(asked: Asked, flight: Flight, reply: Reply, before: CachedReply | undefined): Promise<Landing> {
    const { clock, maxBodyBytes } = this.#rules;
    const { call } = flight;
    const terms = termsOf(call, reply, clock.wallTime(), this.#rules);
    const names = varyNames(fieldOf(reply, 'vary'));
    const now = clock.now();
    if (reply.status === 304 && before !== undefined) {
      const renewed = before.renewed(reply, terms ?? NO_TERMS, now);
      const varies = varyNames(fieldOf(renewed, 'vary'));
      if (terms === undefined) this.#forgetShared(asked, flight, now);
      else this.#keep(asked, flight, varies, renewed);
      return { kind: 'kept', reply: renewed, original: undefined, names: varies };
    }
    const streamed = isStream(reply.body);
    const partial = reply.sent || reply.status === 206 || reply.status === 304 || (streamed && !isShortStream(reply, maxBodyBytes));
    const { body, reply: whole }: Read = terms === undefined || partial ? { body: undefined, reply } : await keptBody(reply, maxBodyBytes, call);
    if (terms === undefined || body === undefined) {
      // Errors often forbid to be kept; what was kept before is what has to help then.
      if (reply.status < 400) this.#forgetShared(asked, flight, now);
      return { kind: 'own', reply: whole };
    }
    const lasting = LASTING_FAILURES.has(reply.status) && this.#rules.errorTtlMs > 0;
    const cached = new CachedReply(
      reply.status,
      keptHeaders(reply),
      body,
      undefined,
      lasting ? { ...NO_TERMS, freshMs: this.#rules.errorTtlMs } : terms,
      now,
    );
    if (lasting || KEPT_STATUS.has(reply.status)) this.#keep(asked, flight, names, cached);
    return { kind: 'kept', reply: cached, original: streamed ? undefined : reply, names };
  }

  /** From now on, and for some time, nobody waits for another's. */
  #forgetShared(asked: Asked, flight: Flight, now: number): void {
    if (flight.keepable) this.store.set(asked.key, { kind: 'not shared', until: now + NOT_SHARED_MS }, flight);
  }

  judgeFailure(asked: Asked, flight: Flight, error: unknown): Landing {
    const { errorTtlMs, clock } = this.#rules;
    if (errorTtlMs > 0 && isServiceError(error) && LASTING_FAILURES.has(error.status) && !isRefusal(error)) {
      const terms = { ...NO_TERMS, freshMs: errorTtlMs };
      this.#keep(asked, flight, [], new CachedReply(error.status, {}, { form: 'text', text: error.message }, error, terms, clock.now()));
    }
    return { kind: 'failed', error };
  }

  #keep(asked: Asked, flight: Flight, names: readonly string[], cached: CachedReply): void {
    const { freshMs, staleIfErrorMs, staleWhileRevalidateMs } = cached.terms;
    const useful = freshMs > 0 || staleIfErrorMs > 0 || staleWhileRevalidateMs > 0 || cached.validators !== undefined;
    if (!flight.keepable || !useful) return;
    if (names.length > 0) this.store.set(asked.key, { kind: 'varies', names }, flight);
    if (!this.store.set(names.length > 0 ? variantOf(flight.call, asked.key, names) : asked.key, cached, flight)) return;
    this.#stored(asked.call);
  }
}
