import type { SnapshotStore } from '@ferrule/core/adapter';
import type { ConformanceSubject } from '../conformance.js';

/** A snapshot store as its cases need it. */
export interface SnapshotStoreSubject extends ConformanceSubject {
  /** Two views of one new and empty place, as two processes have them. */
  open(): Promise<OpenSnapshotStore>;
  /** That it has `subscribe`: without it the cases about that are skipped. */
  readonly tells?: true;
  /** Damages what is stored for a service, or puts damage there. Without it the case about that is skipped. */
  corrupt?(open: OpenSnapshotStore, service: string): Promise<void>;
  /** Takes the place away; the function brings it back, and may be called twice. Without it the case about that is skipped. */
  outage?(open: OpenSnapshotStore): Promise<() => Promise<void>>;
}

export interface OpenSnapshotStore {
  readonly first: SnapshotStore;
  readonly second: SnapshotStore;
  /** Takes the place away, after both stores were disposed of. */
  close?(): Promise<void>;
}
