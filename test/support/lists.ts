import type { Instance, Registry } from '@ferrule/core';

/** The first list of a watch that fits. */
export async function listThat(registry: Registry, service: string, fits: (list: readonly Instance[]) => boolean): Promise<readonly Instance[]> {
  const ending = new AbortController();
  try {
    for await (const list of registry.watch(service, ending.signal)) if (fits(list)) return list;
    throw new Error(`The watch of ${service} ended`);
  } finally {
    ending.abort();
  }
}

/** As JSON has it: without prototypes, to be compared. */
export function plain(list: readonly Instance[]): unknown {
  return JSON.parse(JSON.stringify(list));
}
