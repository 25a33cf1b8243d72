/**
 * A process with nothing but our timers: it says `settled …` when what it awaits is settled, and ends by itself when it may.
 * Node ends one whose top-level await nobody can settle any more with 13.
 */
import { ServiceError, client, guard, monitor, retry, silentLogger, timeout } from '@ferrule/core';
import { keeper, systemClock } from '@ferrule/core/adapter';

const never = (): Promise<never> => new Promise(() => {});
const codeOf = (error: unknown): unknown => (error as { reason?: unknown; code?: unknown }).reason ?? (error as { code?: unknown }).code;

const WAITS: Readonly<Record<string, () => Promise<unknown>>> = {
  timeout: () => guard(never, timeout(50))(),
  'a nearer deadline': () => guard(never, timeout(50), timeout('30s'))(),
  retry: () => guard(() => Promise.reject(Object.assign(new Error('reset'), { code: 'ECONNRESET' })), retry({ retries: 3 }))(),
  client: () => client('http://127.0.0.1:1', { logger: silentLogger }).get('/x'),
  check: async () => {
    const { checks } = await monitor({ checks: [{ name: 'hangs', run: never, timeout: 50 }] }).ready();
    throw Object.assign(new Error('checked'), { code: JSON.stringify(checks).includes('timeout') ? 'TIMEOUT' : 'NO_TIMEOUT' });
  },
  /** A registry whose backend is away at first. */
  register: async () => {
    let tries = 0;
    const entry = {
      put: async () => {
        if (++tries < 3) throw new ServiceError('UNAVAILABLE', 'away');
      },
      renew: async () => 'kept' as const,
      remove: async () => {},
    };
    const options = { everyMs: 60_000, clock: systemClock, random: Math.random, logger: silentLogger };
    const kept = keeper({ id: 'a', service: 'a', host: '127.0.0.1', port: 1 }, entry, options);
    await kept.begin();
    await kept.deregister();
    throw Object.assign(new Error('registered'), { code: 'REGISTERED' });
  },
  /** Nothing is awaited any more, though the limit of half a minute has its timer still. */
  idle: async () => {
    await guard(async () => {}, timeout('30s'))();
    throw Object.assign(new Error('idle'), { code: 'IDLE' });
  },
};

const what = WAITS[process.argv[2]!]!;
const settled = await what().catch(codeOf);
process.stdout.write(`settled ${String(settled)}\n`);
