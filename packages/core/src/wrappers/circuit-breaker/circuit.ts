import type { Attempt } from '../../call/call.js';
import { REASONS, refusal } from '../../errors/service-error.js';
import type { ServiceError } from '../../errors/service-error.js';
import { AdaptiveThreshold } from './adaptive.js';
import type { Circuit, CircuitState, CircuitTransition, SingleCircuitStats } from './contract.js';
import type { CircuitSettings } from './options.js';
import type { CircuitSnapshot } from './snapshot.js';
import type { Tally } from './tally.js';
import { Trials } from './trials.js';
import type { Trial } from './trials.js';
import type { ResultWindow } from './window.js';
import { notify } from '../options.js';
import type { Verdict } from '../verdict.js';

/** While closed, the epoch, which moves with each change of state; a trial while half-open; UNJUDGED while disabled. */
export type Admission = number | Trial;

const UNJUDGED = -1;

/** The state machine. It has no timers: whatever time changes, the next call or reader finds out. */
export class CallCircuit implements Circuit {
  readonly #settings: CircuitSettings;
  readonly #tally: Tally;
  readonly #key: string | undefined;
  readonly #window: ResultWindow;
  readonly #adaptive: AdaptiveThreshold | undefined;
  readonly #trials: Trials;
  #state: CircuitState = 'closed';
  #epoch = 0;
  #threshold: number;
  #consecutiveLimit: number;
  #consecutive = 0;
  #openings = 0;
  #openForMs = 0;
  #openUntil = 0;

  constructor(settings: CircuitSettings, tally: Tally, key?: string) {
    const { threshold, consecutive, adaptive } = settings;
    this.#settings = settings;
    this.#tally = tally;
    this.#key = key;
    this.#window = settings.makeWindow();
    this.#trials = new Trials(settings.trials, settings.successes, settings.trialTimeoutMs);
    this.#threshold = threshold;
    this.#consecutiveLimit = consecutive;
    this.#adaptive = adaptive && new AdaptiveThreshold(adaptive, threshold, consecutive);
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** Whether giving it up would let calls through that it refuses, or forget what was set by hand. */
  isHeld(now: number): boolean {
    switch (this.#state) {
      case 'closed':
        return false;
      case 'open':
        return now < this.#openUntil;
      case 'half-open':
        return this.#trials.taken(now) > 0;
      default:
        return true;
    }
  }

  /** Lets the call through, or gives the refusal; it is not thrown, which would cost as much again as making it. */
  admit(call: Attempt): Admission | ServiceError {
    if (this.#state === 'closed') return this.#epoch;
    if (this.#state === 'disabled') return UNJUDGED;
    if (this.#state === 'forced-open') return this.#refusal(call, 'by hand');
    const now = this.#settings.clock.now();
    if (this.#state === 'half-open') return this.#admitTrial(call, now);
    if (this.#openUntil - now > this.#openForMs) this.#openUntil = now + this.#openForMs; // time has gone back
    if (now < this.#openUntil) return this.#refusal(call, 'too many calls failed', this.#openUntil - now);
    this.#change('half-open', 'waited');
    return this.admit(call); // whoever was told of it may have changed the state again
  }

  /** When the call that was let through begins, undefined when nobody needs to know how long it takes. */
  begins(): number | undefined {
    return this.#settings.measuresAll || this.#tally.latencies.wants() ? this.#settings.clock.now() : undefined;
  }

  succeeded(admission: Admission, beganAt: number | undefined): void {
    this.#settle(admission, false, beganAt);
  }

  failed(admission: Admission, beganAt: number | undefined, error: unknown, call: Attempt): void {
    let verdict: Verdict = 'failed';
    try {
      verdict = this.#settings.verdict(error, call);
    } catch {
      // The caller is owed the error of its call, not one of the verdict; and what nobody can judge is no success.
    }
    if (verdict !== 'nothing') return this.#settle(admission, verdict === 'failed', beganAt);
    this.#tally.countIgnored();
    if (typeof admission !== 'number') this.#trials.release(admission);
  }

  /** Begins in a state that was set by hand before it was made: no change that anybody is told of. */
  begin(state: 'forced-open' | 'disabled'): void {
    this.#state = state;
  }

  open(): void {
    this.#force('forced-open');
  }

  close(): void {
    this.#openings = 0;
    this.#clear();
    this.#force('closed');
  }

  disable(): void {
    this.#force('disabled');
  }

  reset(): void {
    this.#tally.latencies.clear();
    this.#adaptive?.restore(0);
    this.#readLimits();
    this.close();
  }

  stats(): SingleCircuitStats {
    const now = this.#settings.clock.now();
    const window = this.#window;
    window.moveTo(this.#recent());
    return {
      state: this.#state,
      ...this.#tally.counts(now),
      windowCalls: window.calls,
      failureRate: window.calls === 0 ? 0 : window.failed / window.calls,
      slowRate: window.calls === 0 ? 0 : window.slow / window.calls,
      threshold: this.#threshold,
      consecutive: this.#consecutiveLimit,
      trials: this.#trials.taken(now),
    };
  }

  snapshot(): CircuitSnapshot {
    const { clock } = this.#settings;
    const now = clock.now();
    return {
      version: 1,
      takenAt: clock.wallTime(),
      state: this.#state,
      openForMs: this.#state === 'open' ? Math.min(Math.max(0, this.#openUntil - now), this.#openForMs) : 0,
      openings: this.#openings,
      consecutive: this.#consecutive,
      adapted: this.#adaptive?.level ?? 0,
      window: this.#window.snapshot(this.#recent()),
    };
  }

  /** Only for one that has had no calls yet. */
  restore(snapshot: CircuitSnapshot): void {
    const { clock, maxOpenForMs } = this.#settings;
    const now = clock.now();
    const ageMs = Math.max(0, clock.wallTime() - snapshot.takenAt);
    this.#state = snapshot.state === 'half-open' ? 'open' : snapshot.state;
    this.#openings = snapshot.openings;
    this.#consecutive = snapshot.consecutive;
    this.#openForMs = Math.min(Math.max(0, snapshot.openForMs - ageMs), maxOpenForMs);
    this.#openUntil = now + this.#openForMs;
    this.#adaptive?.restore(snapshot.adapted);
    this.#readLimits();
    this.#window.restore(snapshot.window, ageMs, this.#recent());
  }

  #settle(admission: Admission, failed: boolean, beganAt: number | undefined): void {
    const { clock, slowCallMs } = this.#settings;
    const now = beganAt !== undefined || clock.recent === undefined ? clock.now() : NaN;
    const latencyMs = beganAt === undefined ? NaN : Math.max(0, now - beganAt);
    const slow = latencyMs >= slowCallMs;
    this.#tally.count(failed ? 'failed' : 'succeeded', latencyMs, slow, now);
    if (typeof admission === 'number') {
      if (admission === this.#epoch) this.#count(failed, slow, latencyMs, clock.recent?.() ?? now);
    } else if (this.#trials.settle(admission, failed, slow)) {
      this.#judgeTrials(failed, latencyMs, clock.now());
    }
  }

  /** For the window, which never gets exact readings beside these: by those, they go back in time, which moves its buckets. */
  #recent(): number {
    const { clock } = this.#settings;
    return clock.recent?.() ?? clock.now();
  }

  #count(failed: boolean, slow: boolean, latencyMs: number, recent: number): void {
    const window = this.#window;
    window.add(failed, slow, recent);
    this.#consecutive = failed ? this.#consecutive + 1 : 0;
    if (this.#adaptive !== undefined && !this.#adapt(this.#adaptive, failed, latencyMs)) return;
    if (this.#consecutive >= this.#consecutiveLimit) return this.#trip('consecutive-failures', window);
    const { calls } = window;
    if (calls < this.#settings.minimumCalls) return;
    // Shares such as 0.55 have no exact binary form: 55 of 100 would be short of it.
    if (window.failed >= this.#threshold * calls - 1e-9) this.#trip('failure-rate', window);
    else if (window.slow >= this.#settings.slowThreshold * calls - 1e-9) this.#trip('slow-rate', window);
  }

  #trip(reason: CircuitTransition['reason'], { calls, failed, slow }: ResultWindow): void {
    this.#open(reason, this.#settings.clock.now(), calls - failed, failed, slow);
  }

  #admitTrial(call: Attempt, now: number): Admission | ServiceError {
    for (let expired = this.#trials.expire(now); expired > 0; expired--) {
      if (!this.#judgeTrials(true, this.#settings.trialTimeoutMs, now)) return this.admit(call);
    }
    return this.#trials.admit(call, now) ?? this.#refusal(call, 'a trial is on its way', this.#trials.freeInMs(now));
  }

  /** After the result of a trial. False when the state has changed. */
  #judgeTrials(failed: boolean, latencyMs: number, now: number): boolean {
    if (this.#adaptive !== undefined && !this.#adapt(this.#adaptive, failed, latencyMs)) return false;
    const { decision, succeeded, failed: bad, slow } = this.#trials;
    if (decision === undefined) return true;
    if (decision === 'failed') {
      this.#open('trials-failed', now, succeeded, bad, slow);
    } else {
      this.#openings = 0;
      this.#clear();
      this.#change('closed', 'trials-succeeded', succeeded, bad, slow);
    }
    return false;
  }

  #open(reason: CircuitTransition['reason'], now: number, succeeded: number, failed: number, slow: number): void {
    this.#openForMs = this.#settings.openForMs(this.#openings);
    this.#openings++;
    this.#openUntil = now + this.#openForMs;
    this.#change('open', reason, succeeded, failed, slow, this.#openForMs);
  }

  #force(state: CircuitState): void {
    if (this.#state === state) this.#begin(); // without a change nobody is told of one
    else this.#change(state, 'manual');
  }

  #clear(): void {
    this.#window.clear();
    this.#consecutive = 0;
  }

  /** From here on no result of a call that is on its way counts. */
  #begin(): void {
    this.#epoch++;
    this.#trials.clear();
  }

  #change(to: CircuitState, reason: CircuitTransition['reason'], succeeded = 0, failed = 0, slow = 0, openForMs?: number): void {
    const from = this.#state;
    this.#state = to;
    this.#begin();
    this.#tally.countTransition();
    if (this.#settings.on === undefined) return;
    const opening = openForMs === undefined ? {} : { openForMs };
    notify(this.#settings.on, { kind: 'transition', from, to, reason, succeeded, failed, slow, ...opening, ...this.#keyed() });
  }

  /** Records the result; false when whoever was told of new limits has changed the state. */
  #adapt(adaptive: AdaptiveThreshold, failed: boolean, latencyMs: number): boolean {
    const reason = adaptive.add(failed, latencyMs);
    if (reason === undefined) return true;
    this.#readLimits();
    const epoch = this.#epoch;
    const consecutive = this.#consecutiveLimit === Infinity ? {} : { consecutive: this.#consecutiveLimit };
    notify(this.#settings.on, { kind: 'adaptation', reason, threshold: this.#threshold, ...consecutive, ...this.#keyed() });
    return epoch === this.#epoch;
  }

  #readLimits(): void {
    if (this.#adaptive === undefined) return;
    this.#threshold = this.#adaptive.threshold;
    this.#consecutiveLimit = this.#adaptive.consecutive;
  }

  #keyed(): { readonly key?: string } {
    return this.#key === undefined ? {} : { key: this.#key };
  }

  #refusal(call: Attempt, why: string, retryAfterMs?: number): ServiceError {
    this.#tally.countRejected();
    const what = `${this.#settings.name ?? call.label}: circuit ${this.#state}, ${why}`;
    if (retryAfterMs === undefined) return refusal('UNAVAILABLE', what, { reason: REASONS.circuitOpen });
    return refusal('UNAVAILABLE', `${what}. Next try in ${Math.ceil(retryAfterMs)} ms`, { reason: REASONS.circuitOpen, retryAfterMs });
  }
}
