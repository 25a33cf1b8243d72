import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { SnapshotStore } from '@ferrule/core/adapter';
import { MOST_SNAPSHOT_BYTES, checkServiceName, decodeSnapshot, encodeSnapshot } from '@ferrule/core/adapter';
import { Connection } from './connection.js';
import { TooLate, reasonOf, unavailable } from './failure.js';
import { settingsOf } from './options.js';
import type { RedisStoreOptions } from './options.js';
import { duplicateOf, ownClient } from './redis-client.js';
import type { OwnClient, RedisClient } from './redis-client.js';
import { Recent } from './recent.js';
import { SAVE_SCRIPT } from './save-script.js';
import { within } from './within.js';

/**
 * Lists of instances in Redis, shared by all processes with the same prefix: level 2 of a Directory. It connects in the background when it is
 * first used, and again whenever the connection is lost; while Redis is away `load` and `save` reject at once, and the first ones of all within
 * `timeout`. Keys are `<prefix>list:<service>`, the channel is `<prefix>saved`.
 * @throws TypeError naming the option that does not fit.
 */
export function redisStore(options: RedisStoreOptions = {}): SnapshotStore {
  const { endpoint, prefix, ttlMs, timeoutMs, connectTimeoutMs, logger, clock, random } = settingsOf(options);
  const given: RedisClient | undefined = options.client;
  const { address, secrets } = placeOf(endpoint ?? given?.options);
  const me = randomBytes(8).toString('hex');
  const channel = `${prefix}saved`;
  const keyOf = (service: string): string => `${prefix}list:${service}`;
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // one for each command under way
  const listeners = new Set<(service: string) => void>();
  /** What this store has loaded or saved: what a subscriber may have missed news of. */
  const known = new Recent();
  /** Whose value was reported as none of ours. */
  const reported = new Recent();

  const tell = (service: string): void => {
    for (const listener of listeners) {
      try {
        listener(service);
      } catch (error) {
        logger.error({ redis: address, service, error }, 'A listener of the store threw');
      }
    }
  };

  const onMessage = (message: string): void => {
    const [, sender, service] = /^([0-9a-f]{16}) ([\x21-\x7e]{1,200})$/.exec(message) ?? [];
    if (service !== undefined && sender !== me) tell(service);
  };

  const subscribeOn = async (client: OwnClient): Promise<void> => {
    try {
      await client.subscribe(channel, onMessage);
    } catch (error) {
      const reason = reasonOf(error, secrets);
      // The user may not: that will not change by connecting again, and lists can be kept all the same.
      if (!reason.startsWith('NOPERM')) throw error;
      logger.warn({ redis: address, channel, reason }, 'The store may not subscribe, and will not hear of what others save');
    }
    // What was saved while nobody listened.
    for (const service of known) tell(service);
  };

  const connection = new Connection({
    address,
    secrets,
    open: (signal) => (given === undefined ? ownClient(endpoint!, connectTimeoutMs, signal) : duplicateOf(given, connectTimeoutMs, signal)),
    prepare: subscribeOn,
    timeoutMs,
    connectTimeoutMs,
    logger,
    clock,
    random,
  });

  const command = async (args: readonly string[], signal: AbortSignal): Promise<unknown> => {
    let own: OwnClient | undefined;
    try {
      return await within(timeoutMs, clock, [signal, closing.signal], async (abortSignal) => {
        if (given?.isReady === false) throw new Error('the client that was given is not connected');
        if (given === undefined) own = await connection.client();
        abortSignal.throwIfAborted();
        return (own ?? given)!.sendCommand(args, { abortSignal, timeout: 0 });
      });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (closing.signal.aborted) throw unavailable(address, 'the store is closed');
      // One that does not answer any more, or whose server may not be written to since another one leads, is given up.
      if (own !== undefined && (error instanceof TooLate || /^READONLY\b/.test(reasonOf(error, [])))) connection.lost(own, error);
      throw error instanceof Error && error.name === 'ServiceError' ? error : unavailable(address, reasonOf(error, secrets));
    }
  };

  const report = (service: string, reason: string): void => {
    if (reported.add(service)) logger.warn({ redis: address, key: keyOf(service), reason }, 'The stored list is none and is ignored');
  };

  return {
    name: 'redis',

    async load(service, signal) {
      checkServiceName(service);
      known.add(service);
      let text: unknown;
      try {
        // Never more than one byte too many, whatever lies there.
        text = await command(['GETRANGE', keyOf(service), '0', String(MOST_SNAPSHOT_BYTES)], signal);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.includes('WRONGTYPE')) throw error;
        return void report(service, 'it is no string');
      }
      // Of a client that was given, whose types may be mapped.
      const stored = Buffer.isBuffer(text) ? text.toString() : String(text);
      if (stored === '') return undefined;
      try {
        const snapshot = decodeSnapshot(stored, service);
        reported.delete(service);
        return snapshot;
      } catch (error) {
        return void report(service, reasonOf(error, []));
      }
    },

    async save(snapshot, signal) {
      const { service } = snapshot;
      const at = Math.floor(snapshot.at);
      checkServiceName(service);
      known.add(service);
      const text = encodeSnapshot(snapshot);
      const limit = String(MOST_SNAPSHOT_BYTES);
      await command(['EVAL', SAVE_SCRIPT, '1', keyOf(service), text, String(at), String(ttlMs), limit, channel, `${me} ${service}`], signal);
    },

    subscribe(listener) {
      // Each call is a subscription of its own, of the same function too.
      const mine = (service: string): void => listener(service);
      if (!closing.signal.aborted) listeners.add(mine);
      connection.open();
      return () => void listeners.delete(mine);
    },

    async [Symbol.asyncDispose]() {
      listeners.clear();
      closing.abort();
      connection.close();
    },
  };
}

/** Where a server is, as messages show it, and what they must not show. */
function placeOf(options: object | undefined): { readonly address: string; readonly secrets: readonly string[] } {
  const { socket, password } = (options ?? {}) as {
    readonly socket?: { host?: unknown; port?: unknown; path?: unknown };
    readonly password?: unknown;
  };
  const host = typeof socket?.host === 'string' ? socket.host : 'localhost';
  const address = typeof socket?.path === 'string' ? socket.path : `${host.includes(':') ? `[${host}]` : host}:${Number(socket?.port ?? 6379)}`;
  return { address, secrets: typeof password === 'string' && password !== '' ? [password] : [] };
}
