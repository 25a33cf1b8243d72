import type { Instance } from '@ferrule/core';
import type { HealthRow } from '../entry.js';
import { goMicroNode } from './go-micro.js';
import { kratosEndpoint, weightOfKratos } from './kratos.js';

/** As of every instance (`checkInstance`). What does not fit is left out: the entry of somebody else need not fit. */
const MOST = 64;
const MOST_TEXT = 200;
const MOST_VALUE = 4_096;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** What an entry that others wrote says beside its id, address and status; also where it is to be called, when that is not its address. */
export type Foreign = Pick<Instance, 'version' | 'zone' | 'scheme' | 'weight' | 'tags' | 'metadata'> & Partial<Pick<Instance, 'host' | 'port'>>;

/**
 * Reads go-micro's tags, Kratos' addresses, and what Spring Cloud Consul and others write: plain tags, those of the form `key=value` also
 * as metadata, and Meta. `version`, `zone`, `scheme` and `secure` are taken from either. Never throws.
 */
export function readForeign({ Tags, Meta, TaggedAddresses, Weights }: NonNullable<HealthRow['Service']>): Foreign {
  const all = Tags ?? [];
  const meta = Meta ?? {};
  const node = goMicroNode(all);
  const endpoint = kratosEndpoint(TaggedAddresses);
  const tags = (node?.rest ?? all).filter((tag) => isText(tag, MOST_TEXT)).slice(0, MOST);
  const said = new Map<string, string>();
  for (const tag of tags) {
    const end = tag.indexOf('=');
    if (end > 0) said.set(tag.slice(0, end), tag.slice(end + 1));
  }
  const field = (name: string): string | undefined => text(said.get(name)) ?? text(node?.metadata[name]) ?? text(meta[name]);
  // These have a field of their own; in Meta they stay what they were.
  const pairs = [...said].filter(([name]) => name !== 'version' && name !== 'zone' && name !== 'scheme');
  const metadata = boundedPairs([
    ...(endpoint === undefined || isHttp(endpoint.scheme) ? [] : [['protocol', endpoint.scheme] as const]),
    ...pairs,
    ...Object.entries(meta),
    ...Object.entries(node?.metadata ?? {}),
  ]);
  const version = node === undefined ? field('version') : text(node.version);
  const zone = field('zone');
  const told = endpoint?.scheme ?? field('scheme') ?? (field('secure') === 'true' ? 'https' : undefined);
  const weight = endpoint === undefined ? weightOf(Weights?.Passing, field('weight')) : weightOfKratos(meta['weight']);
  return {
    ...(version !== undefined && { version }),
    ...(zone !== undefined && { zone }),
    ...(isHttp(told) && { scheme: told }),
    ...(weight !== undefined && { weight }),
    ...(tags.length > 0 && { tags }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
    ...(endpoint !== undefined && { host: endpoint.host, port: endpoint.port }),
  };
}

/** Consul's own weight, which is 1 where nobody gave one, else the one in the metadata. */
function weightOf(passing: number | undefined, told: string | undefined): number | undefined {
  if (passing !== undefined && passing !== 1) return passing;
  const weight = told === undefined || told === '' ? Number.NaN : Number(told);
  return weight >= 0 && weight <= 65_535 && weight !== 1 ? weight : undefined;
}

/** The later of the same name wins. */
function boundedPairs(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const metadata = Object.create(null) as Record<string, string>;
  let room = MOST;
  for (const [key, value] of new Map(pairs)) {
    if (room === 0) break;
    if (key === '' || !isText(key, MOST_TEXT) || !isText(value, MOST_VALUE)) continue;
    metadata[key] = value;
    room--;
  }
  return metadata;
}

function isHttp(scheme: string | undefined): scheme is 'http' | 'https' {
  return scheme === 'http' || scheme === 'https';
}

function text(value: unknown): string | undefined {
  return isText(value, MOST_TEXT) ? value : undefined;
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest && !CONTROL.test(value);
}
