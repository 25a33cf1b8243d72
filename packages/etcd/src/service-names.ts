import { checkServiceName } from '@ferrule/core/adapter';
import type { EtcdClient } from './client.js';
import { allBelow } from './key-range.js';
import type { Layout } from './layouts/layout.js';
import { RANGE } from './messages.js';
import type { KeyValue } from './messages.js';

/** Keys of one answer. */
const PAGE = 1_000;

/** The names of the services that have a key, sorted. Reads keys alone where they tell the name; of a service with more than a page only that. */
export async function serviceNames(client: EtcdClient, layout: Layout, signal?: AbortSignal): Promise<readonly string[]> {
  const { key: first, rangeEnd } = allBelow(layout.prefix);
  const keysOnly = layout.serviceOf !== undefined;
  const names = new Set<string>();
  for (let key = first, more = true; more;) {
    const page = await client.call(RANGE, { key, rangeEnd, limit: PAGE, keysOnly }, signal);
    for (const kv of page.kvs) {
      const name = nameOf(layout, kv);
      if (name !== undefined) names.add(name);
    }
    const last = page.kvs.at(-1);
    more = page.more && last !== undefined;
    const service = last && layout.serviceOf?.(last.key);
    key = service === undefined ? `${last?.key ?? ''}\0` : allBelow(layout.servicePrefix(service)).rangeEnd;
  }
  return [...names].sort();
}

function nameOf(layout: Layout, { key, value }: KeyValue): string | undefined {
  try {
    const name = layout.serviceOf === undefined ? layout.decode(value)?.instance.service : layout.serviceOf(key);
    if (name !== undefined) checkServiceName(name);
    return name;
  } catch {
    return undefined; // whoever watches it reports it
  }
}
