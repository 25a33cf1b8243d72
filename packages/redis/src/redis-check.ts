import type { Check, TimedCheckOptions } from '@ferrule/core';
import { TIMED_OPTIONS, checkOptions, namesOf, shown, timedCheck } from '@ferrule/core/adapter';
import { endpointOf } from './endpoint.js';
import type { RedisEndpoint, RedisSocket } from './endpoint.js';
import { ownClient } from './redis-client.js';
import type { RedisClient } from './redis-client.js';

export interface RedisCheckOptions extends TimedCheckOptions {
  /**
   * The client that the application uses: it tells whether it is connected too. It is never closed. While a PING is not answered no second one is
   * sent. In place of `url`, `socket` and the credentials.
   */
  readonly client?: Pick<RedisClient, 'isReady' | 'sendCommand'>;
  /** A connection of its own for each run, closed with it. Default `redis://127.0.0.1:6379`. Otherwise as of `redisStore`. */
  readonly url?: string;
  readonly socket?: RedisSocket;
  readonly username?: string;
  readonly password?: string;
  readonly database?: number;
}

const OPTIONS = namesOf<RedisCheckOptions>({
  ...TIMED_OPTIONS,
  client: true,
  url: true,
  socket: true,
  username: true,
  password: true,
  database: true,
});
/** The check's own timeout ends it before, through the signal. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Whether a Redis answers PING. What it says when not: an error's code such as `ECONNREFUSED`, the first word of Redis' own answer such as `NOAUTH` or
 * `LOADING`, or `not connected` of a client that was given. Its name is `redis` by default.
 * @throws TypeError for an option that is unknown or does not fit; no message holds the URL or a password.
 */
export function redisCheck(options: RedisCheckOptions = {}): Check {
  checkOptions('redisCheck', options, OPTIONS);
  const { client } = options;
  const endpoint = client === undefined ? endpointOf(options, 'redisCheck') : undefined;
  if (client !== undefined) checkClient(client, options);
  return timedCheck({
    factory: 'redisCheck',
    known: OPTIONS,
    options,
    defaults: { name: 'redis' },
    async run({ signal }) {
      if (client?.isReady === false) return { status: 'fail', output: 'not connected' };
      try {
        await (client === undefined ? pingAlone(endpoint!, signal) : client.sendCommand(['PING'], { abortSignal: signal, timeout: 0 }));
        return { status: 'pass' };
      } catch (error) {
        const word = /^[A-Z]{2,}\b/.exec((error as { message?: unknown } | undefined)?.message as string)?.[0];
        if (word === undefined || (error as { code?: unknown }).code !== undefined) throw error;
        return { status: 'fail', output: word };
      }
    },
  });
}

async function pingAlone(endpoint: RedisEndpoint, signal: AbortSignal): Promise<void> {
  const ending = new AbortController();
  const client = ownClient(endpoint, CONNECT_TIMEOUT_MS, ending.signal);
  client.on('error', () => {}); // connect() and sendCommand() reject with it
  client.unref();
  try {
    await new Promise<void>((resolve, reject) => {
      const aborted = (): void => reject(signal.reason);
      signal.addEventListener('abort', aborted, { once: true });
      client
        .connect()
        .then(() => client.sendCommand(['PING'], { abortSignal: signal, timeout: 0 }))
        .then(() => resolve(), reject)
        .finally(() => signal.removeEventListener('abort', aborted));
    });
  } finally {
    ending.abort(new Error('the check is over'));
    try {
      client.destroy();
    } catch {
      // It was never open, or is closed already.
    }
  }
}

function checkClient(client: object, options: RedisCheckOptions): void {
  const beside = (['url', 'socket', 'username', 'password', 'database'] as const).find((name) => options[name] !== undefined);
  if (beside !== undefined) throw new TypeError(`redisCheck ${beside}: the client that was given is connected somewhere already. Leave one out.`);
  const { isReady, sendCommand } = (client ?? {}) as Partial<RedisClient>;
  if (typeof isReady !== 'boolean' || typeof sendCommand !== 'function')
    throw new TypeError(`redisCheck client: ${shown(client)} is no client of npm's redis. Give what createClient() makes, or a url.`);
}
