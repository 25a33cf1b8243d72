import type { Attempt } from '../call/call.js';
import { REASONS, refusal } from '../errors/service-error.js';
import type { ServiceError } from '../errors/service-error.js';
import type { Clock } from '../time/clock.js';
import { QueuedTimer, TimerQueue } from '../time/timer-queue.js';
import { rejected } from './rejected.js';

/** What is told of calls that met with a limit on open work. Those that find a permit free are told of to nobody. */
export interface PermitEvent {
  /**
   * `queued`: it waits; `admitted`: it has waited and begins; `rejected`: no place in the queue, or it waited too long; `expired`: its deadline
   * had passed when its turn came; `aborted`: it was given up while it waited.
   */
  readonly kind: 'queued' | 'admitted' | 'rejected' | 'expired' | 'aborted';
  readonly label: string;
  readonly active: number;
  readonly queued: number;
  /** 0 for one that did not wait. */
  readonly waitedMs: number;
}

export interface PermitRules {
  readonly clock: Clock;
  /** How many may wait, asked for each call that finds no permit. */
  readonly places: () => number;
  /** Undefined: until its turn, its deadline or its abort. */
  readonly maxWaitMs: number | undefined;
  readonly refuse: (call: Attempt) => ServiceError;
  readonly tell: ((event: PermitEvent) => void) | undefined;
}

/**
 * Permits for work that is open, and the calls that wait for one, first come, first served: what `bulkhead` and `concurrencyLimit` have in common.
 * A permit is given back when the work has really ended. A waiter holds one listener for its abort, and one entry in a queue of timers
 * when the wait is bounded; both are taken back when it leaves, whichever way.
 */
export class Permits {
  active = 0;
  /** Calls that were let through, at once or after a wait. */
  admitted = 0;
  /** Calls refused for want of a permit, those whose wait was too long included. */
  rejected = 0;
  /** Calls whose deadline had passed when their turn came. */
  expired = 0;
  #limit: number;
  readonly #rules: PermitRules;
  readonly #waiting = new Set<Waiter>(); // in the order of arrival; deleting from the middle is constant work
  readonly #timers: TimerQueue | undefined;
  readonly #release = (): void => {
    if (this.active > this.#limit || !this.#handOver()) this.active--;
  };

  constructor(limit: number, rules: PermitRules) {
    this.#limit = limit;
    this.#rules = rules;
    if (rules.maxWaitMs !== undefined) this.#timers = new TimerQueue(rules.maxWaitMs, rules.clock);
  }

  get queued(): number {
    return this.#waiting.size;
  }

  get limit(): number {
    return this.#limit;
  }

  /** What is open above a lower limit stays so until it ends; a higher one lets waiters in at once. */
  set limit(limit: number) {
    this.#limit = limit;
    while (this.active < limit) {
      this.active++; // before anybody is told, who may begin a call of his own
      if (this.#handOver()) continue;
      this.active--;
      break;
    }
  }

  /** Begins the work of `call` once it has a permit, or refuses it. */
  run<C extends Attempt, R>(call: C, next: (call: C) => Promise<R>): Promise<R> {
    if (this.active < this.#limit) {
      this.active++;
      this.admitted++;
      call.onEnd(this.#release);
      return next(call);
    }
    if (call.aborted) return rejected(call.reason);
    if (this.#waiting.size < this.#rules.places()) return this.#afterTurn(call, next);
    return rejected(this.#refused(call, 0));
  }

  async #afterTurn<C extends Attempt, R>(call: C, next: (call: C) => Promise<R>): Promise<R> {
    await this.#turn(call);
    if (call.aborted) {
      this.#release(); // it was handed over in this very turn
      throw call.reason;
    }
    this.admitted++;
    call.onEnd(this.#release);
    return next(call);
  }

  /** Resolves when a permit has been handed over. */
  #turn(call: Attempt): Promise<void> {
    const { clock } = this.#rules;
    return new Promise((resolve, reject) => {
      const beganAt = clock.now();
      const waiter = new Waiter(call, beganAt, resolve, reject, () => {
        this.#waiting.delete(waiter);
        waiter.leave();
        reject(this.#refused(call, clock.now() - beganAt));
      });
      this.#waiting.add(waiter);
      this.#timers?.add(waiter, beganAt);
      waiter.forget = call.onAbort((reason) => {
        this.#waiting.delete(waiter);
        waiter.cancel();
        this.#tell('aborted', call, clock.now() - beganAt);
        reject(reason);
      });
      this.#tell('queued', call, 0);
    });
  }

  /** Gives a permit to the first waiter that has time left, so that nobody who comes later gets ahead. */
  #handOver(): boolean {
    for (const waiter of this.#waiting) {
      const { call } = waiter;
      this.#waiting.delete(waiter);
      waiter.leave();
      const now = this.#rules.clock.now();
      if (call.deadline === undefined || call.deadline > now) {
        waiter.resolve();
        this.#tell('admitted', call, now - waiter.beganAt);
        return true;
      }
      this.expired++;
      waiter.reject(
        refusal('DEADLINE_EXCEEDED', `${call.label}: its time was over before a permit came free`, { reason: REASONS.timeout, unsent: true }),
      );
      this.#tell('expired', call, now - waiter.beganAt);
    }
    return false;
  }

  #refused(call: Attempt, waitedMs: number): ServiceError {
    this.rejected++;
    const error = this.#rules.refuse(call);
    this.#tell('rejected', call, waitedMs);
    return error;
  }

  #tell(kind: PermitEvent['kind'], call: Attempt, waitedMs: number): void {
    this.#rules.tell?.({ kind, label: call.label, active: this.active, queued: this.#waiting.size, waitedMs: Math.max(0, waitedMs) });
  }
}

class Waiter extends QueuedTimer {
  readonly call: Attempt;
  readonly beganAt: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly expire: () => void;
  forget: (() => void) | undefined;

  constructor(call: Attempt, beganAt: number, resolve: () => void, reject: (error: unknown) => void, expire: () => void) {
    super();
    this.call = call;
    this.beganAt = beganAt;
    this.resolve = resolve;
    this.reject = reject;
    this.expire = expire;
  }

  /** Leaves no timer and no listener behind. */
  leave(): void {
    this.cancel();
    this.forget?.();
  }
}
