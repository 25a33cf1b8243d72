import { valueKey } from '../call/values.js';
import type { ValueKey } from '../call/values.js';
import { isForbiddenHost } from '../options/forbidden-host.js';
import { shown } from '../options/shown.js';
import { originOf } from '../registry/registry.js';
import type { Instance } from '../registry/registry.js';
import { parseAddress } from '../registry/static-address.js';

/**
 * Where a call goes, in place of an endpoint that is picked: `'http://127.0.0.1:8080'` or `'127.0.0.1:8080'`. Read by `balance`'s selector for
 * each attempt, so whoever sets it stands above: a request with `address`, `direct()`, or a wrapper of one's own.
 */
export const ADDRESS: ValueKey<string> = valueKey<string>('address');

/**
 * The instance at an address; its origin is its id.
 * @param subject what is given the address, for the message
 * @throws TypeError when it is no address, or one that no registry may name: link-local, multicast, the metadata services of clouds
 */
export function instanceAt(subject: string, service: string, address: unknown): Instance {
  if (typeof address !== 'string')
    throw new TypeError(`${subject}: ${shown(address)} is no address. Give scheme, host and port as text, such as 'http://127.0.0.1:8080'.`);
  const place = parseAddress(subject, address);
  if (isForbiddenHost(place.host))
    throw new TypeError(
      `${subject}: the address ${shown(address)} is link-local, multicast or a cloud's metadata service, which no call goes to by its address. Use client(address) when it is meant.`,
    );
  const instance: Instance = { id: '', service, ...place };
  return { ...instance, id: originOf(instance) };
}
