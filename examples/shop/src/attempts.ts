import type { ServiceClient, Wrapper } from '@ferrule/core';
import type { EndpointReport } from './messages.js';

interface Count {
  attempts: number;
  failures: number;
  latenciesMs: number[];
}

/** A wrapper of our own around every attempt: counts what each endpoint was asked and how long it took. */
export function attempts(): { wrapper: Wrapper; take(clients: readonly ServiceClient[]): readonly EndpointReport[] } {
  const counts = new Map<string, Count>();

  const wrapper: Wrapper = (next) => async (call) => {
    const id = call.endpoint!.id;
    const count = counts.get(id) ?? { attempts: 0, failures: 0, latenciesMs: [] };
    counts.set(id, count);
    count.attempts++;
    const startedAt = performance.now();
    try {
      return await next(call);
    } catch (error) {
      count.failures++;
      throw error;
    } finally {
      count.latenciesMs.push(performance.now() - startedAt);
    }
  };

  return {
    wrapper,
    take(clients) {
      const reports = clients.flatMap((client) =>
        client.endpoints().map((endpoint) => {
          const count = counts.get(endpoint.id) ?? { attempts: 0, failures: 0, latenciesMs: [] };
          return {
            instance: endpoint.instance.metadata?.['name'] ?? endpoint.id,
            service: client.service,
            waiting: endpoint.waiting,
            state: endpoint.state,
            ...count,
          };
        }),
      );
      counts.clear();
      return reports;
    },
  };
}
