import type { ServiceStats } from '../discovery/directory-stats.js';
import type { Directory } from '../discovery/directory.js';
import type { Check } from '../health/check.js';

/**
 * Warns while a service that is called is served from what was known before: its registry is away. It never fails, because nothing is gained by
 * taking an instance out of service that can still reach the others.
 */
export function discoveryCheck(name: string, directory: Pick<Directory, 'stats' | 'onState'>): Check {
  return {
    name,
    critical: false,
    run: () => {
      const { services, levels } = directory.stats();
      const output = trouble(services, levels.store?.name);
      return output === undefined ? { status: 'pass' } : { status: 'warn', output };
    },
    onChange: (changed) => directory.onState(() => changed()),
  };
}

/** For example `registry away since 2026-01-01T00:00:00.000Z, serving 2 services from the file store, none of orders`. */
function trouble(services: readonly ServiceStats[], store: string | undefined): string | undefined {
  const away = services.filter(({ awaySince, state }) => awaySince !== undefined && state !== 'pending');
  if (away.length === 0) return undefined;
  const since = new Date(Math.min(...away.map(({ awaySince }) => awaySince!))).toISOString();
  const stored = away.filter(({ source }) => source === 'store').length;
  const remembered = away.filter(({ source, stale }) => stale && source !== 'store').length;
  const unknown = away.filter(({ state }) => state === 'failed').map(({ service }) => service);
  const parts = [`registry away since ${since}`];
  if (stored > 0) parts.push(`serving ${counted(stored)} from the ${store} store`);
  if (remembered > 0) parts.push(`serving ${counted(remembered)} from memory`);
  if (unknown.length > 0) parts.push(`no list of ${unknown.slice(0, 3).join(' ')}${unknown.length > 3 ? ` and ${unknown.length - 3} more` : ''}`);
  return parts.join(', ');
}

function counted(services: number): string {
  return services === 1 ? '1 service' : `${services} services`;
}
