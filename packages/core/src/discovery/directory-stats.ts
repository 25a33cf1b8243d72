import type { DirectoryState } from './directory.js';

/** Questions to one level of the cache, by their answer. */
export interface LevelStats {
  /** Answered with a list. Of the registry: with instances in it. */
  readonly hits: number;
  /** Nothing known. Of the store: none, or one that is too old. Of the registry: it lists nobody. */
  readonly misses: number;
  /** Of the memory: lookups of a service in state `failed`. */
  readonly failures: number;
}

export interface ServiceStats {
  readonly service: string;
  readonly state: DirectoryState;
  readonly instances: number;
  readonly revision: number;
  readonly source?: 'registry' | 'store';
  readonly stale: boolean;
  /** Of a stale list: when it was last known to be true, milliseconds since the Unix epoch. */
  readonly staleSince?: number;
  /** Of a stale list: when it will be given up. */
  readonly servedUntil?: number;
  /** Since when the registry has not answered for this service; undefined while it does. */
  readonly awaySince?: number;
  /** The code or name of the registry's last error, while it fails. Never its message, which may hold an address or a token. */
  readonly error?: string;
  /** Whether a watch is under way; false in the pause after a failure. */
  readonly watching: boolean;
  /** Lists that the registry told. */
  readonly lists: number;
  readonly refreshes: number;
  /** Watches that the registry refused or broke off. */
  readonly failures: number;
  /** Watches that were begun again after a failure. */
  readonly reconnects: number;
}

export interface DirectoryStats {
  /** Since the directory was made. */
  readonly levels: {
    readonly memory: LevelStats;
    /** Absent without a store. */
    readonly store?: LevelStats & { readonly name: string; readonly saves: number; readonly failedSaves: number };
    readonly registry: LevelStats;
  };
  /** Services whose watch is under way. */
  readonly watches: number;
  readonly refreshes: number;
  readonly reconnects: number;
  /** Those that are watched now. */
  readonly services: readonly ServiceStats[];
}
