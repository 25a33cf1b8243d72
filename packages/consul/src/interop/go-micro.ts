import { deflateSync, inflateSync } from 'node:zlib';
import type { Instance } from '@ferrule/core';

/*
 * go-micro keeps a node in its tags: `<letter>-<hex of zlib>`, `t` a JSON object with one pair of metadata, `e` an endpoint as JSON, `v` the
 * version. Its decoder takes the form of the first tag that begins with `e` or `t`, whoever wrote it, for that of all, and dies of a tag
 * that is `e` or `t` alone. So its tags stand first, and nobody else's begin with one of the three letters.
 */

/** Of one tag, before and after. Node and Go agree on these streams, not on their bytes. */
const MOST_ENCODED = 16_384;
const MOST_PAYLOAD = 16_384;
/** Tags of one instance that are looked into; endpoints are not. */
const MOST_TAGS = 128;
const ENCODED = /^[etv]-78(?:[0-9a-f]{2})+$/;

/** Whether go-micro's clients would take it for one of theirs. */
export function isGoMicroLetter(tag: string): boolean {
  return /^[etv]/.test(tag);
}

/** The tags by which go-micro's clients know an instance: its metadata with `protocol`, its endpoints, and a version even when it has none. */
export function goMicroTags({ version = '', metadata = {}, weight, zone }: Instance, endpoints: readonly string[]): readonly string[] {
  const pairs = {
    protocol: 'http',
    ...(weight !== undefined && { weight: String(weight) }),
    ...(zone !== undefined && { zone }),
    ...metadata,
  };
  return [
    ...Object.entries(pairs).map(([key, value]) => encoded('t', JSON.stringify(Object.fromEntries([[key, value]])))),
    ...endpoints.map((name) => encoded('e', JSON.stringify({ request: null, response: null, metadata: null, name }))),
    encoded('v', version),
  ];
}

export interface GoMicroNode {
  readonly version: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** The tags that are none of go-micro's. */
  readonly rest: readonly string[];
}

/** What go-micro's tags say; undefined when there are none. A tag that cannot be read is a tag like others; never throws. */
export function goMicroNode(tags: readonly string[]): GoMicroNode | undefined {
  const rest: string[] = [];
  const pairs: [string, string][] = [];
  let version: string | undefined;
  let found = false;
  let left = MOST_TAGS;
  for (const tag of tags) {
    if (!isGoMicroLetter(tag) || (tag[1] !== '-' && tag[1] !== '=')) {
      rest.push(tag);
      continue;
    }
    const letter = tag[0];
    // Nothing here needs the endpoints, and there are many.
    const payload = letter === 'e' && ENCODED.test(tag) ? '' : left-- > 0 ? payloadOf(tag) : undefined;
    const more = letter === 't' && payload !== undefined ? pairsOf(payload) : undefined;
    const isPlainEndpoint = letter === 'e' && tag[1] === '=' && !isEndpoint(payload);
    if (payload === undefined || (letter === 't' && more === undefined) || isPlainEndpoint) {
      rest.push(tag);
      continue;
    }
    found = true;
    if (letter === 'v') version ??= payload;
    if (more !== undefined) pairs.push(...more);
  }
  return found ? { version: version === '' ? undefined : version, metadata: Object.fromEntries(pairs), rest } : undefined;
}

function encoded(letter: 'e' | 't' | 'v', payload: string): string {
  return `${letter}-${deflateSync(payload).toString('hex')}`;
}

/** What stands in a tag: packed, or as it is, as old versions wrote it. */
function payloadOf(tag: string): string | undefined {
  if (tag[1] === '=') return tag.slice(2);
  if (tag.length > MOST_ENCODED || !ENCODED.test(tag)) return undefined;
  try {
    return inflateSync(Buffer.from(tag.slice(2), 'hex'), { maxOutputLength: MOST_PAYLOAD }).toString();
  } catch {
    return undefined;
  }
}

function pairsOf(payload: string): [string, string][] | undefined {
  const value = parsed(payload);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const pairs = Object.entries(value as Record<string, unknown>);
  return pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string') ? pairs : undefined;
}

function isEndpoint(payload: string | undefined): boolean {
  const value = parsed(payload ?? '');
  return typeof value === 'object' && value !== null && 'name' in value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
