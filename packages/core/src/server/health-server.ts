import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Monitor } from '../health/monitor.js';
import { checkOptions } from '../options/check.js';
import { shown } from '../options/shown.js';
import { healthHandler } from './health-routes.js';
import type { HealthHandler } from './health-routes.js';
import type { Address } from './http-adapter.js';

export interface HealthServerOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** Default: all addresses. */
  readonly host?: string;
}

/** A server that answers nothing but health. */
export interface HealthServer extends AsyncDisposable {
  readonly address: Address;
  /** Stops listening and closes its connections. Idempotent. */
  close(): Promise<void>;
}

/**
 * The health routes of a monitor on a port of their own, so that probes stay inside while the service is public, and are answered before it
 * listens and until the very end. All else is 404. It keeps the process alive; close it when the service has stopped.
 * Rejects with a TypeError for a port that is none, and as `server.listen` does, for example with EADDRINUSE.
 */
export async function healthServer(monitor: Monitor, options: HealthServerOptions): Promise<HealthServer> {
  checkOptions('healthServer', options, ['port', 'host']);
  checkHealthServer(options, 'healthServer');
  return serveHealth(healthHandler(monitor), options);
}

/** @throws TypeError for what is no port or no address. */
export function checkHealthServer({ port, host }: HealthServerOptions, option: string): void {
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw new TypeError(`${option} host: ${shown(host)} is no address. Give one of this machine, such as '127.0.0.1', or leave it out for all.`);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TypeError(`${option} port: ${shown(port)} does not fit. Give an integer from 1 to 65535, or 0 for any that is free.`);
}

/** As `healthServer`, with the answers of a handler. Rejects as `server.listen` does. */
export async function serveHealth(answers: HealthHandler, { port, host }: HealthServerOptions): Promise<HealthServer> {
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 }, (req, res) => {
    if (!answers(req, res)) res.writeHead(404, { 'content-length': 0, 'x-content-type-options': 'nosniff' }).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host !== undefined && { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { address, port: bound } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closed ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }));
  return { address: { host: address, port: bound }, close, [Symbol.asyncDispose]: close };
}
