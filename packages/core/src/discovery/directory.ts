import type { Instance } from '../registry/registry.js';
import type { Duration } from '../time/duration.js';
import type { DirectoryStats } from './directory-stats.js';

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
  /** The registry is away, or has not answered yet, and this is the last good list. */
  readonly stale: boolean;
  /** Who told the list; undefined while there is none. A list of the store is always stale. */
  readonly source?: 'registry' | 'store';
  /** Why the registry failed, while it does. */
  readonly error?: unknown;
}

/** One instance came, changed or went. */
export interface DirectoryEvent {
  readonly type: 'register' | 'update' | 'deregister';
  readonly service: string;
  /** As it is now; of one that went, as it was. */
  readonly instance: Instance;
  readonly revision: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

/** How far the list of a service can be trusted has changed. */
export interface DirectoryStateEvent {
  /**
   * `stale`: the registry is away, and the last good list is served; again when another process put a newer one into the store.
   * `fresh`: the registry answers again. `expired`: it was away for `staleFor`, and the last list is given up.
   * `failed`: it fails, and there is no list.
   */
  readonly type: 'stale' | 'fresh' | 'expired' | 'failed';
  readonly service: string;
  /** Who told the list that is served; undefined when none is. */
  readonly source?: 'registry' | 'store';
  /** How many instances are served now. */
  readonly instances: number;
  /** Of `stale`: when the list will be given up, milliseconds since the Unix epoch. */
  readonly servedUntil?: number;
  readonly error?: unknown;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export interface ChangesOptions {
  /** Follows these, and keeps them watched. Default: whatever the directory watches, now and later. */
  readonly services?: readonly string[];
  /** Ends the iteration, as `return()` does. */
  readonly signal?: AbortSignal;
}

export interface WarmUpOptions {
  /** How many services are asked about at a time. Default 10. */
  readonly concurrency?: number;
  /** Bound of the whole. What is not known by then counts as failed. Default 10 s. */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

export interface WarmUpReport {
  /** Those of which a list is known now, an empty or a stale one included, in the order in which they were named. */
  readonly known: readonly string[];
  /** The others, the first failure first. */
  readonly failed: readonly { readonly service: string; readonly error: unknown }[];
}

/** What a selector needs of a directory. */
export interface SnapshotSource {
  /**
   * What is known now, without waiting. The first lookup of a service starts its watch.
   * @throws TypeError for a bad name; ServiceError UNAVAILABLE when closed, RESOURCE_EXHAUSTED when too many services are in use. So do all
   * that begin a watch: `ready`, `refresh` and `warmUp` (they reject), `subscribe` and `changes`.
   */
  lookup(service: string): Snapshot;
  /**
   * Calls `listener` with every later snapshot whose revision, `stale` or `source` differs, synchronously when it changes. Keeps the service
   * watched until the returned function ends that. The last one, when the directory is disposed of, is `failed`.
   */
  subscribe(service: string, listener: (snapshot: Snapshot) => void): () => void;
}

/** The cache in front of a Discovery. */
export interface Directory extends SnapshotSource, AsyncDisposable {
  /** Resolves with the first snapshot that is not pending; at once when it is known. Rejects with the signal's reason. */
  ready(service: string, signal?: AbortSignal): Promise<Snapshot>;
  /** The instances known of a service, without beginning to watch it and without counting as a use: none when nobody has asked about it. */
  instances(service: string): readonly Instance[];
  /**
   * Asks the registry for the whole list now, in place of waiting for its next word; resolves with the snapshot after the answer, or after the
   * failure (`stale` or `failed` then). Callers meanwhile share one question. A service is not asked about again within `minRefreshInterval`
   * of the last time, whoever asked: then it resolves with what is known. The list is served meanwhile. Rejects with the signal's reason.
   */
  refresh(service: string, signal?: AbortSignal): Promise<Snapshot>;
  /** Waits until a list of each service is known. Rejects only with the signal's reason, or when the directory is closed. */
  warmUp(services: readonly string[], options?: WarmUpOptions): Promise<WarmUpReport>;
  /** Changes of all services that are watched. The returned function ends that. */
  onChange(listener: (event: DirectoryEvent) => void): () => void;
  /**
   * The same changes, to be read at the reader's pace: first a `register` of each instance that is known already, then what changes. What a slow
   * reader has not read yet is merged by instance (`register` and `deregister` cancel each other), so that no more is kept for it than there
   * are instances, and replaying what it reads always leads to the list. It follows from the call on, and ends with `return()` (a `break`), the
   * signal, or the directory. A service whose idle watch ended begins anew with `register` events.
   */
  changes(options?: ChangesOptions): AsyncIterableIterator<DirectoryEvent, undefined>;
  /** Hears when a service's list goes stale, is fresh again, is given up, or cannot be had. The returned function ends that. */
  onState(listener: (event: DirectoryStateEvent) => void): () => void;
  /** What was asked and found at each level, and how each service stands. Nothing of it is secret: errors are told by their code. */
  stats(): DirectoryStats;
}
