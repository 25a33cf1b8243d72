import type { Call } from '../call/call.js';
import { REASONS, refusal } from '../errors/service-error.js';
import type { Clock, Timer } from '../time/clock.js';
import type { Lease } from './selector.js';

/** The calls that wait for the first list of a service, each at most until its deadline. */
export class WaitingCalls {
  readonly #service: string;
  readonly #clock: Clock;
  #waiters = new Set<Waiter>();

  constructor(service: string, clock: Clock) {
    this.#service = service;
    this.#clock = clock;
  }

  /** Settles with what `serve` or `refuse` give it; rejects with the reason when the call aborts, and when its deadline passes. */
  add(call: Call): Promise<Lease> {
    return new Promise((resolve, reject) => {
      if (call.aborted) return reject(call.reason);
      const waiter = new Waiter(call, resolve, reject);
      const leave = (error: unknown): void => {
        waiter.forget();
        this.#waiters.delete(waiter);
        reject(error);
      };
      this.#waiters.add(waiter);
      waiter.takeBack = call.onAbort(leave);
      if (call.deadline !== undefined) waiter.timer = this.#clock.schedule(Math.max(0, call.deadline - this.#clock.now()), () => leave(this.#late()));
    });
  }

  /** Gives each its lease, one by one, or what making it threw. */
  serve(lease: (call: Call) => Lease): void {
    for (const waiter of this.#take()) {
      try {
        waiter.resolve(lease(waiter.call));
      } catch (error) {
        waiter.reject(error);
      }
    }
  }

  /** Rejects each with an error of its own. */
  refuse(why: () => Error): void {
    for (const waiter of this.#take()) waiter.reject(why());
  }

  #take(): Iterable<Waiter> {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const waiter of waiters) waiter.forget();
    return waiters;
  }

  #late(): Error {
    return refusal('DEADLINE_EXCEEDED', `The registry told no list of service "${this.#service}" before the call's deadline`, {
      reason: REASONS.timeout,
      unsent: true,
    });
  }
}

class Waiter {
  takeBack: (() => void) | undefined;
  timer: Timer | undefined;

  constructor(
    readonly call: Call,
    readonly resolve: (lease: Lease) => void,
    readonly reject: (error: unknown) => void,
  ) {}

  /** Leaves no listener and no timer behind. */
  forget(): void {
    this.takeBack?.();
    this.timer?.cancel();
  }
}
