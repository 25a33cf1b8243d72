import { expect } from 'chai';
import { Call, ServiceError, circuitBreaker } from '@ferrule/core';
import type { CircuitBreaker, CircuitBreakerOptions, CircuitEvent, CircuitTransition } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
export const callWith = (deadline?: number, name = OPERATION.name): Call => new Call({ side: 'client', operation: { ...OPERATION, name }, deadline });
export const away = new ServiceError('UNAVAILABLE', 'away');
export const gone = new ServiceError('CANCELLED', 'gone');

export type HandClock = Clock & { ms: number };

/** A clock that is set by hand, backward too, and that nobody may wait with: a breaker has no timers. */
export function handClock(ms = 0): HandClock {
  return {
    ms,
    now() {
      return this.ms;
    },
    wallTime() {
      return 1_767_225_600_000 + this.ms;
    },
    schedule: () => expect.fail('a breaker has no timers'),
  };
}

export type Result = 'ok' | 'fails' | Error;
export type End = (result: Result) => Promise<void>;

export interface Rig {
  readonly clock: HandClock;
  readonly breaker: CircuitBreaker;
  readonly events: CircuitEvent[];
  /** The changes of state alone. */
  transitions(): CircuitTransition[];
  /** Starts a call; undefined when it was refused. */
  start(call?: Call): Promise<End | undefined>;
  /** Starts calls and settles each with the result, after so many ms; how many were refused. */
  calls(count: number, result: Result, afterMs?: number): Promise<number>;
}

/** A breaker around work that is settled by hand. */
export function rig(options: CircuitBreakerOptions = {}): Rig {
  const clock = (options.clock as HandClock | undefined) ?? handClock();
  const events: CircuitEvent[] = [];
  const breaker = circuitBreaker({ clock, on: (event) => void events.push(event), ...options });
  let settle: ((result: Result) => void) | undefined;
  const handler = breaker<Call, string>(
    () => new Promise((resolve, reject) => (settle = (result) => (result === 'ok' ? resolve('ok') : reject(result === 'fails' ? away : result)))),
  );
  const start = async (call: Call = callWith()): Promise<End | undefined> => {
    settle = undefined;
    const promise = handler(call).catch(() => {});
    const mine = settle as ((result: Result) => void) | undefined;
    if (mine === undefined) return undefined;
    return async (result: Result) => {
      mine(result);
      await promise;
    };
  };
  const calls = async (count: number, result: Result, afterMs = 0): Promise<number> => {
    let refused = 0;
    for (let call = 0; call < count; call++) {
      const end = await start();
      clock.ms += afterMs;
      if (end === undefined) refused++;
      else await end(result);
    }
    return refused;
  };
  return { clock, breaker, events, transitions: () => events.filter((event) => event.kind === 'transition'), start, calls };
}
