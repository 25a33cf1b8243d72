import type { Instance } from '../registry/registry.js';

/** A list as the registry told it at `at`, milliseconds since the Unix epoch. */
export interface StoredSnapshot {
  readonly service: string;
  readonly instances: readonly Instance[];
  readonly at: number;
}

/**
 * Level 2 of a Directory: last good lists that outlive the process, or that several processes share. The directory asks it for a service that
 * it knows nothing of while the registry does not answer, and writes what the registry tells. A failure of it never fails a lookup.
 * Each question has a deadline of 2 s, after which its signal aborts and it has to end.
 */
export interface SnapshotStore extends AsyncDisposable {
  /** The kind, for example `file`, `redis`. */
  readonly name: string;
  /** undefined when it has none, or one that cannot be read: that is told to the store's logger and ignored. Rejects when the store is away. */
  load(service: string, signal: AbortSignal): Promise<StoredSnapshot | undefined>;
  /** Rejects when the store is away. A list that is older than the one it has changes nothing. */
  save(snapshot: StoredSnapshot, signal: AbortSignal): Promise<void>;
  /** Calls `listener` when another process has saved a service, if the store can tell. The returned function ends that. */
  subscribe?(listener: (service: string) => void): () => void;
}
