import { describeWith, scriptLibrary } from './real-server.js';
import type { ServerProcess } from './real-server.js';

/** A server on a port of its own; scripts/lib/redis.mjs has the contract. */
export interface RedisServer extends ServerProcess {
  readonly port: number;
  readonly url: string;
}

interface RedisOptions {
  readonly dataDirectory?: string;
  readonly port?: number;
  readonly password?: string;
  readonly args?: readonly string[];
}

interface RedisLibrary {
  redisBinary(): Promise<string | undefined>;
  redisServer(binary: string, options?: RedisOptions): Promise<RedisServer>;
}

const library = await scriptLibrary<RedisLibrary>('redis');
const binary = await library.redisBinary();

export const describeWithRedis = describeWith('Redis', 'redis', binary);

export function newRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return library.redisServer(binary!, options);
}
