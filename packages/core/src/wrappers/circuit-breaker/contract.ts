import type { Policy } from '../wrapper.js';
import type { AdaptationReason } from './adaptive.js';
import type { CircuitSnapshot, KeyedCircuitSnapshot } from './snapshot.js';

/**
 * `closed` lets calls through and counts; `open` refuses until its time is over; `half-open` lets a few try. Two are set by hand and stay:
 * `forced-open` refuses every call, `disabled` lets every call through and judges none.
 */
export type CircuitState = 'closed' | 'open' | 'half-open' | 'forced-open' | 'disabled';

export type CircuitEvent = CircuitTransition | CircuitAdaptation;

/** The state has changed. */
export interface CircuitTransition {
  readonly kind: 'transition';
  readonly from: CircuitState;
  readonly to: CircuitState;
  /**
   * `failure-rate`, `slow-rate` and `consecutive-failures` open it, `waited` makes it half-open, `trials-succeeded` and `trials-failed` end that;
   * `manual` is `open()`, `close()`, `disable()` or `reset()`.
   */
  readonly reason: 'failure-rate' | 'slow-rate' | 'consecutive-failures' | 'waited' | 'trials-succeeded' | 'trials-failed' | 'manual';
  /** The results that decided it: those of the window, or of the trials. */
  readonly succeeded: number;
  readonly failed: number;
  /** How many of them were slow. A trial that is slow has failed. */
  readonly slow: number;
  /** When it opens: for how long. */
  readonly openForMs?: number;
  /** Of which circuit, when there is one a key. */
  readonly key?: string;
}

/** With `adaptive`: from now on it opens sooner, or as late as before. */
export interface CircuitAdaptation {
  readonly kind: 'adaptation';
  readonly reason: AdaptationReason;
  /** The limits that hold now; `consecutive` only when failures in a row are looked at. */
  readonly threshold: number;
  readonly consecutive?: number;
  readonly key?: string;
}

/** Cumulative counts, but for the state and what is named after it. */
export interface CircuitStats {
  readonly state: CircuitState;
  /** Calls whose result says that the other side works, client errors included. */
  readonly succeeded: number;
  readonly failed: number;
  /** Of both, those that took `slowCall` or longer. */
  readonly slow: number;
  /** Calls whose result says nothing: cancelled, refused by a policy inside, not started. */
  readonly ignored: number;
  /** Calls that it refused. */
  readonly rejected: number;
  readonly transitions: number;
  /** Latencies of the last one to two minutes, within 6.25 %; undefined when there were no calls. */
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
}

export interface SingleCircuitStats extends CircuitStats {
  /** Results in the window now, and which shares of them failed and were slow; 0 of none. */
  readonly windowCalls: number;
  readonly failureRate: number;
  readonly slowRate: number;
  /** The limits in force, lowered by `adaptive` or not. Infinity: failures in a row are not looked at. */
  readonly threshold: number;
  readonly consecutive: number;
  /** Permits of trials that are taken now. */
  readonly trials: number;
}

/** `state` is the worst of all circuits: forced-open, then open, half-open, closed, disabled. */
export interface KeyedCircuitStats extends CircuitStats {
  /** How many circuits there are now, and how many of them refuse or try. */
  readonly keys: number;
  readonly openKeys: number;
  /** Circuits that were given up for new ones. */
  readonly evicted: number;
  /** Calls that went through without a circuit: they have no key, or there was no room for one. */
  readonly unguarded: number;
}

/** What can be done to a circuit by hand. None of it waits for calls that are on their way: their results no longer count. */
export interface CircuitControls {
  /** `forced-open`: refuses every call until `close()`, `reset()` or `disable()`. */
  open(): void;
  /** Closed, with an empty window. */
  close(): void;
  /** Lets every call through until `close()`, `reset()` or `open()`. */
  disable(): void;
  /** As new: closed, the window empty, the adapted limits as configured, latencies forgotten. The counts of `stats()` go on. */
  reset(): void;
}

/** One circuit. */
export interface Circuit extends CircuitControls {
  /** An open one turns half-open with the first call after its time, not by itself. */
  readonly state: CircuitState;
  stats(): SingleCircuitStats;
  /** What another process, or this one after a restart, takes over by the option `restore`. Plain JSON; times are spans. */
  snapshot(): CircuitSnapshot;
}

export interface CircuitBreaker extends Policy, Circuit {}

/** One circuit a key, made when the key is first seen. Its controls are for all of them, those to come included. */
export interface KeyedCircuits extends CircuitControls {
  /** The worst of all circuits. */
  readonly state: CircuitState;
  stats(): KeyedCircuitStats;
  snapshot(): KeyedCircuitSnapshot;
  /** The circuit of a key; undefined when it has none. */
  of(key: string): Circuit | undefined;
}
