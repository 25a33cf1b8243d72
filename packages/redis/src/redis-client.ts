import { createClient } from 'redis';
import type { RedisEndpoint } from './endpoint.js';

/** What the store uses of a client of npm's `redis`: one of `createClient`, of whatever modules, types and version of the protocol. */
export interface RedisClient {
  readonly isReady: boolean;
  readonly options?: object | undefined;
  sendCommand(args: readonly string[], options?: CommandOptions): Promise<unknown>;
  duplicate(overrides?: object): unknown;
}

interface CommandOptions {
  readonly abortSignal?: AbortSignal;
  readonly timeout?: number;
}

/** A client that is ours alone. */
export interface OwnClient {
  readonly isReady: boolean;
  connect(): Promise<unknown>;
  destroy(): void;
  unref(): void;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  sendCommand(args: readonly string[], options?: CommandOptions): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
}

/**
 * How each of our clients is made: for one connection, which it does not open again by itself. Its own reconnecting waits on timers that
 * `destroy` does not end, and its queue would hold commands silently while the server is away.
 */
const ONE_CONNECTION = { disableOfflineQueue: true, maintNotifications: 'disabled', commandOptions: { timeout: 0 } } as const;

/** `signal` ends even a connection that is still being opened, which `destroy` does not. */
export function ownClient({ socket, username, password, database }: RedisEndpoint, connectTimeoutMs: number, signal: AbortSignal): OwnClient {
  const options = {
    ...ONE_CONNECTION,
    socket: { ...socket, connectTimeout: connectTimeoutMs, reconnectStrategy: false, signal },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    database,
    RESP: 3, // subscriptions and commands on one connection
  };
  return createClient(options as object);
}

/** A duplicate of somebody's client, with its own address and credentials. Of its cache none: it would be emptied when ours ends. */
export function duplicateOf(client: RedisClient, connectTimeoutMs: number, signal: AbortSignal): OwnClient {
  const { socket } = (client.options ?? {}) as { readonly socket?: object };
  return client.duplicate({
    ...ONE_CONNECTION,
    socket: { ...socket, connectTimeout: connectTimeoutMs, reconnectStrategy: false, signal },
    pingInterval: undefined,
    clientSideCache: undefined,
    emitInvalidate: undefined,
  }) as OwnClient;
}
