import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Address } from '../server/http-adapter.js';

/**
 * Where a server of the app listens, as soon as it does. Rejects with the signal's reason.
 * @throws TypeError when it listens on a pipe, which has no port
 */
export async function listening(server: Server, signal: AbortSignal): Promise<Address> {
  if (!server.listening) {
    await once(server, 'listening', { signal }).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error;
    });
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') {
    throw new TypeError(
      `attach: the server listens on ${bound ?? 'nothing'}, which has no port to register. Attach a server that listens on a TCP port.`,
    );
  }
  return { host: bound.address, port: bound.port };
}

const UNBOUND: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Somebody listens there already: end that, or give another port in listen.port (0: any free one).',
  EACCES: 'This process may not listen there: give a port from 1024 in listen.port.',
  EADDRNOTAVAIL: 'This machine does not have that address: give one of its own in listen.host, or leave it out.',
};

/** Node's error with whose it is and what helps; its `code` stays. */
export function unbound(error: unknown, service: string): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const remedy = typeof code === 'string' ? UNBOUND[code] : undefined;
  return remedy === undefined ? error : Object.assign(new Error(`Service ${service}: ${String(message)}. ${remedy}`, { cause: error }), { code });
}
