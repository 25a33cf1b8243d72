import type { Call } from '../../call/call.js';
import type { Reply } from '../../call/reply.js';
import { REASONS, isServiceError, refusal } from '../../errors/service-error.js';
import { DeadlineWheel } from '../../time/deadline-wheel.js';
import { discard } from '../discard.js';
import { notify } from '../options.js';
import { conditional, isOutage, mayBeCached, unconditional } from './conditions.js';
import { parseCacheControl } from './control.js';
import type { CachedReply } from './entry.js';
import { Flight, followCall } from './flight.js';
import type { Landing } from './flight.js';
import { KeptReplies } from './kept.js';
import type { Asked, Place } from './kept.js';
import { identityOf, keyOf, resourceOf, variantOf } from './key.js';
import type { ReplyCacheEvent, ReplyCacheRules } from './options.js';
import type { ReplyCacheStats } from './reply-cache.js';
import type { Handler } from '../wrapper.js';

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const REST_MS = 1_000;
const MOST_ROUNDS = 3;

/** Answers calls with what is kept, and has fetched what is not. */
export class CachedAnswers {
  readonly #rules: ReplyCacheRules;
  readonly #kept: KeptReplies;
  readonly #wheel: DeadlineWheel;
  readonly #flights = new Map<string, Flight>();
  #hits = 0;
  #shared = 0;
  #misses = 0;
  #stale = 0;
  #stored = 0;

  constructor(rules: ReplyCacheRules) {
    this.#rules = rules;
    this.#kept = new KeptReplies(rules, (call) => {
      this.#stored++;
      this.#tell('stored', call);
    });
    this.#wheel = new DeadlineWheel(rules.clock);
  }

  stats(): ReplyCacheStats {
    const { replies, bytes } = this.#kept.store;
    return { hits: this.#hits, shared: this.#shared, misses: this.#misses, stale: this.#stale, stored: this.#stored, size: replies, bytes };
  }

  purge(label: string | undefined): number {
    this.#ground((flight) => label === undefined || flight.label === label);
    return this.#kept.store.deleteWhere((facts) => label === undefined || facts.label === label);
  }

  answer(call: Call, next: Handler, space: string): Promise<Reply> {
    const { method } = call.operation;
    if (method !== 'GET' && method !== 'HEAD') return READS.has(method) ? next(call) : this.#write(call, next);
    const asked = this.#asked(call, next, space);
    return asked === undefined ? next(call) : this.#attend(asked);
  }

  /** Whatever comes of it: a write that failed may have been done. */
  async #write(call: Call, next: Handler): Promise<Reply> {
    try {
      return await next(call);
    } finally {
      const resource = this.#resourceOf(call);
      if (resource !== undefined) {
        this.#ground((flight) => flight.resource === resource);
        this.#kept.store.deleteResource(resource);
      }
    }
  }

  #resourceOf(call: Call): string | undefined {
    const { key } = this.#rules;
    return key === undefined ? resourceOf(call) : key(call);
  }

  #asked(call: Call, next: Handler, space: string): Asked | undefined {
    const { shared, identity, vary, cacheControl } = this.#rules;
    if (!mayBeCached(call)) return undefined;
    const wants = parseCacheControl(call.side === 'client' && cacheControl ? call.header('cache-control') : undefined);
    if (wants.noStore) return undefined;
    const who = shared ? '' : identity === undefined ? identityOf(call) : identity(call);
    const resource = this.#resourceOf(call);
    if (who === undefined || resource === undefined) return undefined;
    return { call, next, resource, key: `${space} ${keyOf(call, resource, vary, who)}`, wants, ifNoneMatch: call.header('if-none-match'), round: 1 };
  }

  #attend(asked: Asked): Promise<Reply> {
    const { call, wants } = asked;
    const now = this.#rules.clock.now();
    const place = this.#kept.find(asked, now);
    const { kept } = place;
    if (kept !== undefined && !wants.noCache && kept.ageMs(now) <= (wants.maxAgeMs ?? Infinity)) {
      if (now + (wants.minFreshMs ?? 0) < kept.freshUntil()) {
        this.#hits++;
        this.#tell('hit', call);
        return this.#copy(asked, kept, now);
      }
      if (wants.minFreshMs === undefined && now < kept.freshUntil() + kept.terms.staleWhileRevalidateMs) {
        this.#refresh(asked, place, kept, now);
        return this.#giveStale(asked, kept, now, { why: 'revalidating' });
      }
    }
    if (wants.onlyIfCached)
      return Promise.reject(
        refusal('UNAVAILABLE', `${call.label}: nothing fresh is kept`, { status: 504, reason: REASONS.notCached, retryable: false }),
      );
    if (call.aborted) return Promise.reject(call.reason);
    if (place.notShared) return this.#alone(asked);
    const flight = this.#flying(place.key) ?? this.#depart(asked, place, call.deadline, false);
    return flight.board(call, now).then(
      (landing) => this.#arrived(asked, kept, flight, landing),
      (reason: unknown) => this.#failed(asked, kept, reason),
    );
  }

  #depart(asked: Asked, { key, kept }: Place, deadline: number | undefined, background: boolean): Flight {
    const { call, resource } = asked;
    const validators = kept?.error === undefined ? kept?.validators : undefined;
    const flight = new Flight(resource, call.label, call, unconditional(call, validators), this.#wheel, deadline, background);
    this.#flights.set(key, flight);
    flight.depart(asked.next, async (settled) => {
      try {
        return await ('reply' in settled
          ? this.#kept.judge(asked, flight, settled.reply, validators && kept)
          : this.#kept.judgeFailure(asked, flight, settled.error));
      } finally {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      }
    });
    return flight;
  }

  /** The fetch that one may join: not one that was aborted, although it has not noticed. */
  #flying(key: string): Flight | undefined {
    const flight = this.#flights.get(key);
    return flight === undefined || flight.call.aborted ? undefined : flight;
  }

  #refresh(asked: Asked, place: Place, kept: CachedReply, now: number): void {
    if (now < kept.restUntil || this.#flying(place.key) !== undefined) return;
    kept.restUntil = now + REST_MS; // if it fails; if not, another takes its place
    this.#depart(asked, place, now + this.#rules.refreshTimeoutMs, true);
  }

  #arrived(asked: Asked, kept: CachedReply | undefined, flight: Flight, landing: Landing): Promise<Reply> {
    const { call } = asked;
    const mine = flight.isFor(call);
    if (landing.kind === 'failed') {
      const { deadline } = flight.call;
      const outOfTime = isServiceError(landing.error) && landing.error.code === 'DEADLINE_EXCEEDED';
      // The time of whoever began it was over, not this caller's.
      if (!mine && outOfTime && deadline !== undefined && (call.deadline ?? Infinity) > deadline) return this.#again(asked);
      return this.#failed(asked, kept, landing.error);
    }
    const { status } = landing.reply;
    if (status >= 500 && kept !== undefined && this.#mayHelp(kept)) {
      if (landing.kind === 'own' && mine) discard(landing.reply);
      return this.#giveStale(asked, kept, this.#rules.clock.now(), { why: 'error' });
    }
    if (landing.kind === 'own') {
      if (!mine) return this.#alone(asked);
      this.#misses++;
      this.#tell('miss', call);
      followCall(landing.reply, call, flight);
      return Promise.resolve(landing.reply);
    }
    const { names, reply, original } = landing;
    if (!mine && names.length > 0 && variantOf(call, '', names) !== variantOf(flight.call, '', names)) return this.#again(asked);
    if (mine) this.#misses++;
    else this.#shared++;
    this.#tell(mine ? 'miss' : 'shared', call);
    return mine && original !== undefined && asked.ifNoneMatch === undefined
      ? Promise.resolve(original)
      : this.#copy(asked, reply, this.#rules.clock.now());
  }

  #failed(asked: Asked, kept: CachedReply | undefined, error: unknown): Promise<Reply> {
    const { call } = asked;
    if (kept !== undefined && !call.aborted && isOutage(error, call) && this.#mayHelp(kept))
      return this.#giveStale(asked, kept, this.#rules.clock.now(), { why: 'error', error });
    this.#misses++;
    this.#tell('miss', call);
    return Promise.reject(error);
  }

  #mayHelp(kept: CachedReply): boolean {
    return kept.error === undefined && this.#rules.clock.now() < kept.freshUntil() + kept.terms.staleIfErrorMs;
  }

  #giveStale(asked: Asked, kept: CachedReply, now: number, more: Pick<ReplyCacheEvent, 'why' | 'error'>): Promise<Reply> {
    this.#stale++;
    this.#tell('stale', asked.call, more);
    return this.#copy(asked, kept, now);
  }

  #again(asked: Asked): Promise<Reply> {
    return asked.round >= MOST_ROUNDS ? this.#alone(asked) : this.#attend({ ...asked, round: asked.round + 1 });
  }

  #alone({ call, next }: Asked): Promise<Reply> {
    this.#misses++;
    this.#tell('miss', call);
    return next(call);
  }

  async #copy({ ifNoneMatch }: Asked, kept: CachedReply, now: number): Promise<Reply> {
    return conditional(kept.reply(now), ifNoneMatch);
  }

  /** Nobody joins these any more, and what they bring is not kept. */
  #ground(which: (flight: Flight) => boolean): void {
    for (const [key, flight] of this.#flights) {
      if (!which(flight)) continue;
      flight.keepable = false;
      this.#flights.delete(key);
    }
  }

  #tell(kind: ReplyCacheEvent['kind'], { label }: Call, more?: Pick<ReplyCacheEvent, 'why' | 'error'>): void {
    const { on } = this.#rules;
    if (on !== undefined) notify(on, { kind, label, ...more });
  }
}
