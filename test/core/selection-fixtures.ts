import { Call } from '@ferrule/core';
import type { CallHeaders, CallInit, DirectoryState, Instance, Snapshot, SnapshotSource } from '@ferrule/core';
import { TRIED } from '@ferrule/core/adapter';
import type { Balancer, Endpoint, Lease, Selector, View } from '@ferrule/core/adapter';

export const SERVICE = 'orders';

export function instance(id: string, change: Partial<Instance> = {}): Instance {
  return { id, service: SERVICE, host: '10.0.0.1', port: 1_000 + (Number(id.replace(/\D/g, '')) || 0), ...change };
}

export function instances(count: number): Instance[] {
  return Array.from({ length: count }, (_, index) => instance(`i${index}`));
}

export function outbound(
  change: {
    method?: string;
    attempt?: number;
    deadline?: number;
    headers?: CallHeaders;
    tried?: Endpoint[];
    service?: string;
    query?: NonNullable<CallInit['query']>;
    params?: NonNullable<CallInit['params']>;
  } = {},
): Call {
  const { method = 'GET', attempt = 1, deadline, headers = {}, tried, service = SERVICE, query = '', params = {} } = change;
  const idempotent = method === 'GET';
  const call = new Call({
    side: 'client',
    operation: { service, name: `${method} /x`, method, path: '/x', idempotent },
    attempt,
    deadline,
    headers,
    query,
    params,
  });
  if (tried !== undefined) call.values.set(TRIED, tried);
  return call;
}

/** A directory that knows one service and says what it is told to. */
export class ScriptedDirectory implements SnapshotSource {
  snapshot: Snapshot = { service: SERVICE, state: 'pending', instances: [], revision: 0, stale: false };
  readonly listeners = new Set<(snapshot: Snapshot) => void>();

  constructor(list?: readonly Instance[]) {
    if (list !== undefined) this.publish(list);
  }

  publish(list: readonly Instance[]): void {
    this.#tell(list.length > 0 ? 'bound' : 'empty', list);
  }

  fail(error: unknown): void {
    this.#tell('failed', [], error);
  }

  #tell(state: DirectoryState, list: readonly Instance[], error?: unknown): void {
    this.snapshot = { service: SERVICE, state, instances: list, revision: this.snapshot.revision + 1, stale: false, error };
    for (const listener of this.listeners) listener(this.snapshot);
  }

  lookup(): Snapshot {
    return this.snapshot;
  }

  subscribe(_service: string, listener: (snapshot: Snapshot) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}

/** A balancer that picks the endpoint with the id `target`, and the first one while it is not there. */
export function pinned(target: string): Balancer & { target: string } {
  const balancer = {
    name: 'pinned',
    target,
    pick: (view: View) => view.endpoints.find(({ id }) => id === balancer.target) ?? view.endpoints[0],
  };
  return balancer;
}

/** The lease, where the list is known. */
export function leaseOf(selector: Selector, call: Call = outbound()): Lease {
  const lease = selector.select(call);
  if (lease instanceof Promise) throw new Error('a promise, where the list should be known');
  return lease;
}

export function viewOf(endpoints: readonly Endpoint[], now = 0, version = 1): View {
  return { endpoints, now, version };
}
