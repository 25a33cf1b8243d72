import { ratioRow } from '../harness.js';
import type { Row } from '../harness.js';
import { measure } from './measure.js';

const ROUNDS = 21;
const REFUSAL_BAR = 0.25;
const RECORD_BAR = 1.5;
/** What two windows of different size may differ by: noise. */
const FLAT_BAR = 1.15;

/** What an open circuit costs those whom it refuses. */
export async function refusalRows(): Promise<readonly Row[]> {
  const ns = await measure(['open: ours', 'open: cockatiel', 'open: opossum'] as const, () => ({
    measure: 'ns',
    rounds: ROUNDS,
    calls: 5_000,
    warmUp: 100_000,
  }));
  return [
    ratioRow('refusal by an open circuit, × cockatiel', ns['open: ours'], ns['open: cockatiel'], REFUSAL_BAR),
    ratioRow('refusal by an open circuit, × opossum', ns['open: ours'], ns['open: opossum'], REFUSAL_BAR),
  ];
}

/** What a breaker adds to a failure, and whether that depends on what its window holds. */
export async function failureRows(): Promise<readonly Row[]> {
  const names = ['failure: bare', 'failure: ours, 100', 'failure: ours, 100000', 'failure: opossum, 100', 'failure: opossum, 100000'] as const;
  // A failure of opossum's sorts all latencies of its window: few are enough.
  const ns = await measure(names, (name) =>
    name.startsWith('failure: opossum')
      ? { measure: 'ns', rounds: 5, calls: 10, warmUp: 10 }
      : { measure: 'ns', rounds: ROUNDS, calls: 5_000, warmUp: 100_000 },
  );
  return [
    ratioRow('failure recorded, 100 successes before it, × the bare throw', ns['failure: ours, 100'], ns['failure: bare'], RECORD_BAR),
    ratioRow('failure recorded, 100,000 successes before it, × the bare throw', ns['failure: ours, 100000'], ns['failure: bare'], RECORD_BAR),
    ratioRow('failure recorded, 100,000 successes before it, × 100 of them', ns['failure: ours, 100000'], ns['failure: ours, 100'], FLAT_BAR),
    ratioRow('the same of opossum', ns['failure: opossum, 100000'], ns['failure: opossum, 100']),
  ];
}
