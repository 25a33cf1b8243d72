import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { checkInstance, checkServiceName, isHostName } from './instance.js';
import type { Instance } from './registry.js';

/**
 * Where an instance listens: `'http://host:8080'`, `'https://host'` (443), `'host:8080'`, `'[::1]:8080'`, or its fields. A host name stands
 * for all of its addresses. `'srv://_orders._tcp.example.com'` (`'srv+https://…'`) stands for what these SRV records name.
 */
export type StaticAddress = string | StaticInstance;

/** The fields of an instance; an id is made of service, host and port when none is given. */
export type StaticInstance = Omit<Instance, 'id' | 'service'> & { readonly id?: string };

/** One address of a service, checked. */
export interface StaticEntry {
  /** The instance that it stands for; for a name the pattern of its instances, one for each address. */
  readonly instance: Instance;
  /** Whether `instance.host` is a name of SRV records. */
  readonly srv: boolean;
}

const FIELDS: readonly string[] = namesOf<StaticInstance & { service: string }>({
  id: true,
  service: true,
  version: true,
  scheme: true,
  host: true,
  port: true,
  serverName: true,
  weight: true,
  priority: true,
  zone: true,
  tags: true,
  metadata: true,
  status: true,
});
const PORT_OF: Readonly<Record<string, number>> = { http: 80, https: 443 };
const FORMS = "Give 'http://host:port', 'https://host', 'host:port' or '[IPv6]:port', without user, path or query";
const SRV_NAME = /^_[a-z0-9-]+\._(?:tcp|udp)\.[a-z0-9._-]+$/i;
/** SRV records bring their ports; the pattern of an instance has to have one. */
const NO_PORT = 1;
const LONGEST_ID = 200;

/**
 * The addresses of a service, checked, none twice.
 * @throws TypeError naming service and address, and what is wrong with it
 */
export function checkAddresses(service: string, addresses: readonly StaticAddress[]): readonly StaticEntry[] {
  checkServiceName(service);
  const entries = new Map<string, StaticEntry>();
  // By index, so that a hole in the array is found and not skipped.
  for (let index = 0; index < addresses.length; index++) {
    const address: unknown = addresses[index];
    const entry = entryOf(service, address);
    if (entries.has(entry.instance.id))
      throw wrong(subjectOf(service), address, 'stands there twice. Give each address once; a weight says how much it takes');
    entries.set(entry.instance.id, entry);
  }
  return [...entries.values()];
}

/** Scheme, host and port of an address as text. @param subject what it is the address of, for the message. @throws TypeError */
export function parseAddress(subject: string, address: string): Pick<Instance, 'scheme' | 'host' | 'port'> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address)?.[1]?.toLowerCase();
  const rest = scheme === undefined ? address : address.slice(scheme.length + 3);
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') throw wrong(subject, address, `has the scheme ${shown(scheme)}. ${FORMS}`);
  const authority = /^[^/?#]*/.exec(rest)![0];
  const after = rest.slice(authority.length);
  if (authority.includes('@')) throw wrong(subject, address, 'holds a user. Credentials belong into headers');
  if (after !== '' && after !== '/') throw wrong(subject, address, `goes on with ${shown(after)}. Paths and queries belong into the requests`);
  if (/^[^[]*:.*:/s.test(authority)) throw wrong(subject, address, `has two colons; IPv6 stands in brackets. ${FORMS}`);
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(authority);
  if (match === null) throw wrong(subject, address, `is no address. ${FORMS}`);
  const [, host = '', portText] = match;
  if (host === '') throw wrong(subject, address, `has no host. ${FORMS}`);
  if (portText === undefined && scheme === undefined) throw wrong(subject, address, `has no port. ${FORMS}`);
  const port = portText === undefined ? PORT_OF[scheme!]! : /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
  if (!(port >= 1 && port <= 65_535)) throw wrong(subject, address, `has the port ${shown(portText)}. Give a number from 1 to 65535`);
  return { ...(scheme !== undefined && { scheme }), host: checkedHost(subject, address, host), port };
}

function entryOf(service: string, address: unknown): StaticEntry {
  const subject = subjectOf(service);
  if (typeof address !== 'string' && (typeof address !== 'object' || address === null || Array.isArray(address)))
    throw wrong(subject, address, `is no address. ${FORMS}, or { host, port, … }`);
  const srv = typeof address === 'string' ? /^srv(?:\+(https?))?:\/\/(.*?)\/?$/i.exec(address) : null;
  const fields = srv !== null ? srvFields(subject, address as string, srv) : typeof address === 'string' ? parseAddress(subject, address) : address;
  checkOptions(`${subject}, address`, fields, FIELDS);
  const { id, ...rest } = fields as StaticInstance & { readonly service?: string };
  if (rest.service !== undefined && rest.service !== service) throw wrong(subject, address, `says that it is of the service ${shown(rest.service)}`);
  const host = typeof rest.host === 'string' ? checkedHost(subject, address, rest.host) : rest.host;
  const place = srv !== null ? `srv:${host}` : `${host?.includes(':') ? `[${host}]` : host}:${rest.port}`;
  try {
    return { instance: checkInstance({ ...rest, host, id: id ?? placeId(`${service}@${place}`), service }), srv: srv !== null };
  } catch (error) {
    throw wrong(subject, address, `does not fit: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function srvFields(subject: string, address: string, [, scheme, name]: RegExpExecArray): StaticInstance {
  if (!SRV_NAME.test(name!)) throw wrong(subject, address, "is no name of SRV records. Give one such as 'srv://_orders._tcp.example.com'");
  return { ...(scheme !== undefined && { scheme: scheme.toLowerCase() as 'http' | 'https' }), host: name!, port: NO_PORT };
}

/** An id that says where something stands; of a long one the end becomes its SHA-256. */
export function placeId(text: string): string {
  return text.length <= LONGEST_ID ? text : `${text.slice(0, 100)}~${createHash('sha256').update(text).digest('hex')}`;
}

/** In one notation: a name in lower case, an IPv6 address without brackets and compressed. What looks like a number and is none is no name. */
function checkedHost(subject: string, address: unknown, host: string): string {
  const bracketed = host.startsWith('[') && host.endsWith(']');
  const bare = bracketed ? host.slice(1, -1) : host;
  const kind = isIP(bare);
  if (bare.includes('%')) throw wrong(subject, address, 'holds a %: neither a zone (fe80::1%eth0) nor an encoded host can be used here');
  if (bracketed && kind !== 6) throw wrong(subject, address, 'has something in brackets that is no IPv6 address');
  if (kind === 6) return new URL(`http://[${bare}]`).hostname.slice(1, -1);
  // 127.1, 0x7f.1, 256.1.1.1: the system would make some address of it.
  if (kind === 0 && /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i.test(bare))
    throw wrong(subject, address, 'has a host that looks like an IPv4 address and is none');
  if (!isHostName(bare)) throw wrong(subject, address, `has the host ${shown(bare)}, which is neither a name nor an address`);
  return bare.toLowerCase();
}

function subjectOf(service: string): string {
  return `Service ${shown(service)}`;
}

/** Credentials in an address are not repeated. */
function wrong(subject: string, address: unknown, what: string, cause?: unknown): TypeError {
  const text = typeof address === 'string' ? address.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1…@') : address;
  return new TypeError(`${subject}: the address ${shown(text)} ${what}.`, cause === undefined ? undefined : { cause });
}
