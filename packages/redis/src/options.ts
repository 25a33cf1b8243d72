import { silentLogger } from '@ferrule/core';
import type { Logger } from '@ferrule/core';
import { checkOptions, checkSurroundings, namesOf, shown, systemClock, toMs } from '@ferrule/core/adapter';
import type { Clock, Duration } from '@ferrule/core/adapter';
import { endpointOf } from './endpoint.js';
import type { RedisEndpoint, RedisSocket } from './endpoint.js';
import type { RedisClient } from './redis-client.js';

/** Of `redisStore`. Durations are milliseconds, or text such as `'30m'`. */
export interface RedisStoreOptions {
  /**
   * A client of npm's `redis` (`createClient`) that is connected, or will be, by whoever made it. It is used as it is and never closed; for
   * pub/sub a duplicate of it is opened, because it may be of RESP 2. In place of `url`, `socket` and the credentials.
   */
  readonly client?: RedisClient;
  /** `redis://host:6379/0`, or `rediss://` for TLS; a user and a password in it are never shown. Default `redis://127.0.0.1:6379`. */
  readonly url?: string;
  /** What a URL cannot say, certificates for example; its host and port come after those of `url`. */
  readonly socket?: RedisSocket;
  /** In place of those in `url`. */
  readonly username?: string;
  readonly password?: string;
  /** Number of the database; in place of the one in `url`. Default 0. */
  readonly database?: number;
  /** Of every key and channel; what lies below it belongs to the store. 1 to 100 visible ASCII characters. Default `ferrule:`. */
  readonly prefix?: string;
  /** How long a list stays after it was saved last, at least 1 s. Default 30 min. */
  readonly ttl?: Duration;
  /** Bound of every command. Default 500 ms. */
  readonly timeout?: Duration;
  /** Bound of connecting, with TLS and the greeting. Default 5 s. */
  readonly connectTimeout?: Duration;
  /** Default: writes nothing. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** The options, checked and in milliseconds. */
export interface RedisSettings {
  /** Where to connect; undefined with a client that was given. */
  readonly endpoint: RedisEndpoint | undefined;
  readonly prefix: string;
  readonly ttlMs: number;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const NAMES = namesOf<RedisStoreOptions>({
  client: true,
  url: true,
  socket: true,
  username: true,
  password: true,
  database: true,
  prefix: true,
  ttl: true,
  timeout: true,
  connectTimeout: true,
  logger: true,
  clock: true,
  random: true,
});

/** What JSON cannot hold. */
export const IN_CODE: readonly string[] = ['client', 'logger', 'clock', 'random'] satisfies readonly (keyof RedisStoreOptions)[];

/** @throws TypeError naming the option, its value (never a password or a URL that may hold one) and what would be right. */
export function settingsOf(options: RedisStoreOptions): RedisSettings {
  checkOptions('redisStore', options, NAMES);
  checkSurroundings('redisStore', options);
  const { client, prefix = 'ferrule:', logger = silentLogger, clock = systemClock, random = Math.random } = options;
  if (typeof prefix !== 'string' || !/^[\x21-\x7e]{1,100}$/.test(prefix))
    throw new TypeError(`redisStore prefix: ${shown(prefix)} does not fit. Give 1 to 100 visible ASCII characters, such as 'shop:ferrule:'.`);
  return {
    endpoint: client === undefined ? endpointOf(options) : checkClient(client, options),
    prefix,
    ttlMs: Math.ceil(span('ttl', options.ttl ?? 1_800_000, 1_000)),
    timeoutMs: span('timeout', options.timeout ?? 500, 1),
    connectTimeoutMs: span('connectTimeout', options.connectTimeout ?? 5_000, 1),
    logger,
    clock,
    random,
  };
}

function span(name: string, duration: Duration, leastMs: number): number {
  const ms = toMs(duration, `redisStore ${name}`);
  if (ms >= leastMs) return ms;
  throw new TypeError(`redisStore ${name}: ${shown(duration)} does not fit. Give at least ${leastMs} ms.`);
}

function checkClient(client: RedisClient, options: RedisStoreOptions): undefined {
  const beside = (['url', 'socket', 'username', 'password', 'database'] as const).find((name) => options[name] !== undefined);
  if (beside !== undefined) throw new TypeError(`redisStore ${beside}: the client that was given is connected somewhere already. Leave one out.`);
  const { isReady, sendCommand, duplicate } = (client ?? {}) as Partial<RedisClient>;
  // A cluster sends by key, and a pool is not ready or not: neither has them all.
  if (typeof isReady !== 'boolean' || typeof sendCommand !== 'function' || typeof duplicate !== 'function')
    throw new TypeError(`redisStore client: ${shown(client)} is no client of npm's redis. Give what createClient() makes, or a url.`);
}
