import type { Instance } from '@ferrule/core';
import { checkInstance } from '@ferrule/core/adapter';
import { objectOf } from './layout.js';
import type { Layout } from './layout.js';

const FORMAT = 1;

/**
 * Ours: `/ferrule/<service>/<id>`, with `/` and `%` in names written as `%2F` and `%25`, so that every name has one key and every key one name.
 * The value is JSON: `{ "ferrule": 1, "owner": …, "instance": { "id": …, "service": …, "host": …, "port": …, … }, "note": … }`.
 */
export function ferruleLayout(prefix = '/ferrule/'): Layout {
  const servicePrefix = (service: string): string => `${prefix}${escaped(service)}/`;
  return {
    prefix,
    servicePrefix,
    key: (service, id) => `${servicePrefix(service)}${escaped(id)}`,
    encode: (instance, owner, note) => JSON.stringify({ ferrule: FORMAT, owner, instance, ...(note !== undefined && { note }) }),
    decode(value) {
      const { ferrule, owner, instance } = objectOf(value);
      if (ferrule !== FORMAT) throw new Error(`it is no entry of format ${FORMAT}`);
      return { instance: checkInstance(instance as Instance), owner: typeof owner === 'string' ? owner : undefined };
    },
    serviceOf(key) {
      const [service, id] = key.slice(prefix.length).split('/');
      return service === undefined || id === undefined ? undefined : service.replaceAll('%2F', '/').replaceAll('%25', '%');
    },
  };
}

function escaped(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('/', '%2F');
}
