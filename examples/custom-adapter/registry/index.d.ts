import type { Logger, Registry } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';

export interface HubRegistryOptions {
  /** Of the hub, for example `http://127.0.0.1:4000`. */
  readonly url: string;
  /** How often an entry is renewed, ms; a third of the hub's `ttlMs`. Default 5,000. */
  readonly renewEveryMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
}

export function hubRegistry(options: HubRegistryOptions): Registry;

export interface Hub {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts a hub. An entry that nobody renews for `ttlMs` (default 15,000) is taken away. */
export function startHub(options?: { readonly host?: string; readonly port?: number; readonly ttlMs?: number }): Promise<Hub>;
