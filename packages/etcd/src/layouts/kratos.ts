import type { Instance } from '@ferrule/core';
import { originOf, checkInstance } from '@ferrule/core/adapter';
import { metadataFor, partsOf } from './foreign.js';
import { objectOf } from './layout.js';
import type { Layout } from './layout.js';

/** Of an instance without one; Kratos reads the pair `weight` of the metadata. */
const WEIGHT = 100;

/**
 * That of Kratos' etcd registry: `/microservices/<name>/<id>`, names as they are. The value is JSON: `{ "id", "name", "version", "metadata",
 * "endpoints": ["http://host:port", "grpc://host:port"] }`; of the endpoints the first of HTTP is read, secure when its scheme is https or its
 * query says `isSecure=true`. An instance without one is passed over.
 */
export function kratosLayout(prefix = '/microservices/'): Layout {
  const servicePrefix = (service: string): string => `${prefix}${service}/`;
  return {
    prefix,
    servicePrefix,
    key: (service, id) => `${servicePrefix(service)}${id}`,
    encode(instance, owner, note) {
      const { id, service, version = '', weight } = instance;
      const added = weight === undefined ? {} : { weight: String(Math.max(1, Math.round(weight * WEIGHT))) };
      // Its older clients look at the query, the newer ones at the scheme.
      const endpoint = `${originOf(instance)}${instance.scheme === 'https' ? '?isSecure=true' : ''}`;
      return JSON.stringify({ id, name: service, version, metadata: metadataFor(instance, owner, note, added), endpoints: [endpoint] });
    },
    decode(value) {
      const { id, name, version, metadata: pairs, endpoints } = objectOf(value);
      const urls = (Array.isArray(endpoints) ? (endpoints as unknown[]) : []).flatMap((text) =>
        typeof text === 'string' && URL.canParse(text) ? [new URL(text)] : [],
      );
      const url = urls.find(({ protocol }) => protocol === 'http:' || protocol === 'https:');
      if (url === undefined) {
        if (urls.length === 0) throw new Error('it has no endpoint');
        return undefined;
      }
      const { owner, fields, metadata } = partsOf(pairs);
      const secure = url.protocol === 'https:' || url.searchParams.get('isSecure') === 'true';
      const weight = owner === undefined ? Number(metadata?.['weight'] ?? Number.NaN) / WEIGHT : Number.NaN;
      const instance = {
        ...(weight >= 0 && weight <= 65_535 && { weight }),
        ...(secure && { scheme: 'https' }),
        ...fields,
        id,
        service: name,
        host: url.hostname,
        port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
        ...(typeof version === 'string' && version !== '' && { version }),
        ...(metadata !== undefined && { metadata }),
      };
      return { instance: checkInstance(instance as Instance), owner };
    },
  };
}
