import { describeWith, scriptLibrary } from './real-server.js';
import type { ServerProcess } from './real-server.js';

/** A cluster of one on a port of its own; scripts/lib/etcd.mjs has the contract. */
export interface EtcdServer extends ServerProcess {
  readonly address: string;
}

interface EtcdOptions {
  readonly dataDirectory?: string;
  readonly clientPort?: number;
  readonly args?: readonly string[];
}

interface EtcdLibrary {
  etcdBinary(): Promise<string | undefined>;
  etcdServer(binary: string, options?: EtcdOptions): Promise<EtcdServer>;
}

const library = await scriptLibrary<EtcdLibrary>('etcd');
const binary = await library.etcdBinary();

export const describeWithEtcd = describeWith('etcd', 'etcd', binary);

export function newEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  return library.etcdServer(binary!, options);
}

/** Asks etcd through its JSON gateway, which shares nothing with our client. Keys and values are written as texts with `base64`. */
export async function etcdSays<T = unknown>({ address }: { readonly address: string }, path: string, body: object = {}, token?: string): Promise<T> {
  const response = await fetch(`${address}/v3${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: token === undefined ? {} : { authorization: token },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

interface GatewayRange {
  readonly kvs?: readonly { readonly key: string; readonly value: string; readonly lease?: string; readonly mod_revision: string }[];
}

/** All keys below a prefix with their values and leases. */
export async function etcdKeys(
  etcd: { readonly address: string },
  prefix = '/',
  token?: string,
): Promise<ReadonlyMap<string, { readonly value: string; readonly lease: string }>> {
  const range = { key: base64(prefix), range_end: base64(`${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`) };
  const { kvs = [] } = await etcdSays<GatewayRange>(etcd, '/kv/range', range, token);
  const text = (encoded: string): string => Buffer.from(encoded, 'base64').toString();
  return new Map(kvs.map(({ key, value, lease = '0' }) => [text(key), { value: text(value), lease }]));
}

export async function etcdPut(etcd: { readonly address: string }, key: string, value: string): Promise<void> {
  await etcdSays(etcd, '/kv/put', { key: base64(key), value: base64(value) });
}

/** Takes every key away, as at the beginning. */
export async function wipeEtcd(etcd: { readonly address: string }): Promise<void> {
  await etcdSays(etcd, '/kv/deleterange', { key: base64('\0'), range_end: base64('\0') });
}
