import type { Ejector } from './ejector.js';
import type { Endpoint } from './endpoint.js';
import type { Health } from './health.js';
import type { Outcome } from './outcome.js';
import { TimedHeap } from './timed-heap.js';

/** How much longer than the attempt timeout a probe may take: the timeout has to be heard as a failure before the permit counts as lost. */
const PROBE_GRACE = 1.1;

/**
 * Ejects and readmits the endpoints of one service:
 *
 *     ready       too many failures → ejected; overload with Retry-After → overloaded
 *     overloaded  its time is over → ready
 *     ejected     its time is over → half-open
 *     half-open   a call takes the one permit → probing
 *     probing     that call succeeds → ready, starting slowly; fails → ejected, twice as long;
 *                 was cancelled, or gave no result in time → half-open
 *     all that is out: whoever called it failing says that it works again → ready, starting slowly
 *
 * While it is out, calls that a panic sends there may bring it back (a success is a success) and never keep it out longer; so may a probe that
 * answers after its permit was given up, or an endpoint slower than that would never return.
 * Ejections double as long as somebody else is in service. A result that began before an ejection changes nothing. No timers: `wake` moves whoever is due, and `nextDue` says when it has to be called.
 */
export class Ejection {
  /** When the next state ends by itself; Infinity when none does. */
  nextDue: number = Infinity;
  readonly #timed = new TimedHeap<Health>();
  #total = 0;
  #refused = 0;
  #ejected = 0;

  /** `changed` hears of every endpoint whose state has changed, synchronously. */
  constructor(
    readonly settings: Ejector,
    readonly random: () => number,
    readonly changed: (endpoint: Endpoint) => void,
  ) {}

  /** An endpoint has come. */
  add(): void {
    this.#total++;
  }

  /** An endpoint has left: what is still under way there changes nothing any more. */
  remove(endpoint: Endpoint): void {
    const { health } = endpoint;
    if (health.gone) return;
    health.gone = true;
    this.#total--;
    this.#countOut(health, -1);
    this.#timed.remove(health);
    this.#updateNext();
  }

  /** Ends the states that have ended by `now`. */
  wake(now: number): void {
    for (let health = this.#timed.top; health !== undefined && health.at <= now; health = this.#timed.top) {
      if (health.state === 'overloaded') this.#move(health, 'ready', Infinity);
      else this.#move(health, 'half-open', health.at);
    }
  }

  /** Takes the one permit of a half-open endpoint: the call that starts there now is its probe. Returns the permit's number, from 1. */
  probe(endpoint: Endpoint, now: number): number {
    const { health } = endpoint;
    this.#move(health, 'probing', now + this.settings.probeTimeoutMs * PROBE_GRACE);
    return ++health.permit;
  }

  succeeded(endpoint: Endpoint, epoch: number, now: number): void {
    const { health } = endpoint;
    if (health.gone || health.epoch !== epoch) return;
    if (isIn(health)) {
      health.consecutive = 0;
      this.#count(health, 1, now);
      return;
    }
    this.#return(health, now);
  }

  /**
   * Somebody beside us who called it failing (an active check, its registry) says that it works again. That ends an ejection, as an active health
   * check does in Envoy; what calls began before says nothing any more. In service or not, its share grows from the beginning: it had none.
   * One that was ejected while all others called it well waits for its probe: a check that never saw the failure cannot tell that it is over.
   */
  recovered(endpoint: Endpoint, now: number): void {
    const { health } = endpoint;
    if (isIn(health)) {
      this.startSlowly(endpoint, now);
    } else {
      health.epoch++;
      this.#return(health, now);
    }
  }

  /** The call failed; `permit` is the number of its permit, 0 when it was no probe. */
  failed(endpoint: Endpoint, epoch: number, permit: number, outcome: Outcome, now: number): void {
    const { health } = endpoint;
    if (health.gone || health.epoch !== epoch) return;
    const { settings } = this;
    const refused = outcome.kind === 'refused';
    const leaveForMs = outcome.kind === 'overload' ? Math.min(outcome.retryAfterMs ?? 0, settings.longestRetryAfterMs) : 0;
    if (!isIn(health)) {
      if (health.state !== 'probing' || permit !== health.permit) return;
      // One that is busy does work: it is asked again when it said so, and not punished with a longer ejection.
      if (leaveForMs > 0) this.#move(health, 'ejected', now + leaveForMs);
      else this.#eject(health, refused, now);
      return;
    }
    this.#count(health, 0, now);
    if (outcome.kind !== 'overload') health.consecutive++;
    const tripped =
      health.consecutive >= settings.consecutive || (health.total >= settings.minResults && health.ok < settings.successBelow * health.total);
    if (tripped && (refused || this.#ejected < this.#mostEjected())) {
      health.level = Math.max(0, health.level - Math.floor(Math.max(0, now - health.returnedAt) / settings.windowMs));
      this.#eject(health, refused, now);
    } else if (leaveForMs > 0) {
      this.#move(health, 'overloaded', health.state === 'overloaded' ? Math.max(health.at, now + leaveForMs) : now + leaveForMs);
    }
  }

  /** The call was cancelled: that says nothing, but gives the permit back. */
  cancelled(endpoint: Endpoint, epoch: number, permit: number, now: number): void {
    const { health } = endpoint;
    if (health.state === 'probing' && permit === health.permit && health.epoch === epoch && !health.gone) this.#move(health, 'half-open', now);
  }

  #return(health: Health, now: number): void {
    this.#countOut(health, -1);
    health.refused = false;
    health.returnedAt = now;
    this.startSlowly(health.endpoint, now);
    this.#move(health, 'ready', Infinity);
  }

  /** It had no share, or none that was known, and gets one from now on. */
  startSlowly(endpoint: Endpoint, now: number): void {
    if (this.settings.slowStartMs > 0) endpoint.startSlowly(now, this.settings.slowStartMs);
  }

  #eject(health: Health, refused: boolean, now: number): void {
    const { baseMs, maxMs, jitter } = this.settings;
    this.#countOut(health, -1);
    health.refused = refused;
    health.epoch++;
    health.consecutive = health.ok = health.total = 0;
    // A long ejection spares calls. With all others out as well it spares none, and the first to return would carry everything until it is over.
    const sparesCalls = this.#refused + this.#ejected < this.#total - 1;
    const lengthMs = (sparesCalls ? Math.min(baseMs * 2 ** health.level, maxMs) : baseMs) * (1 - jitter + 2 * jitter * this.random());
    // Past the longest ejection, more doublings would only take longer to forgive.
    if (sparesCalls && baseMs * 2 ** health.level < maxMs) health.level++;
    this.#move(health, 'ejected', now + lengthMs);
    this.#countOut(health, 1);
  }

  /** How many may be out for failures, of those that listen. One may, unless it is the only one. */
  #mostEjected(): number {
    const listening = this.#total - this.#refused;
    return Math.max(listening > 1 ? 1 : 0, Math.floor(this.settings.maxEjected * listening));
  }

  #countOut(health: Health, by: 1 | -1): void {
    if (isIn(health)) return;
    if (health.refused) this.#refused += by;
    else this.#ejected += by;
  }

  #count(health: Health, ok: 0 | 1, now: number): void {
    const kept = Math.exp(Math.min(0, health.countedAt - now) / this.settings.windowMs);
    health.ok = health.ok * kept + ok;
    health.total = health.total * kept + 1;
    health.countedAt = now;
  }

  #move(health: Health, state: Health['state'], at: number): void {
    health.state = state;
    health.at = at;
    if (state === 'ready' || state === 'half-open') this.#timed.remove(health);
    else this.#timed.put(health);
    this.#updateNext();
    this.changed(health.endpoint);
  }

  #updateNext(): void {
    this.nextDue = this.#timed.top?.at ?? Infinity;
  }
}

/** Whether it is in service, if only later. */
function isIn(health: Health): boolean {
  return health.state === 'ready' || health.state === 'overloaded';
}
