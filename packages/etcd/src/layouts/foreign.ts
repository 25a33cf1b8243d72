import type { Instance } from '@ferrule/core';
import { isObject } from './layout.js';

/*
 * The registries of go-micro and Kratos know an id, a name, a version, an address and metadata. What else an instance of ours has, and who wrote
 * it, goes into one more pair of metadata, as JSON; their clients hand it through.
 */

const KEY = 'ferrule';

interface Rest extends Partial<Omit<Instance, 'id' | 'service' | 'version' | 'host' | 'port' | 'metadata'>> {
  readonly owner?: string;
  readonly note?: string;
  /** Names of pairs that are for the clients of the other side alone. */
  readonly added?: readonly string[];
}

/** The metadata to write. `added` are pairs that the other side looks for; those of the instance go before. @throws TypeError */
export function metadataFor(
  { id: _id, service: _service, version: _version, host: _host, port: _port, metadata = {}, ...fields }: Instance,
  owner: string,
  note: string | undefined,
  added: Readonly<Record<string, string>>,
): Record<string, string> {
  if (Object.hasOwn(metadata, KEY))
    throw new TypeError(
      `instance.metadata: ${JSON.stringify(KEY)} is taken in this layout: the rest of the instance stands there. Give the pair another name.`,
    );
  const names = Object.keys(added).filter((name) => !Object.hasOwn(metadata, name));
  const rest: Rest = {
    owner,
    ...(note !== undefined && { note }),
    ...(names.length > 0 && { added: names }),
    ...fields,
  };
  return Object.fromEntries([...Object.entries({ ...added, ...metadata }), [KEY, JSON.stringify(rest)]]);
}

/** What `metadataFor` has written, taken apart; of others, their metadata and no `owner`. What is no text in it is left out. */
export function partsOf(metadata: unknown): {
  readonly owner: string | undefined;
  readonly fields: Partial<Instance>;
  readonly metadata: Readonly<Record<string, string>> | undefined;
} {
  const pairs = Object.entries(isObject(metadata) ? metadata : {}).filter((pair): pair is [string, string] => typeof pair[1] === 'string');
  const rest = restOf(pairs.find(([name]) => name === KEY)?.[1]);
  if (rest === undefined) return { owner: undefined, fields: {}, metadata: pairs.length === 0 ? undefined : Object.fromEntries(pairs) };
  const { owner, note: _, added = [], ...fields } = rest;
  const own = pairs.filter(([name]) => name !== KEY && !added.includes(name));
  return { owner, fields, metadata: own.length === 0 ? undefined : Object.fromEntries(own) };
}

function restOf(text: string | undefined): Rest | undefined {
  if (text === undefined) return undefined;
  try {
    const rest: unknown = JSON.parse(text);
    return isObject(rest) && typeof rest['owner'] === 'string' ? rest : undefined;
  } catch {
    return undefined; // a pair of somebody else
  }
}
