import { traitsOf } from './wrapper.js';
import type { Wrapper } from './wrapper.js';

/** What counts as it works, as every policy of this package does. */
export interface Counting {
  /** Cumulative counts and the present state: a fresh plain object, which costs nothing until it is asked for. */
  stats(): object;
}

/** A wrapper that stands in a stack, under the name that it has there. */
export interface InForce {
  readonly name: string;
  readonly wrapper: Wrapper;
}

/** What can be seen of a policy that is in force. */
export interface PolicyReport {
  /** As in `describe()`. */
  readonly name: string;
  readonly stats: object;
}

/** Where faults are injected on purpose (`chaos`), and whether they are now. */
export interface FaultReport {
  readonly name: string;
  readonly enabled: boolean;
}

/** Whether it has counts. */
export function isCounting(wrapper: unknown): wrapper is Counting {
  return typeof (wrapper as Partial<Counting> | null | undefined)?.stats === 'function';
}

/** The counts of all that count, the outermost first. */
export function policyReports(all: readonly InForce[]): readonly PolicyReport[] {
  return all.flatMap(({ name, wrapper }) => (isCounting(wrapper) ? [{ name, stats: wrapper.stats() }] : []));
}

/** Those that make calls fail or wait on purpose. One that does not tell whether it does so now is taken to. */
export function faultReports(all: readonly InForce[]): readonly FaultReport[] {
  return all
    .filter(({ wrapper }) => traitsOf(wrapper).injects === true)
    .map(({ name, wrapper }) => ({ name, enabled: (wrapper as { readonly enabled?: unknown }).enabled !== false }));
}
