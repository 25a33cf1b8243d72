import { createHash } from 'node:crypto';
import { checkInstance } from '../registry/instance.js';
import type { Instance } from '../registry/registry.js';
import type { StoredSnapshot } from './snapshot-store.js';

/** No list comes near it (5,000 instances are about 1 MiB); a longer text is none of ours. */
export const MOST_SNAPSHOT_BYTES: number = 8 * 1024 * 1024;

const HEADER = /^ferrule-list 1 (\d{1,15}) ([0-9a-f]{64})\n/;

/**
 * A list as a store keeps it: `ferrule-list 1 <at> <SHA-256 of at, a line feed and the body>`, a line feed, and the body, which is JSON of
 * service and instances. The first line alone tells which of two lists is older, and whether their bodies differ.
 * @throws RangeError when it is longer than `MOST_SNAPSHOT_BYTES`.
 */
export function encodeSnapshot({ service, instances, at: exact }: StoredSnapshot): string {
  const at = Math.floor(exact);
  if (!Number.isSafeInteger(at) || at < 0 || at > 999_999_999_999_999) throw new RangeError(`at: ${exact} is no time in milliseconds since 1970.`);
  const body = JSON.stringify({ service, instances });
  const text = `ferrule-list 1 ${at} ${checksum(at, body)}\n${body}`;
  if (Buffer.byteLength(text) > MOST_SNAPSHOT_BYTES)
    throw new RangeError(`The list of ${service} is longer than ${MOST_SNAPSHOT_BYTES} bytes and is not stored.`);
  return text;
}

/**
 * The list of this service in a text that anybody may have written. Fields that it does not know are left out, so that a newer process may
 * add some.
 * @throws Error saying what is wrong with it.
 */
export function decodeSnapshot(text: string, service: string): StoredSnapshot {
  if (Buffer.byteLength(text) > MOST_SNAPSHOT_BYTES) throw new Error(`it is longer than ${MOST_SNAPSHOT_BYTES} bytes`);
  const [header, at, sum] = HEADER.exec(text) ?? [];
  if (header === undefined) throw new Error('it does not begin as a list of format 1 does');
  const body = text.slice(header.length);
  if (checksum(Number(at), body) !== sum) throw new Error('its checksum does not fit');
  const raw: unknown = JSON.parse(body);
  if (!isRecord(raw) || !Array.isArray(raw['instances'])) throw new Error('it holds no list');
  if (raw['service'] !== service) throw new Error('it is the list of another service');
  const seen = new Set<string>();
  const instances = raw['instances'].map((each: unknown): Instance => {
    if (!isRecord(each)) throw new Error('an instance is no plain object');
    const instance = checkInstance(each as unknown as Instance);
    if (instance.service !== service) throw new Error('an instance belongs to another service');
    if (seen.has(instance.id)) throw new Error('two instances have the same id');
    seen.add(instance.id);
    return instance;
  });
  return { service, instances: Object.freeze(instances), at: Number(at) };
}

function checksum(at: number, body: string): string {
  return createHash('sha256').update(`${at}\n`).update(body).digest('hex');
}

/** An object that JSON made, and that does not try to be one of another prototype. */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Object.hasOwn(value, '__proto__');
}
