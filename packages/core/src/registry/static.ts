import { checkInstance, checkServiceName } from './instance.js';
import { checkOptions, checkRecord } from '../options/check.js';
import { shown } from '../options/shown.js';
import { inProcessRegistry } from './memory.js';
import type { Instance, Registry } from './registry.js';

/** Where an instance listens: `'http://host:8080'`, `'https://host'` (443), `'host:8080'`, `'[::1]:8080'`, or its fields. */
export type StaticAddress = string | StaticInstance;

export type StaticInstance = Omit<Instance, 'id' | 'service'> & { readonly id?: string };

export interface StaticRegistry extends Registry {
  /** Adds addresses to a service; one that is there already takes the new fields. @throws TypeError naming a bad address; then none was added. */
  add(service: string, ...addresses: readonly StaticAddress[]): void;
  /** Takes addresses away, by what they were added as. Returns whether all of them were there. @throws TypeError naming a bad address. */
  remove(service: string, ...addresses: readonly StaticAddress[]): boolean;
}

/**
 * Fixed addresses by service, for when there is no registry to ask. An id is made of service, host and port, so that an endpoint keeps
 * what was learnt about it however often its address is added again. What a process registers here is seen by itself alone.
 * @throws TypeError naming a bad service or address.
 */
export function staticRegistry(services: Readonly<Record<string, StaticAddress | readonly StaticAddress[]>> = {}): StaticRegistry {
  checkRecord(services, 'staticRegistry');
  const { put, remove, ...registry } = inProcessRegistry('static');
  const fixed: StaticRegistry = {
    ...registry,
    add(service, ...addresses) {
      for (const instance of addresses.map((address) => instanceOf(service, address))) put(instance);
    },
    remove(service, ...addresses) {
      return addresses.map((address) => remove(service, instanceOf(service, address).id)).every(Boolean);
    },
  };
  for (const [service, addresses] of Object.entries(services)) fixed.add(service, ...(isList(addresses) ? addresses : [addresses]));
  return fixed;
}

const isList = (value: StaticAddress | readonly StaticAddress[]): value is readonly StaticAddress[] => Array.isArray(value);

const FIELDS: readonly string[] = ['id', 'service', 'version', 'scheme', 'host', 'port', 'weight', 'zone', 'tags', 'metadata', 'status'];
const ADDRESS = /^(?:(https?):\/\/)?(\[[0-9a-f:.]+\]|[^:/?#@[\]\s]+)(?::(\d{1,5}))?\/?$/i;
const PORT_OF: Readonly<Record<string, number>> = { http: 80, https: 443 };

function instanceOf(service: string, address: StaticAddress): Instance {
  checkServiceName(service);
  const fields = typeof address === 'string' ? parse(service, address) : address;
  checkOptions(`Service ${service}, address`, fields, FIELDS);
  try {
    const host = typeof fields.host === 'string' && fields.host.includes(':') && !fields.host.startsWith('[') ? `[${fields.host}]` : fields.host;
    return checkInstance({ id: `${service}@${host}:${fields.port}`, ...fields, service });
  } catch (error) {
    throw new TypeError(`Service ${service}, address ${shown(address)}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function parse(service: string, address: string): StaticInstance {
  const match = ADDRESS.exec(address);
  const scheme = match?.[1]?.toLowerCase() as 'http' | 'https' | undefined;
  const port = match?.[3] === undefined ? PORT_OF[scheme ?? ''] : Number(match[3]);
  if (match === null || port === undefined) {
    throw new TypeError(
      `Service ${service}, address ${shown(address)} is no address. Give 'http://host:port', 'https://host', 'host:port' or '[IPv6]:port', without user, path or query.`,
    );
  }
  return { ...(scheme !== undefined && { scheme }), host: match[2]!, port };
}
