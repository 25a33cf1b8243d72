import { consulRegistry } from '@ferrule/consul';
import { fileRegistry } from '@ferrule/core';
import type { Registry } from '@ferrule/core';

/** `consul`: the agent that CONSUL_HTTP_ADDR names, which asks every instance each second. Anything else: the directory of a file registry. */
export function registryAt(place: string): Registry {
  return place === 'consul' ? consulRegistry({ interval: '1s', timeout: '500ms' }) : fileRegistry({ directory: place });
}
