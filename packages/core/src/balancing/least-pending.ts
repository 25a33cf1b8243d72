import { checkOptions } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Load, Meter } from './load.js';

const BY_WAITING: Meter = { cost: (endpoint) => endpoint.waiting + 1, observe: () => {} };
const BY_OPEN: Meter = { cost: (endpoint) => endpoint.open + 1, observe: () => {} };

/**
 * The number of calls in progress and nothing else. `count: 'waiting'` (default) counts those without headers yet, so that
 * open event streams do not make an endpoint look busy; `'open'` counts those whose body has not ended, for large downloads.
 * With many client processes each sees few calls in progress, and this load little: prefer `relativeLatency()` there.
 */
export function leastPending(options: { readonly count?: 'waiting' | 'open' } = {}): Load {
  checkOptions('leastPending', options, ['count']);
  const { count = 'waiting' } = options;
  if (count !== 'waiting' && count !== 'open') throw new TypeError(`leastPending count: ${shown(count)} is unknown. Use 'waiting' or 'open'.`);
  const meter = count === 'open' ? BY_OPEN : BY_WAITING;
  return { name: 'least-pending', fleet: () => ({ meter: () => meter }) };
}
