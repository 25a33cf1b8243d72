import type { ConsulClient, ConsulRequest } from './client.js';

/** A client whose every request is about one namespace and partition of Consul Enterprise. */
export function inTenancy(
  client: ConsulClient,
  { namespace, partition }: { readonly namespace?: string; readonly partition?: string },
): ConsulClient {
  if (namespace === undefined && partition === undefined) return client;
  const own = { ...(namespace !== undefined && { ns: namespace }), ...(partition !== undefined && { partition }) };
  const placed = (request: ConsulRequest): ConsulRequest => ({ ...request, query: { ...request.query, ...own } });
  return { ...client, request: (request) => client.request(placed(request)), ask: (request) => client.ask(placed(request)) };
}
