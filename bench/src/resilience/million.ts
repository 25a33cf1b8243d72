import { median } from '../harness.js';
import type { Row } from '../harness.js';
import { measure } from './measure.js';

const CALLS = 1_000_000;
/** A quarter of a byte a call: V8 keeps some tens of kilobytes of code and maps; one listener or timer a call would be fifty million. */
const GROWTH_BAR_BYTES = 250_000;

/** What a million calls leave behind. A warning of Node (listeners that pile up) makes the row NaN, which misses every bar. */
export async function millionRows(): Promise<readonly Row[]> {
  const { ours, bare } = await measure(['ours', 'bare'] as const, () => ({ measure: 'growth', rounds: 3, calls: CALLS, warmUp: 400_000 }));
  return [
    {
      id: 'heap after a million calls (peer: the bare function)',
      unit: 'bytes more',
      value: median(ours),
      op: '<=',
      limit: GROWTH_BAR_BYTES,
      samples: { ours, peer: bare },
    },
  ];
}
