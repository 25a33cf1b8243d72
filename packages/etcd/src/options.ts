import type { Logger } from '@ferrule/core';
import { checkOptions, checkSurroundings, namesOf, toMs } from '@ferrule/core/adapter';
import type { Clock, Duration } from '@ferrule/core/adapter';
import { addressesOf } from './addresses.js';
import type { Layout } from './layouts/layout.js';
import { LAYOUTS } from './layouts/layouts.js';
import type { LayoutName } from './layouts/layouts.js';
import { tlsSettings } from './tls.js';
import type { EtcdTls } from './tls.js';
import { wrong } from './wrong.js';

/** Of `etcdRegistry`. Durations are milliseconds, or text such as `'15s'`. */
export interface EtcdRegistryOptions {
  /**
   * The members of the cluster, one or several: `'http://10.0.0.1:2379'`, `'host:2379'`, `'https://…'`, a list of them, or one text with commas
   * between. Begins with any of them and goes on to the next when one cannot be reached. Without a scheme it is https when `tls` is given.
   * Default `127.0.0.1:2379`.
   */
  readonly endpoints?: string | readonly string[];
  /** With `password`, for an etcd with authentication. */
  readonly username?: string;
  /** Sent to etcd for a token, which is renewed when it expires; never logged. */
  readonly password?: string;
  /** For https with certificates of one's own. Default: those of the system, as in node:tls. */
  readonly tls?: EtcdTls;
  /** What all keys begin with; a slash is put at its end. Default: that of the layout, `/ferrule/`, `/micro/registry/` or `/microservices/`. */
  readonly prefix?: string;
  /** So long after its process died an instance is gone, 5 s to a day. Renewed every third of it. Default 15 s. */
  readonly ttl?: Duration;
  /** Bound of an exchange with a member. Default 5 s. */
  readonly requestTimeout?: Duration;
  /** How keys and values look: our own, or those of go-micro's or Kratos' etcd registries, so that we find their services and they ours. Default `ferrule`. */
  readonly layout?: LayoutName;
  /** Default: that of whoever registers, else writes nothing. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** The options, checked and in milliseconds. */
export interface EtcdSettings {
  readonly endpoints: readonly string[];
  readonly user: { readonly name: string; readonly password: string } | undefined;
  readonly tls: EtcdTls | undefined;
  readonly layout: Layout;
  readonly ttlMs: number;
  readonly requestTimeoutMs: number;
}

const NAMES = namesOf<EtcdRegistryOptions>({
  endpoints: true,
  username: true,
  password: true,
  tls: true,
  prefix: true,
  ttl: true,
  requestTimeout: true,
  layout: true,
  logger: true,
  clock: true,
  random: true,
});

/** What a configuration file cannot hold. */
export const SURROUNDINGS: readonly string[] = ['logger', 'clock', 'random'] satisfies readonly (keyof EtcdRegistryOptions)[];

/** @throws TypeError naming the option, its value (never a password) and what would be right. */
export function settingsOf(options: EtcdRegistryOptions): EtcdSettings {
  checkOptions('etcdRegistry', options, NAMES);
  checkSurroundings('etcdRegistry', options);
  const { endpoints = '127.0.0.1:2379', layout = 'ferrule', tls, prefix } = options;
  if (!Object.hasOwn(LAYOUTS, layout))
    throw wrong(
      'layout',
      layout,
      `Give ${Object.keys(LAYOUTS)
        .map((name) => `'${name}'`)
        .join(' or ')}`,
    );
  if (prefix !== undefined && (typeof prefix !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(prefix)))
    throw wrong('prefix', prefix, "Give 1 to 200 visible ASCII characters, such as '/ferrule/'");
  const addresses = addressesOf(endpoints, tls !== undefined);
  return {
    endpoints: addresses,
    user: userOf(options),
    tls: tls === undefined ? undefined : tlsSettings(tls, addresses),
    layout: LAYOUTS[layout](prefix === undefined || prefix.endsWith('/') ? prefix : `${prefix}/`),
    ttlMs: span('ttl', options.ttl ?? 15_000, 5_000, 86_400_000),
    requestTimeoutMs: span('requestTimeout', options.requestTimeout ?? 5_000, 1, 600_000),
  };
}

function userOf({ username, password }: EtcdRegistryOptions): EtcdSettings['user'] {
  if (username !== undefined && (typeof username !== 'string' || username === ''))
    throw wrong('username', username, 'Give the name of a user of etcd, or leave it out');
  if (password !== undefined && (typeof password !== 'string' || password === ''))
    throw new TypeError('etcdRegistry password: it is no text. Give that of the user, or leave both out.');
  if ((username === undefined) !== (password === undefined))
    throw new TypeError(`etcdRegistry ${username === undefined ? 'username' : 'password'}: it is missing. Give username and password together.`);
  return username === undefined || password === undefined ? undefined : { name: username, password };
}

function span(name: string, duration: Duration, leastMs: number, mostMs: number): number {
  const ms = toMs(duration, `etcdRegistry ${name}`);
  if (ms < leastMs || ms > mostMs) throw wrong(name, duration, `Give at least ${leastMs} ms and at most ${mostMs} ms`);
  return ms;
}
