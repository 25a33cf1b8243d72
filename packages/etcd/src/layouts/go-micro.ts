import type { Instance } from '@ferrule/core';
import { checkInstance } from '@ferrule/core/adapter';
import { metadataFor, partsOf } from './foreign.js';
import { isObject, objectOf } from './layout.js';
import type { Layout } from './layout.js';

/**
 * That of go-micro's etcd registry: `/micro/registry/<service>/<node id>`, a `/` in either written as `-`, so that names that differ in that
 * alone are one. The value is JSON of a service with one node: `{ "name", "version", "metadata", "endpoints", "nodes": [{ "id", "address",
 * "metadata" }] }`.
 */
export function goMicroLayout(prefix = '/micro/registry/'): Layout {
  const servicePrefix = (service: string): string => `${prefix}${piece(service, 'service')}/`;
  return {
    prefix,
    servicePrefix,
    key: (service, id) => `${servicePrefix(service)}${piece(id, 'id')}`,
    encode(instance, owner, note) {
      const { id, service, version = '', host, port } = instance;
      const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      // Its clients ask the nodes with their own protocol, and those without one as if they spoke it.
      const node = { metadata: metadataFor(instance, owner, note, { protocol: 'http' }), id, address };
      return JSON.stringify({ name: service, version, metadata: {}, endpoints: [], nodes: [node] });
    },
    decode(value) {
      const { name, version, nodes } = objectOf(value);
      const node: unknown = Array.isArray(nodes) ? nodes[0] : undefined;
      if (!isObject(node)) throw new Error('it has no node');
      const match = /^(.+):(\d{1,5})$/.exec(typeof node['address'] === 'string' ? node['address'] : '');
      if (match === null) throw new Error('its address is not host:port');
      const { owner, fields, metadata } = partsOf(node['metadata']);
      const instance = {
        ...fields,
        id: node['id'],
        service: name,
        host: match[1],
        port: Number(match[2]),
        ...(typeof version === 'string' && version !== '' && { version }),
        ...(metadata !== undefined && { metadata }),
      };
      return { instance: checkInstance(instance as Instance), owner };
    },
  };
}

/** go-micro cleans the whole as a path. */
function piece(name: string, field: string): string {
  if (name === '.' || name === '..')
    throw new TypeError(`instance.${field}: ${JSON.stringify(name)} is a step of a path in the layout of go-micro. Give another one.`);
  return name.replaceAll('/', '-');
}
