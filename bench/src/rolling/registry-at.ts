import { fileRegistry } from '@ferrule/core';
import type { Registry } from '@ferrule/core';
import { consulRegistry } from '@ferrule/consul';

/** The registry that a process of the bench is told of: a Consul agent's address, or the directory of a file registry. */
export function registryAt(where: string): Registry {
  return where.startsWith('http:') ? consulRegistry({ address: where }) : fileRegistry({ directory: where });
}
