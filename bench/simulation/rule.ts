import type { Balancer, Clock } from '@ferrule/core/adapter';
import { adaptive, leastPending, leastRequests, p2c, peakEwma, random, roundRobin } from '@ferrule/core';

/** What a rule may know of the simulated world, beside what the selector tells it. Shipped ones use `random` alone. */
export interface World {
  readonly random: () => number;
  readonly clock: Clock;
  /** Servers of this client's list. */
  readonly size: number;
  /** Asks a server how busy it is; it answers after one round trip, whatever its queue. */
  probe(server: number, answer: (inflight: number, latencyMs: number) => void): void;
  /** What no client can know: how many calls a server really has, for its speed. For the oracle. */
  busyness(server: number): number;
}

/** A way to choose: one balancer for each client. */
export interface Rule {
  readonly name: string;
  readonly make: (world: World) => Balancer;
}

export const defaultRule: Rule = { name: 'default', make: ({ random }) => p2c({ random }) };
export const leastPendingRule: Rule = { name: 'p2c least pending', make: ({ random }) => p2c({ random, load: leastPending() }) };
/** Finagle's arithmetic: a maximum that decays, read with every pick. */
export const peakEwmaRule: Rule = { name: 'p2c peak EWMA (Finagle)', make: ({ random }) => p2c({ random, load: peakEwma() }) };
/** A scan of all up to 32, two of them beyond. */
export const leastRequestsRule: Rule = { name: 'least requests', make: ({ random }) => leastRequests({ random }) };
export const adaptiveRule: Rule = { name: 'adaptive', make: ({ random, clock }) => adaptive({ random, clock }) };
export const roundRobinRule: Rule = { name: 'round robin', make: ({ random }) => roundRobin({ random }) };
export const randomRule: Rule = { name: 'random', make: ({ random: draw }) => random({ random: draw }) };

/** The number of a simulated server, which is in its instance's id. */
export function serverOf(id: string): number {
  return Number(id.slice(1));
}
