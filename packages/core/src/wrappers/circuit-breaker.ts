import type { Attempt } from '../call/call.js';
import { REASONS, refusal } from '../errors/service-error.js';
import type { ServiceError } from '../errors/service-error.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { checkFunction, checkOptions, notify, positiveMs, share, wholeNumber } from './options.js';
import { RollingCounts } from './rolling-counts.js';
import { verdictOn } from './verdict.js';
import type { Verdict } from './verdict.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface CircuitBreakerOptions {
  /** The share of failed calls from which it opens. Default 0.5. */
  readonly threshold?: number;
  /** How many calls there must be in the window before the share says anything. Default 20. */
  readonly minimumCalls?: number;
  /** How far back it looks. Default 10 s, in ten buckets. */
  readonly window?: Duration;
  /** How long it stays open the first time; twice as long each time its trials fail. Default 5 s. */
  readonly openFor?: Duration;
  /** It never stays open for longer. Default 60 s. */
  readonly maxOpenFor?: Duration;
  /** How many calls are let through when half-open, to find out. Default 3. */
  readonly trials?: number;
  /** How long a trial may keep its permit without a result, the call's own deadline if that is nearer; then another call gets it. Default 10 s. */
  readonly trialTimeout?: Duration;
  /** What a failure says. Default: 5xx, 408, 425, 429 and unknown errors `failed`, other 4xx `answered`, cancellations and own refusals `nothing`. One that throws counts as `failed`. */
  readonly verdict?: (error: unknown, attempt: Attempt) => Verdict;
  /** Hears of every change of state. */
  readonly on?: (event: CircuitEvent) => void;
  /** For messages, when it guards more than one operation. Default: the label of the call. */
  readonly name?: string;
  readonly clock?: Clock;
}

export type CircuitState = 'closed' | 'open' | 'half-open';

export interface CircuitEvent {
  readonly from: CircuitState;
  readonly to: CircuitState;
  /** The results that decided it: those of the window, or of the trials. */
  readonly succeeded: number;
  readonly failed: number;
  /** When it opens: for how long. */
  readonly openForMs?: number;
}

export interface CircuitBreaker extends Policy {
  /** An open one turns half-open with the first call after its time, not by itself. */
  readonly state: CircuitState;
}

/**
 * Stops calling what fails. Closed, it counts; once at least `minimumCalls` were made in the window and `threshold` of them failed,
 * it opens and refuses every call without making it. After `openFor` it is half-open: `trials` calls go through, and as soon as
 * their results decide it, it closes, or opens again for twice as long. All handlers that one breaker wraps share its state.
 *
 * A result counts only in the state in which its call began. A cancelled call, a refusal of our own and a call that was not started
 * for want of time say nothing; a client error says that the other side works. A timeout outside of the breaker counts once
 * the work has settled, so work that ignores its signal belongs with a timeout inside of the breaker.
 *
 * @throws ServiceError UNAVAILABLE, reason `CIRCUIT_OPEN`, with `retryAfterMs`
 * @throws TypeError at construction, for an option that makes no sense
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  const circuit = new Circuit(options);
  const policy: Policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    (call: C) => {
      const admission = circuit.admit(call);
      return admission instanceof Error ? Promise.reject(admission) : watched(circuit, admission, call, next);
    };
  Object.defineProperty(policy, 'state', { get: () => circuit.state, enumerable: true });
  return named({ name: 'circuitBreaker' }, policy) as CircuitBreaker;
}

async function watched<C extends Attempt, R>(circuit: Circuit, admission: Admission, call: C, next: (call: C) => Promise<R>): Promise<R> {
  let result: R;
  try {
    result = await next(call);
  } catch (error) {
    circuit.failed(admission, error, call);
    throw error;
  }
  circuit.settle(admission, 'answered');
  return result;
}

/** One of the calls that decide in half-open; it holds a permit until its result or until `expiresAt`. */
interface Trial {
  readonly expiresAt: number;
}

/** Admissions while closed are numbered by the epoch, which moves with each change of state. */
type Admission = number | Trial;

class Circuit {
  state: CircuitState = 'closed';
  readonly #threshold: number;
  readonly #minimumCalls: number;
  readonly #openForMs: number;
  readonly #maxOpenForMs: number;
  readonly #trials: number;
  readonly #trialTimeoutMs: number;
  readonly #verdict: (error: unknown, attempt: Attempt) => Verdict;
  readonly #on: ((event: CircuitEvent) => void) | undefined;
  readonly #name: string | undefined;
  readonly #clock: Clock;
  readonly #window: RollingCounts;
  readonly #running = new Set<Trial>();
  #epoch = 0;
  #openings = 0;
  #openUntil = 0;
  #trialsSucceeded = 0;
  #trialsFailed = 0;

  constructor(options: CircuitBreakerOptions) {
    checkOptions('circuitBreaker', options, [
      'threshold',
      'minimumCalls',
      'window',
      'openFor',
      'maxOpenFor',
      'trials',
      'trialTimeout',
      'verdict',
      'on',
      'name',
      'clock',
    ]);
    checkFunction(options.verdict, 'circuitBreaker verdict');
    checkFunction(options.on, 'circuitBreaker on');
    this.#threshold = share(options.threshold ?? 0.5, 'circuitBreaker threshold');
    this.#minimumCalls = wholeNumber(options.minimumCalls ?? 20, 'circuitBreaker minimumCalls', 1);
    this.#window = new RollingCounts(positiveMs(options.window ?? '10s', 'circuitBreaker window'), 10);
    this.#openForMs = positiveMs(options.openFor ?? '5s', 'circuitBreaker openFor');
    this.#maxOpenForMs = positiveMs(options.maxOpenFor ?? Math.max(60_000, this.#openForMs), 'circuitBreaker maxOpenFor');
    if (this.#maxOpenForMs < this.#openForMs) {
      throw new TypeError(`circuitBreaker maxOpenFor: ${this.#maxOpenForMs} ms is below openFor, ${this.#openForMs} ms. Give openFor or more.`);
    }
    this.#trials = wholeNumber(options.trials ?? 3, 'circuitBreaker trials', 1);
    this.#trialTimeoutMs = positiveMs(options.trialTimeout ?? '10s', 'circuitBreaker trialTimeout');
    this.#verdict = options.verdict ?? verdictOn;
    this.#on = options.on;
    this.#name = options.name;
    this.#clock = options.clock ?? systemClock;
  }

  /** Lets the call through, or gives the refusal; it is not thrown, which would cost as much again as making it. */
  admit(call: Attempt): Admission | ServiceError {
    if (this.state === 'closed') return this.#epoch;
    const now = this.#clock.now();
    if (this.state === 'open') {
      if (now < this.#openUntil) return this.#refusal(call, this.#openUntil - now);
      this.#trialsSucceeded = this.#trialsFailed = 0;
      this.#change('half-open', 0, 0);
    }
    return this.#admitTrial(call, now);
  }

  failed(admission: Admission, error: unknown, call: Attempt): void {
    let verdict: Verdict = 'failed';
    try {
      verdict = this.#verdict(error, call);
    } catch {
      // The caller is owed the error of its call, not one of the verdict; and what nobody can judge is no success.
    }
    this.settle(admission, verdict);
  }

  settle(admission: Admission, verdict: Verdict): void {
    if (typeof admission !== 'number') this.#settleTrial(admission, verdict);
    else if (admission === this.#epoch && verdict !== 'nothing') this.#count(verdict);
  }

  #count(verdict: Verdict): void {
    const now = this.#clock.now();
    const window = this.#window;
    if (verdict === 'failed') window.addBad(now);
    else window.addGood(now);
    const { good, bad } = window;
    if (good + bad >= this.#minimumCalls && bad >= this.#threshold * (good + bad)) this.#open(now, good, bad);
  }

  #admitTrial(call: Attempt, now: number): Trial | ServiceError {
    let freeAt = Infinity;
    for (const trial of this.#running) {
      if (trial.expiresAt <= now) this.#running.delete(trial);
      else freeAt = Math.min(freeAt, trial.expiresAt);
    }
    if (this.#running.size + this.#trialsSucceeded + this.#trialsFailed >= this.#trials) return this.#refusal(call, freeAt - now);
    const trial: Trial = { expiresAt: Math.min(now + this.#trialTimeoutMs, Math.max(call.deadline ?? Infinity, now + 1)) };
    this.#running.add(trial);
    return trial;
  }

  #settleTrial(trial: Trial, verdict: Verdict): void {
    if (!this.#running.delete(trial)) return; // its permit had expired, or the state has changed since
    if (verdict === 'nothing') return;
    if (verdict === 'failed') this.#trialsFailed++;
    else this.#trialsSucceeded++;
    const needed = this.#threshold * this.#trials;
    if (this.#trialsFailed >= needed) this.#open(this.#clock.now(), this.#trialsSucceeded, this.#trialsFailed);
    else if (this.#trials - this.#trialsSucceeded < needed) this.#close();
  }

  #open(now: number, succeeded: number, failed: number): void {
    const openForMs = Math.min(this.#openForMs * 2 ** this.#openings, this.#maxOpenForMs);
    this.#openings++;
    this.#openUntil = now + openForMs;
    this.#change('open', succeeded, failed, openForMs);
  }

  #close(): void {
    this.#openings = 0;
    this.#window.clear();
    this.#change('closed', this.#trialsSucceeded, this.#trialsFailed);
  }

  #change(to: CircuitState, succeeded: number, failed: number, openForMs?: number): void {
    const from = this.state;
    this.state = to;
    this.#epoch++;
    this.#running.clear();
    notify(this.#on, { from, to, succeeded, failed, ...(openForMs !== undefined && { openForMs }) });
  }

  #refusal(call: Attempt, retryAfterMs: number): ServiceError {
    const what = this.state === 'open' ? 'too many calls failed' : 'a trial is on its way';
    return refusal('UNAVAILABLE', `${this.#name ?? call.label}: circuit ${this.state}, ${what}. Next try in ${Math.ceil(retryAfterMs)} ms`, {
      reason: REASONS.circuitOpen,
      retryAfterMs,
    });
  }
}
