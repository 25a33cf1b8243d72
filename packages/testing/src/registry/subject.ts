import type { Registry } from '@ferrule/core';
import type { ConformanceSubject } from '../conformance.js';

/** A registry as its cases need it. */
export interface RegistrySubject extends ConformanceSubject {
  /** Two views of one new and empty backend, as two processes have them. A registry inside one process gives the same object twice. */
  open(): Promise<OpenRegistry>;
  /** That it gives the same object twice: cases about two views are skipped. */
  readonly oneView?: true;
  /** Puts something that is no instance where the instances of a service lie. Without it the case about such entries is skipped. */
  corrupt?(open: OpenRegistry, service: string): Promise<void>;
  /**
   * Takes the backend away from both views, and resolves when it is gone to a function that brings it back: with all that it knew, or empty.
   * That function is called at least once, perhaps twice. Without it the cases about outages are skipped.
   */
  outage?(open: OpenRegistry, knowledge: 'kept' | 'forgotten'): Promise<() => Promise<void>>;
}

export interface OpenRegistry {
  readonly first: Registry;
  readonly second: Registry;
  /** Takes the backend away, after both registries were disposed of. */
  close?(): Promise<void>;
}
