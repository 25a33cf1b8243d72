import type { Instance } from '@ferrule/core';
import { checkInstance } from '@ferrule/core/adapter';
import { readForeign } from './interop/foreign.js';
import type { Foreign } from './interop/foreign.js';
import { goMicroTags, isGoMicroLetter } from './interop/go-micro.js';
import { kratosAddresses, kratosWeight } from './interop/kratos.js';
import type { TaggedAddresses } from './interop/kratos.js';
import { consulId, consulName } from './names.js';
import { statusOf, worst } from './status.js';

/** A service as the agent takes it (`PUT /v1/agent/service/register`), in fields that Consul 1.8 knows: it refuses what it does not know. */
export interface ConsulService {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags: readonly string[];
  readonly Meta: Readonly<Record<string, string>>;
  readonly Weights?: { readonly Passing: number; readonly Warning: number };
  readonly EnableTagOverride?: true;
  readonly TaggedAddresses?: TaggedAddresses;
}

/** One row of `GET /v1/health/service/<name>`, as far as it is read. */
export interface HealthRow {
  readonly Node?: { readonly Node?: string; readonly Address?: string; readonly ModifyIndex?: number };
  readonly Service?: {
    readonly ModifyIndex?: number;
    readonly ID?: string;
    readonly Service?: string;
    readonly Address?: string;
    readonly Port?: number;
    readonly Tags?: readonly string[] | null;
    readonly Meta?: Readonly<Record<string, string>> | null;
    readonly Weights?: { readonly Passing?: number; readonly Warning?: number };
    readonly TaggedAddresses?: TaggedAddresses | null;
  };
  readonly Checks?: readonly { readonly CheckID?: string; readonly Status?: string; readonly ModifyIndex?: number }[] | null;
}

/** Ours in Meta. Consul allows 64 pairs, keys of letters, digits, `-` and `_` up to 128, values up to 512 bytes. */
const OURS = 'ferrule-';
/** Who wrote the entry; its presence says that it is one of ours. */
export const OWNER = 'ferrule-owner';
const TAGS = `${OURS}tags`;
const MOST_PAIRS = 64;
const MOST_VALUE = 512;
const PLAIN_KEY = /^(?!consul-|ferrule-)[A-Za-z0-9_-]{1,128}$/;

/** What the registry adds to each of its instances. */
export interface EntryStyle {
  /** After those of the instance. */
  readonly tags: readonly string[];
  readonly weights: { readonly passing?: number; readonly warning?: number };
  readonly tagOverride: boolean;
  readonly interop: Interop | undefined;
}

/** Whose clients shall find us too. */
export type Interop = { readonly kind: 'go-micro'; readonly endpoints: readonly string[] } | { readonly kind: 'kratos' };

export interface EncodeOptions extends EntryStyle {
  readonly owner: string;
  /** Whether Meta tells the status, because no check does. */
  readonly withStatus: boolean;
}

/**
 * What is registered for an instance. Version, zone and scheme are tags too (`version=1.2.3`), by which Consul's own tools can ask.
 * @throws TypeError when its metadata does not fit into Consul.
 */
export function encode(instance: Instance, { owner, tags, weights, tagOverride, withStatus, interop }: EncodeOptions): ConsulService {
  const { id, service, host, port, version, zone, scheme, serverName, status, priority, metadata = {} } = instance;
  const weight = instance.weight ?? weights.passing;
  const own = [...(instance.tags ?? []), ...tags];
  const leading = interop?.kind === 'go-micro' ? goMicroTags({ ...instance, ...(weight !== undefined && { weight }) }, interop.endpoints) : [];
  const named = { version: interop?.kind === 'kratos' ? (version ?? '') : version, zone, scheme };
  const derived = Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const shown = [leading, own, derived].map((some) =>
    interop?.kind === 'go-micro' && some !== leading ? some.filter((tag) => !isGoMicroLetter(tag)) : some,
  );
  const meta: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, {
    [OWNER]: owner,
    'ferrule-id': id,
    'ferrule-derived-tags': String(shown[2]!.length),
  });
  const fields = {
    version,
    zone,
    scheme,
    'server-name': serverName,
    weight: weight === undefined ? undefined : String(weight),
    priority: priority === undefined ? undefined : String(priority),
    status: withStatus ? status : undefined,
    'leading-tags': leading.length === 0 ? undefined : String(leading.length),
  };
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) put(meta, `${OURS}${name}`, value);
  if (shown[1]!.length < own.length) putText(meta, TAGS, asciiJson(own));
  const odd: [string, string][] = [];
  for (const [key, value] of Object.entries(metadata)) {
    if (PLAIN_KEY.test(key) && Buffer.byteLength(value) <= MOST_VALUE) put(meta, key, value);
    else odd.push([key, value]);
  }
  if (odd.length > 0) putText(meta, `${OURS}more`, asciiJson(odd));
  if (interop?.kind === 'kratos' && weight !== undefined && !Object.hasOwn(metadata, 'weight')) {
    put(meta, 'weight', kratosWeight(weight));
    put(meta, `${OURS}added`, 'weight');
  }
  if (Object.keys(meta).length > MOST_PAIRS) {
    throw new TypeError(
      `instance.metadata: it takes ${Object.keys(meta).length} of the ${MOST_PAIRS} pairs of 512 bytes that Consul keeps for an instance (${id}). Give less of it.`,
    );
  }
  const passing = share(weight ?? 1);
  return {
    ID: consulId(service, id),
    Name: consulName(service),
    Address: host,
    Port: port,
    Tags: shown.flat(),
    Meta: meta,
    ...((weight !== undefined || weights.warning !== undefined) && { Weights: { Passing: passing, Warning: weights.warning ?? passing } }),
    ...(tagOverride && { EnableTagOverride: true }),
    ...(interop?.kind === 'kratos' && { TaggedAddresses: kratosAddresses(instance) }),
  };
}

/** The instance of a row, frozen; undefined when it is none, for example without a port. Entries of other tools are read as far as they go. */
export function decode(row: HealthRow, service: string): Instance | undefined {
  const found = row.Service;
  const meta = found?.Meta ?? {};
  const ours = Object.hasOwn(meta, OWNER);
  const told = found === undefined ? {} : ours ? readOurs(found, meta) : readForeign(found);
  const host = told.host ?? (found?.Address === undefined || found.Address === '' ? row.Node?.Address : found.Address);
  const port = told.port ?? found?.Port;
  if (found?.ID === undefined || port === undefined || !(port > 0 && port < 65_536) || host === undefined || host === '') return undefined;
  const status = worst([...(row.Checks ?? []).map((check) => statusOf(check.Status)), meta['ferrule-status']]);
  // Who warns may be given a smaller share.
  const { Passing = 1, Warning = Passing } = found.Weights ?? {};
  const weight = status === 'warn' && Warning !== Passing ? Math.min(65_535, ((told.weight ?? 1) * Warning) / Passing) : told.weight;
  const id = (ours ? meta['ferrule-id'] : undefined) ?? found.ID;
  try {
    return checkInstance({ id, service, ...told, host, port, ...(weight !== undefined && { weight }), status });
  } catch {
    return undefined; // nobody could call it, or show it
  }
}

type Told = Foreign & Pick<Instance, 'priority' | 'serverName'>;

function readOurs({ Tags }: NonNullable<HealthRow['Service']>, pairs: Readonly<Record<string, string>>): Told {
  const meta = new Map(Object.entries(pairs));
  const [version, zone, scheme] = [meta.get('ferrule-version'), meta.get('ferrule-zone'), meta.get('ferrule-scheme')];
  const serverName = meta.get('ferrule-server-name');
  const [weight, priority] = [numberIn(meta, 'ferrule-weight'), numberIn(meta, 'ferrule-priority')];
  const all = Tags ?? [];
  const tags =
    tagsIn(meta) ?? all.slice(numberIn(meta, 'ferrule-leading-tags') ?? 0, Math.max(0, all.length - (numberIn(meta, 'ferrule-derived-tags') ?? 0)));
  const metadata = metadataOf(meta);
  return {
    ...(version !== undefined && { version }),
    ...((scheme === 'http' || scheme === 'https') && { scheme }),
    ...(serverName !== undefined && { serverName }),
    ...(weight !== undefined && { weight }),
    ...(priority !== undefined && { priority }),
    ...(zone !== undefined && { zone }),
    ...(tags.length > 0 && { tags }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}

/** A weight as Consul takes it. */
function share(weight: number): number {
  return Math.min(65_535, Math.max(1, Math.round(weight)));
}

function numberIn(meta: ReadonlyMap<string, string>, key: string): number | undefined {
  const number = Number(meta.get(key) ?? Number.NaN);
  return Number.isNaN(number) ? undefined : number;
}

/** All tags of the instance, where some of them may not stand among those of the entry. */
function tagsIn(meta: ReadonlyMap<string, string>): readonly string[] | undefined {
  try {
    const tags: unknown = JSON.parse(textOf(meta, TAGS) ?? 'null');
    return Array.isArray(tags) && tags.every((tag) => typeof tag === 'string') ? tags : undefined;
  } catch {
    return undefined;
  }
}

function metadataOf(meta: ReadonlyMap<string, string>): Record<string, string> {
  const metadata = Object.create(null) as Record<string, string>;
  const added = meta.get(`${OURS}added`);
  for (const [key, value] of meta) if (!key.startsWith(OURS) && key !== added) metadata[key] = value;
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
