import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';

/** How connections to the instances of a service are kept: each instance (its origin) has a pool of its own. */
export interface PoolOptions {
  /** Connections per instance; further calls wait until one is free. Default: as many as there are calls at a time. */
  readonly connections?: number;
  /**
   * How long an idle connection is kept at most; 2 s less than the server says when that is sooner. 0 closes it after each reply.
   * Default: 4 s when the server says nothing, else 2 s less than it says, at most 10 min.
   */
  readonly idleTimeout?: Duration;
  /** Until a TCP or TLS connection is there. Default 1 s. */
  readonly connectTimeout?: Duration;
}

const OPTIONS: readonly string[] = namesOf<PoolOptions>({ connections: true, idleTimeout: true, connectTimeout: true });

/** @throws TypeError or RangeError naming an option that does not fit, `option` before it. */
export function checkPool(pool: PoolOptions, option: string): void {
  checkOptions(option, pool, OPTIONS);
  const { connections, idleTimeout, connectTimeout } = pool;
  if (connections !== undefined && (!Number.isSafeInteger(connections) || connections < 1)) {
    const none = connections === 0 ? ' For none that are kept give idleTimeout: 0.' : '';
    throw new RangeError(`${option} connections: ${shown(connections)} does not fit. Give a whole number from 1.${none}`);
  }
  if (idleTimeout !== undefined) toMs(idleTimeout, `${option} idleTimeout`);
  if (connectTimeout !== undefined && toMs(connectTimeout, `${option} connectTimeout`) === 0)
    throw new RangeError(`${option} connectTimeout: 0 leaves no time to connect. Give a duration above 0, such as '1s'.`);
}
