import type { ServerOptions } from 'node:http';
import { shown } from '../options/shown.js';
import type { ServerLimits } from './http-adapter.js';

/**
 * Limits of the servers that we create. Those of an app are left as they are.
 * - keepAliveTimeout 65 s: above the 60 s after which a load balancer drops an idle connection, so that it is never we who close
 *   a connection on which a request is already under way.
 * - headersTimeout 15 s and requestTimeout 30 s bound a client that sends byte by byte. Node counts them from the first byte of a
 *   request (from the connect for the first one), not through the idle time before it, so they may be below keepAliveTimeout.
 * - Node looks for connections over these limits every 30 s, which would make 15 s mean 45; 5 s is precise enough.
 */
const LIMITS = { keepAliveTimeout: 65_000, headersTimeout: 15_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000 } as const;

/** @throws RangeError */
export function checkPort(port: unknown): void {
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65_535)
    throw new RangeError(`listen.port: ${shown(port)} is no port. Give an integer from 0 (any free one) to 65535.`);
}

/**
 * The limits for a server of ours, with the defaults of what is left out.
 * @throws RangeError for what is no limit, and for headers that may take longer than the whole request
 */
export function limitsOf(given: ServerLimits): ServerOptions {
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && (!Number.isInteger(value) || value < 0)) {
      throw new RangeError(
        `listen.server.${name}: ${String(value)} is no limit. Give an integer from 0${name === 'maxConnections' ? '' : ' in milliseconds; 0 switches it off'}.`,
      );
    }
  }
  const { keepAliveTimeout = LIMITS.keepAliveTimeout, requestTimeout = LIMITS.requestTimeout } = given;
  const whole = requestTimeout === 0 ? Infinity : requestTimeout;
  const { headersTimeout = Math.min(LIMITS.headersTimeout, whole) } = given;
  if (headersTimeout > whole) {
    throw new RangeError(
      `listen.server.headersTimeout: ${headersTimeout} ms is above requestTimeout (${whole} ms), of which it is a part. Lower it or raise requestTimeout.`,
    );
  }
  return { keepAliveTimeout, requestTimeout, headersTimeout, connectionsCheckingInterval: LIMITS.connectionsCheckingInterval };
}
