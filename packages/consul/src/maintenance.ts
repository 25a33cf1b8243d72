import type { ConsulClient, ConsulRequest } from './client.js';

/** Whether an entry is taken out of use at its agent: a check of Consul's own (`_service_maintenance:<id>`) that fails while it is. */
export interface Maintenance {
  /** With a reason: out of use. Rejects when the agent did not do it; it is remembered. Those that overlap end with the last. */
  change(reason: string | undefined): Promise<void>;
  /** After the entry and its checks were written anew, which ended it. */
  restore(): Promise<void>;
  /** Does what could not be done when it was asked for. */
  catchUp(): Promise<void>;
}

export function maintenance(client: ConsulClient, id: string, timeoutMs: number): Maintenance {
  let wanted: string | undefined;
  let behind = false;
  let queue: Promise<unknown> = Promise.resolve();

  const send = async (): Promise<void> => {
    const query = wanted === undefined ? { enable: 'false' } : { enable: 'true', reason: wanted };
    const request: ConsulRequest = { method: 'PUT', path: '/agent/service/maintenance/{id}', params: { id }, query, timeoutMs };
    behind = true;
    await client.ask(request);
    behind = false;
  };
  // One after another, each with what is wanted when its turn comes: an earlier answer must not overtake a later one.
  const inTurn = (): Promise<void> => {
    const result = queue.then(send);
    queue = result.catch(() => {});
    return result;
  };

  return {
    async change(reason) {
      wanted = reason;
      behind = true;
      await inTurn();
    },
    restore: async () => (behind || wanted !== undefined ? inTurn() : undefined),
    catchUp: async () => (behind ? inTurn() : undefined),
  };
}
