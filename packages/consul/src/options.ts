import type { Logger } from '@ferrule/core';
import { toMs } from '@ferrule/core/adapter';
import type { Clock, Duration } from '@ferrule/core/adapter';
import type { ConsulTls } from './client.js';

/** Of `consulRegistry`. Durations are milliseconds, or text such as `'10s'`. */
export interface ConsulRegistryOptions {
  /** The local agent: `'http://127.0.0.1:8500'`, `'host:port'`, `'https://…'`. Default: CONSUL_HTTP_ADDR, else `http://127.0.0.1:8500`. */
  readonly address?: string;
  /** ACL token; sent in a header, never logged. Default: CONSUL_HTTP_TOKEN. */
  readonly token?: string;
  /** For https with certificates of one's own. Default: those of the system, as in node:tls. */
  readonly tls?: ConsulTls;
  /** Where to look for services. Default: the agent's own. Registered is always at the agent. */
  readonly datacenter?: string;
  /**
   * How Consul learns how an instance is. `http` (default): it asks the readiness route; where the registrant names none, as `ttl`.
   * `ttl`: heartbeats of this process, also for agents that cannot reach it. `false`: no check; a killed process stays listed.
   */
  readonly check?: 'http' | 'ttl' | false;
  /** Between two questions of Consul, at least 1 s. Default 10 s. */
  readonly interval?: Duration;
  /** How long Consul waits for an answer. Default 1 s. */
  readonly timeout?: Duration;
  /** After so long without a heartbeat an instance is critical, at least 3 s; a heartbeat is sent every third of it. Default 15 s. */
  readonly ttl?: Duration;
  /** Consul forgets an instance that was critical for so long, at least 1 min: it looks every half minute and would raise less. Default 1 min. */
  readonly deregisterCriticalAfter?: Duration;
  /** Tags of every instance, beside its own. */
  readonly tags?: readonly string[];
  /** How long a watch's question is held open, 1 s to 10 min. An abandoned one holds a connection of the agent for so long. Default 30 s. */
  readonly wait?: Duration;
  /** Connections for watches, one for each service; beyond that they take turns. Consul allows 200 for each address by default. Default 64. */
  readonly maxSockets?: number;
  /** Bound of every other exchange with the agent. Default 5 s. */
  readonly requestTimeout?: Duration;
  /** Default: writes nothing. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** The options, checked and in milliseconds. */
export interface ConsulSettings {
  readonly address: string;
  readonly token: string | undefined;
  readonly check: 'http' | 'ttl' | false;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly ttlMs: number;
  readonly deregisterAfterMs: number;
  readonly waitMs: number;
  readonly maxSockets: number;
  readonly requestTimeoutMs: number;
  readonly tags: readonly string[];
}

const KNOWN: Readonly<Record<keyof ConsulRegistryOptions, true>> = {
  address: true,
  token: true,
  tls: true,
  datacenter: true,
  check: true,
  interval: true,
  timeout: true,
  ttl: true,
  deregisterCriticalAfter: true,
  tags: true,
  wait: true,
  maxSockets: true,
  requestTimeout: true,
  logger: true,
  clock: true,
  random: true,
};

/** @throws TypeError naming the option, its value (never a token) and what would be right. */
export function settingsOf(options: ConsulRegistryOptions, env: NodeJS.ProcessEnv): ConsulSettings {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(KNOWN, name))
      throw new TypeError(`consulRegistry: there is no option ${JSON.stringify(name)}. It takes ${Object.keys(KNOWN).join(', ')}.`);
  }
  const { check = 'http', maxSockets = 64, tags = [], token = env['CONSUL_HTTP_TOKEN'], datacenter } = options;
  if (check !== 'http' && check !== 'ttl' && check !== false) throw wrong('check', check, "Give 'http', 'ttl' or false");
  if (!Number.isInteger(maxSockets) || maxSockets < 1) throw wrong('maxSockets', maxSockets, 'Give an integer from 1');
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string' && tag !== '')) throw wrong('tags', tags, 'Give an array of texts');
  if (datacenter !== undefined && !/^[A-Za-z0-9_-]+$/.test(datacenter)) throw wrong('datacenter', datacenter, "Give its name, such as 'dc1'");
  if (token !== undefined && !/^[\x21-\x7e]*$/.test(token))
    throw new TypeError('consulRegistry token: it holds characters that no header takes. Give the secret id alone.');
  return {
    address: addressOf(options.address, env),
    token: token === '' ? undefined : token,
    check,
    intervalMs: span('interval', options.interval ?? 10_000, 1_000, 'Consul would raise less'),
    timeoutMs: span('timeout', options.timeout ?? 1_000, 1),
    ttlMs: span('ttl', options.ttl ?? 15_000, 3_000, 'a heartbeat is sent every third of it, at most each second'),
    deregisterAfterMs: span('deregisterCriticalAfter', options.deregisterCriticalAfter ?? 60_000, 60_000, 'Consul would raise less'),
    waitMs: span('wait', options.wait ?? 30_000, 1_000, undefined, 600_000),
    maxSockets,
    requestTimeoutMs: span('requestTimeout', options.requestTimeout ?? 5_000, 1),
    tags,
  };
}

function span(name: string, duration: Duration, leastMs: number, why?: string, mostMs = Number.POSITIVE_INFINITY): number {
  const ms = toMs(duration, `consulRegistry ${name}`);
  if (ms >= leastMs && ms <= mostMs) return ms;
  throw wrong(
    name,
    duration,
    `Give at least ${leastMs} ms${mostMs === Number.POSITIVE_INFINITY ? '' : ` and at most ${mostMs} ms`}${why === undefined ? '' : ` (${why})`}`,
  );
}

function addressOf(given: string | undefined, env: NodeJS.ProcessEnv): string {
  const name = given === undefined ? 'CONSUL_HTTP_ADDR' : 'address';
  const fromEnv = env['CONSUL_HTTP_ADDR'] === '' ? undefined : env['CONSUL_HTTP_ADDR'];
  const text = given ?? fromEnv ?? 'http://127.0.0.1:8500';
  const remedy = "Give the agent's address, such as 'http://127.0.0.1:8500'; a token belongs into token";
  const secure = given === undefined && env['CONSUL_HTTP_SSL'] === 'true';
  const url = typeof text === 'string' && text !== '' && URL.parse(text.includes('://') ? text : `${secure ? 'https' : 'http'}://${text}`);
  // Not shown: what stands before an @ may be a secret.
  if (url && (url.username !== '' || url.password !== '')) throw new TypeError(`consulRegistry ${name}: it holds a user or a password. ${remedy}.`);
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.hash !== '') throw wrong(name, text, remedy);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function wrong(option: string, value: unknown, remedy: string): TypeError {
  return new TypeError(`consulRegistry ${option}: ${typeof value === 'number' ? String(value) : JSON.stringify(value)} does not fit. ${remedy}.`);
}
