import { setTimeout as wait } from 'node:timers/promises';
import { bulkhead, guard } from '@ferrule/core';
import type { Fault } from './messages.js';

/** What an instance can do at once, as with a pool of database connections; the rest waits in a queue. */
const AT_ONCE = 12;
const QUEUE = 10_000;

export interface Behaviour {
  set(fault: Fault): void;
  /** Takes the time that the work takes; resolves to true when it has to be refused. */
  before(): Promise<boolean>;
}

/** The ways in which an instance of the shop can be made to fail. `workMs`: how long an answer takes when all is well. */
export function faults(workMs: number): Behaviour {
  let fault: Fault = { kind: 'none' };
  const work = guard(() => wait(workMs * (fault.kind === 'slow' ? fault.factor : 1)), bulkhead({ limit: AT_ONCE, queue: QUEUE }));
  return {
    set(next) {
      if (next.kind === 'freeze') freeze(next.ms);
      else fault = next;
    },
    async before() {
      if (fault.kind === 'black-hole') return true;
      await work();
      return false;
    },
  };
}

/** Blocks the event loop, as a long computation does. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
