import { isIP } from 'node:net';
import { shown } from '../options/shown.js';
import type { Instance } from './registry.js';

const NAME = /^[\x21-\x7e]{1,200}$/;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i;
// C0, DEL, C1 and the two line separators of Unicode: what could forge a log line.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const STATUSES: readonly unknown[] = ['pass', 'warn', 'fail'];
const MOST_TAGS = 64;
const MOST_METADATA = 64;

/**
 * The instance as every registry keeps it: a frozen copy of the known fields and no others, an IPv6 host without its brackets.
 * Bounds: id and service up to 200 visible ASCII characters; version, zone, a tag and a metadata key up to 200 characters, a metadata
 * value up to 4,096, none of them with a control character; at most 64 tags and 64 pairs of metadata; port 1 to 65,535; weight 0 to 65,535; priority 0 to 127.
 * @throws TypeError naming the field, its value and what would be right.
 */
export function checkInstance(instance: Instance): Instance {
  if (typeof instance !== 'object' || instance === null) throw wrong('instance', instance, 'Give an object with id, service, host and port');
  const { id, service, version, scheme, port, serverName, weight, priority, zone, tags, metadata, status } = instance;
  if (!isName(id)) throw wrong('instance.id', id, 'Give 1 to 200 visible ASCII characters, for example a UUID');
  checkServiceName(service, 'instance.service');
  const host = checkHost(instance.host);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw wrong('instance.port', port, 'Give the port it listens on, an integer from 1 to 65535');
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') throw wrong('instance.scheme', scheme, "Give 'http' or 'https'");
  if (serverName !== undefined && (!isHostName(serverName) || isIP(serverName) !== 0))
    // TLS names no addresses (RFC 6066, 3)
    throw wrong('instance.serverName', serverName, 'Give the host name that its certificate carries, without scheme and port, no IP address');
  if (weight !== undefined && !(typeof weight === 'number' && weight >= 0 && weight <= 65_535))
    throw wrong('instance.weight', weight, 'Give a number from 0 to 65535');
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= 127))
    throw wrong('instance.priority', priority, 'Give an integer from 0 (first) to 127');
  if (status !== undefined && !STATUSES.includes(status)) throw wrong('instance.status', status, "Give 'pass', 'warn' or 'fail'");
  return Object.freeze({
    id,
    service,
    ...(version !== undefined && { version: checkText('instance.version', version) }),
    ...(scheme !== undefined && { scheme }),
    host,
    port,
    ...(serverName !== undefined && { serverName }),
    ...(weight !== undefined && { weight }),
    ...(priority !== undefined && { priority }),
    ...(zone !== undefined && { zone: checkText('instance.zone', zone) }),
    ...(tags !== undefined && { tags: checkTags(tags) }),
    ...(metadata !== undefined && { metadata: checkMetadata(metadata) }),
    ...(status !== undefined && { status }),
  });
}

/** @throws TypeError when the name is not 1 to 200 visible ASCII characters. */
export function checkServiceName(service: string, option = 'service'): void {
  if (!isName(service)) throw wrong(option, service, 'Give 1 to 200 visible ASCII characters');
}

/** Whether both say the same of an instance, whatever the order of their metadata. */
export function sameInstance(a: Instance, b: Instance): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.service === b.service &&
      a.version === b.version &&
      (a.scheme ?? 'http') === (b.scheme ?? 'http') &&
      a.host === b.host &&
      a.port === b.port &&
      a.serverName === b.serverName &&
      (a.weight ?? 1) === (b.weight ?? 1) &&
      (a.priority ?? 0) === (b.priority ?? 0) &&
      a.zone === b.zone &&
      (a.status ?? 'pass') === (b.status ?? 'pass') &&
      sameTags(a.tags ?? [], b.tags ?? []) &&
      sameMetadata(a.metadata ?? {}, b.metadata ?? {}))
  );
}

/** In the order of their ids, so that every process sees the same order. */
export function byId(a: Instance, b: Instance): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

function checkHost(host: unknown): string {
  const remedy = 'Give a host name or an IP address, without scheme, port or zone';
  if (typeof host !== 'string') throw wrong('instance.host', host, remedy);
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  if (bare.includes('%') || (isIP(bare) === 0 && !isHostName(bare))) throw wrong('instance.host', host, remedy);
  return bare;
}

/** Whether it has the form of a host name; `127.0.0.1` has it too. */
export function isHostName(value: unknown): value is string {
  return typeof value === 'string' && HOST_NAME.test(value);
}

function checkText(option: string, value: unknown, longest = 200): string {
  if (typeof value === 'string' && value.length <= longest && !CONTROL.test(value)) return value;
  throw wrong(option, value, `Give text of at most ${longest} characters without control characters`);
}

function checkTags(tags: unknown): readonly string[] {
  if (!Array.isArray(tags) || tags.length > MOST_TAGS) throw wrong('instance.tags', tags, `Give an array of at most ${MOST_TAGS} texts`);
  return Object.freeze(tags.map((tag: unknown, index) => checkText(`instance.tags[${index}]`, tag)));
}

function checkMetadata(metadata: unknown): Readonly<Record<string, string>> {
  const pairs = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata) ? Object.entries(metadata) : undefined;
  if (pairs === undefined || pairs.length > MOST_METADATA)
    throw wrong('instance.metadata', metadata, `Give an object with at most ${MOST_METADATA} texts`);
  // Without a prototype: metadata.constructor is undefined, and a key called __proto__ is a key like others.
  const copy = Object.create(null) as Record<string, string>;
  for (const [key, value] of pairs)
    copy[checkText('a key of instance.metadata', key)] = checkText(`instance.metadata[${JSON.stringify(key)}]`, value, 4_096);
  return Object.freeze(copy);
}

function sameTags(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((tag, index) => tag === b[index]);
}

function sameMetadata(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}

function wrong(option: string, value: unknown, remedy: string): TypeError {
  return new TypeError(`${option}: ${shown(value)} does not fit. ${remedy}.`);
}
