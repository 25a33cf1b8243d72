import type { Instance, InstanceStatus } from '@ferrule/core';
import { consulId, consulName } from './names.js';

/** A service as the agent takes it (`PUT /v1/agent/service/register`), in fields that Consul 1.8 knows: it refuses what it does not know. */
export interface ConsulService {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags: readonly string[];
  readonly Meta: Readonly<Record<string, string>>;
  readonly Weights?: { readonly Passing: number; readonly Warning: number };
}

/** One row of `GET /v1/health/service/<name>`, as far as it is read. */
export interface HealthRow {
  readonly Node?: { readonly Address?: string };
  readonly Service?: {
    readonly ID?: string;
    readonly Service?: string;
    readonly Address?: string;
    readonly Port?: number;
    readonly Tags?: readonly string[] | null;
    readonly Meta?: Readonly<Record<string, string>> | null;
    readonly Weights?: { readonly Passing?: number };
  };
  readonly Checks?: readonly { readonly Status?: string }[] | null;
}

/** Ours in Meta. Consul allows 64 pairs, keys of letters, digits, `-` and `_` up to 128, values up to 512 bytes. */
const OURS = 'ferrule-';
/** Who wrote the entry; its presence says that it is one of ours. */
export const OWNER = 'ferrule-owner';
const MOST_PAIRS = 64;
const MOST_VALUE = 512;
const PLAIN_KEY = /^(?!consul-|ferrule-)[A-Za-z0-9_-]{1,128}$/;

export interface EncodeOptions {
  readonly owner: string;
  /** Tags of the registry, after those of the instance. */
  readonly tags: readonly string[];
  /** Whether Meta tells the status, because no check does. */
  readonly withStatus: boolean;
}

/**
 * What is registered for an instance. Version, zone and scheme are tags too (`version=1.2.3`), by which Consul's own tools can ask.
 * @throws TypeError when its metadata does not fit into Consul.
 */
export function encode(instance: Instance, { owner, tags, withStatus }: EncodeOptions): ConsulService {
  const { id, service, host, port, weight, version, zone, scheme, status, metadata = {} } = instance;
  const derived = Object.entries({ version, zone, scheme }).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const meta: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, {
    [OWNER]: owner,
    'ferrule-id': id,
    'ferrule-derived-tags': String(derived.length),
  });
  const own = { version, zone, scheme, weight: weight === undefined ? undefined : String(weight), status: withStatus ? status : undefined };
  for (const [name, value] of Object.entries(own)) if (value !== undefined) put(meta, `${OURS}${name}`, value);
  const odd: [string, string][] = [];
  for (const [key, value] of Object.entries(metadata)) {
    if (PLAIN_KEY.test(key) && Buffer.byteLength(value) <= MOST_VALUE) put(meta, key, value);
    else odd.push([key, value]);
  }
  if (odd.length > 0) putText(meta, `${OURS}more`, asciiJson(odd));
  if (Object.keys(meta).length > MOST_PAIRS) {
    throw new TypeError(
      `instance.metadata: it takes ${Object.keys(meta).length} of the ${MOST_PAIRS} pairs of 512 bytes that Consul keeps for an instance (${id}). Give less of it.`,
    );
  }
  const share = Math.min(65_535, Math.max(1, Math.round(weight ?? 1)));
  return {
    ID: consulId(service, id),
    Name: consulName(service),
    Address: host,
    Port: port,
    Tags: [...(instance.tags ?? []), ...tags, ...derived],
    Meta: meta,
    ...(weight !== undefined && { Weights: { Passing: share, Warning: share } }),
  };
}

/** The instance of a row; undefined when it is none, for example without a port. Entries of other tools are read as far as they go. */
export function decode(row: HealthRow, service: string): Instance | undefined {
  const found = row.Service;
  const host = found?.Address === undefined || found.Address === '' ? row.Node?.Address : found.Address;
  if (found?.ID === undefined || found.Port === undefined || found.Port === 0 || host === undefined || host === '') return undefined;
  const meta = new Map(Object.entries(found.Meta ?? {}));
  const ours = meta.has(OWNER);
  const tags = found.Tags ?? [];
  const field = (name: 'version' | 'zone' | 'scheme'): string | undefined => {
    if (ours) return meta.get(OURS + name);
    return tags.find((tag) => tag.startsWith(`${name}=`))?.slice(name.length + 1) ?? meta.get(name);
  };
  const [version, zone, scheme] = [field('version'), field('zone'), field('scheme')];
  const weight = ours ? meta.get('ferrule-weight') : found.Weights?.Passing;
  const kept = ours ? tags.slice(0, Math.max(0, tags.length - Number(meta.get('ferrule-derived-tags') ?? 0))) : tags;
  const metadata = metadataOf(meta);
  const status = worst([...(row.Checks ?? []).map((check) => statusOf(check.Status)), meta.get('ferrule-status')]);
  return {
    id: (ours ? meta.get('ferrule-id') : undefined) ?? found.ID,
    service,
    ...(version !== undefined && { version }),
    ...((scheme === 'http' || scheme === 'https') && { scheme }),
    host,
    port: found.Port,
    ...(weight !== undefined && (ours || Number(weight) !== 1) && { weight: Number(weight) }),
    ...(zone !== undefined && { zone }),
    ...(kept.length > 0 && { tags: kept }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
    status,
  };
}

/** In Consul's words, and back. */
export const CHECK_STATUS: Readonly<Record<InstanceStatus, 'passing' | 'warning' | 'critical'>> = {
  pass: 'passing',
  warn: 'warning',
  fail: 'critical',
};

/** A status that nobody knows (`maintenance` of other tools) is none to send traffic to. */
function statusOf(status: string | undefined): InstanceStatus {
  return status === 'passing' ? 'pass' : status === 'warning' ? 'warn' : 'fail';
}

function worst(all: readonly (string | undefined)[]): InstanceStatus {
  return all.includes('fail') ? 'fail' : all.includes('warn') ? 'warn' : 'pass';
}

function metadataOf(meta: ReadonlyMap<string, string>): Record<string, string> {
  const metadata = Object.create(null) as Record<string, string>;
  for (const [key, value] of meta) if (!key.startsWith(OURS)) metadata[key] = value;
  try {
    const more: unknown = JSON.parse(textOf(meta, `${OURS}more`) ?? '[]');
    for (const [key, value] of more as [string, string][]) metadata[key] = value;
  } catch {
    // Not written by us, whoever wrote it.
  }
  return metadata;
}

/** One value, in several pairs when it is long: `key`, `key-1`, `key-2`, … */
function putText(meta: Record<string, string>, key: string, text: string): void {
  for (let from = 0, piece = 0; from === 0 || from < text.length; from += MOST_VALUE, piece++)
    meta[piece === 0 ? key : `${key}-${piece}`] = text.slice(from, from + MOST_VALUE);
}

function textOf(meta: ReadonlyMap<string, string>, key: string): string | undefined {
  let text = meta.get(key);
  for (let piece = 1; text !== undefined; piece++) {
    const next = meta.get(`${key}-${piece}`);
    if (next === undefined) return text;
    text += next;
  }
  return undefined;
}

function put(meta: Record<string, string>, key: string, value: string): void {
  Object.defineProperty(meta, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Characters are bytes in it, so that it can be cut anywhere. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
