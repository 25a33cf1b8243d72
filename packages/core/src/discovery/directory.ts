import type { Instance } from '../registry/registry.js';

/**
 * What is known of a service: `pending` nobody answered yet; `bound` there are instances; `empty` there are none; `failed` no list
 * holds, because the registry fails and has told none or only one that is too old (`staleFor`), or because the directory was closed.
 */
export type DirectoryState = 'pending' | 'bound' | 'empty' | 'failed';

/** A list that stays valid until the next one; `revision` grows with every change of this service. */
export interface Snapshot {
  readonly service: string;
  readonly state: DirectoryState;
  /**
   * All that the registry lists and that may be called. Those with status `fail` too, so that what was learnt about them survives: whoever
   * picks skips them. An instance keeps its object until it changes.
   */
  readonly instances: readonly Instance[];
  readonly revision: number;
  /** The registry is away and this is the last good list. */
  readonly stale: boolean;
  /** Why the registry failed, while it does. */
  readonly error?: unknown;
}

export interface DirectoryEvent {
  readonly type: 'register' | 'update' | 'deregister';
  readonly service: string;
  readonly instance: Instance;
  readonly revision: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

/** The cache in front of a Discovery. */
export interface Directory extends AsyncDisposable {
  /**
   * What is known now, without waiting. The first lookup of a service starts its watch.
   * @throws TypeError for a bad name; ServiceError UNAVAILABLE when closed, RESOURCE_EXHAUSTED when too many services are in use. So do
   * `ready` (it rejects) and `subscribe`.
   */
  lookup(service: string): Snapshot;
  /** Resolves with the first snapshot that is not pending; at once when it is known. Rejects with the signal's reason. */
  ready(service: string, signal?: AbortSignal): Promise<Snapshot>;
  /**
   * Calls `listener` with every later snapshot whose revision or `stale` differs, synchronously when it changes. Keeps the service watched
   * until the returned function ends that. The last one, when the directory is disposed of, is `failed`.
   */
  subscribe(service: string, listener: (snapshot: Snapshot) => void): () => void;
  /** Changes of all services that are watched. The returned function ends that. */
  onChange(listener: (event: DirectoryEvent) => void): () => void;
}
