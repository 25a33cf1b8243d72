import { ServiceError, isServiceError } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import type { Clock, KeptEntry } from '@ferrule/core/adapter';
import type { EtcdClient } from './client.js';
import type { Layout } from './layouts/layout.js';
import { LEASE_GRANT, LEASE_KEEP_ALIVE, LEASE_REVOKE, RANGE, TARGET_MOD, TXN } from './messages.js';
import { isLater, newOwner, sinceOf } from './owner.js';

export interface EntryOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly layout: Layout;
  readonly ttlMs: number;
}

export interface EtcdEntry extends KeptEntry {
  /** When it was written last. */
  readonly revision: number;
  /** Whether what is under the key ends with our lease. */
  isOurs(lease: bigint): boolean;
}

/** What changes under our hands so often that we never get to write. */
const MOST_ROUNDS = 8;

/**
 * What one instance is in etcd, for a keeper: its key, which ends with a lease of its own. Written where nothing has changed since it was read,
 * so that nobody's entry is replaced unseen; revoking the lease removes the key if, and only if, it is still ours.
 */
export function etcdEntry(service: string, id: string, { client, clock, layout, ttlMs }: EntryOptions): EtcdEntry {
  const key = layout.key(service, id);
  let owner = newOwner(clock.wallTime());
  let lease: bigint | undefined;
  // The revision of what is under the key as far as we know; 0: nothing.
  let known = 0;
  let written = false;

  const grant = async (): Promise<bigint> => (await client.call(LEASE_GRANT, { ttl: Math.ceil(ttlMs / 1_000) })).id;

  /** Writes unless the key has changed; then takes note of it. */
  const write = async (value: string, held: bigint): Promise<'written' | 'changed' | 'taken'> => {
    const { succeeded, header, responses } = await client.call(TXN, {
      compare: [{ key, target: TARGET_MOD, modRevision: known }],
      success: [{ put: { key, value, lease: held } }],
      failure: [{ range: { key } }],
    });
    if (succeeded) {
      known = header?.revision ?? 0;
      return 'written';
    }
    const found = responses[0]?.range?.kvs[0];
    known = found?.modRevision ?? 0;
    if (found === undefined || found.lease === held) return 'changed';
    const theirs = ownerOf(layout, found.value);
    if (theirs === owner) return 'changed';
    if (!written) {
      // The same id replaces, whatever the clocks of both say.
      if (!isLater(owner, theirs)) owner = newOwner(sinceOf(theirs) + 1);
      return 'changed';
    }
    return isLater(owner, theirs) ? 'changed' : 'taken';
  };

  return {
    get revision() {
      return known;
    },
    isOurs: (found) => found === lease,
    async put(instance: Instance, note) {
      for (let round = 0; round < MOST_ROUNDS; round++) {
        lease ??= await grant();
        const outcome = await write(layout.encode(instance, owner, note), lease).catch((error: unknown) => {
          if (!isServiceError(error) || error.code !== 'NOT_FOUND') throw error;
          lease = undefined; // it expired, or was revoked
          return 'changed' as const;
        });
        if (outcome === 'written') written = true;
        if (outcome !== 'changed') return;
      }
      throw new ServiceError('UNAVAILABLE', `etcd: ${key} was changed by others ${MOST_ROUNDS} times while it was to be written`, { expose: false });
    },
    async renew() {
      if (lease !== undefined && (await client.call(LEASE_KEEP_ALIVE, { id: lease })).ttl <= 0) lease = undefined;
      const [found] = (await client.call(RANGE, { key })).kvs;
      known = found?.modRevision ?? 0;
      if (found === undefined) return 'gone';
      if (found.lease === lease) return 'kept';
      const theirs = ownerOf(layout, found.value);
      return theirs === owner || isLater(owner, theirs) ? 'gone' : 'taken';
    },
    async remove() {
      if (lease === undefined) return;
      await client.call(LEASE_REVOKE, { id: lease }).catch((error: unknown) => {
        if (!isServiceError(error) || error.code !== 'NOT_FOUND') throw error;
      });
      lease = undefined;
    },
  };
}

function ownerOf(layout: Layout, value: string): string | undefined {
  try {
    return layout.decode(value)?.owner;
  } catch {
    return undefined;
  }
}
