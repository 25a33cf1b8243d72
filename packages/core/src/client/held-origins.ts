import type { Transport } from './transport.js';

/** How many endpoints of all clients have an origin and server name, by transport: several clients may share one, and with it their connections. */
const HELD = new WeakMap<Transport, Map<string, number>>();

/** An endpoint of a client may be called from now on. */
export function holdOrigin(transport: Transport, origin: string, serverName?: string): void {
  let held = HELD.get(transport);
  if (held === undefined) HELD.set(transport, (held = new Map<string, number>()));
  const key = keyOf(origin, serverName);
  held.set(key, (held.get(key) ?? 0) + 1);
}

/** It has left, or its client has; the last one takes the connections with it: idle ones now, busy ones when their work has ended. */
export function releaseOrigin(transport: Transport, origin: string, serverName?: string): void {
  const held = HELD.get(transport);
  const key = keyOf(origin, serverName);
  const count = held?.get(key);
  if (held === undefined || count === undefined) return;
  if (count > 1) return void held.set(key, count - 1);
  held.delete(key);
  transport.forget(origin, serverName);
}

/** What connections belong to: the same address under another name is another TLS session. */
export function keyOf(origin: string, serverName: string | undefined): string {
  return serverName === undefined ? origin : `${origin} ${serverName}`;
}
