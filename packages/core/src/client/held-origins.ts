import type { Transport } from './transport.js';

/** How many endpoints of all clients have an origin, by transport: several clients may share one, and with it their connections. */
const HELD = new WeakMap<Transport, Map<string, number>>();

/** An endpoint of a client may be called from now on. */
export function holdOrigin(transport: Transport, origin: string): void {
  let held = HELD.get(transport);
  if (held === undefined) HELD.set(transport, (held = new Map<string, number>()));
  held.set(origin, (held.get(origin) ?? 0) + 1);
}

/** It has left, or its client has; the last one takes the connections with it: idle ones now, busy ones when their work has ended. */
export function releaseOrigin(transport: Transport, origin: string): void {
  const held = HELD.get(transport);
  const count = held?.get(origin);
  if (held === undefined || count === undefined) return;
  if (count > 1) return void held.set(origin, count - 1);
  held.delete(origin);
  transport.forget(origin);
}
