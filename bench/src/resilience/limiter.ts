// A server with more to do than it can, for callers that wait for a tenth of a second: what of its capacity is still of use to somebody.
import { bulkhead, client, isServiceError } from '@ferrule/core';
import { seededRandom } from '@ferrule/testing';
import { quantile } from '../harness.js';
import type { Row } from '../harness.js';
import { apart } from './apart.js';
import type { Arm, Measured } from './apart.js';
import { openLoop } from './open-loop.js';
import { Workers, exponential, ourServer } from './served-work.js';

const WORKERS = 4;
const MEAN_MS = 10;
const CAPACITY = (WORKERS * 1_000) / MEAN_MS;
const PATIENCE = '100ms';
/** One that somebody who knows the capacity would choose: as much waits as is worked on. */
const WELL_CHOSEN = 2 * WORKERS;

interface Phase {
  /** × capacity. */
  readonly load: number;
  readonly forMs: number;
  /** What of its beginning is not counted: the limit's windows are a second each. */
  readonly settleMs: number;
}

const OVERLOADS: readonly Phase[] = [
  { load: 1.5, forMs: 5_000, settleMs: 1_000 },
  { load: 3, forMs: 5_000, settleMs: 1_000 },
];

export const limiterArms: Readonly<Record<string, () => Promise<Measured>>> = {
  shipped: () =>
    run({ concurrencyLimit: true }, [
      { load: 0.7, forMs: 12_000, settleMs: 2_000 },
      { load: 1.5, forMs: 8_000, settleMs: 3_000 },
      { load: 3, forMs: 8_000, settleMs: 3_000 },
    ]),
  fixed: () => run({ limits: [bulkhead(WELL_CHOSEN)] }, OVERLOADS),
  none: () => run({}, [{ load: 1.5, forMs: 8_000, settleMs: 3_000 }]),
};

async function run(options: Parameters<typeof ourServer>[1], phases: readonly Phase[]): Promise<Measured> {
  const server = await ourServer(new Workers(WORKERS, exponential(MEAN_MS), seededRandom(100)), options);
  const caller = client(server.origin, { retry: false, ejector: false, timeout: PATIENCE, random: seededRandom(200) });
  const random = seededRandom(17);
  const measured: Record<string, number> = {};
  for (const { load, forMs, settleMs } of phases) {
    const samples = await openLoop({ perSecond: load * CAPACITY, forMs, random, call: () => caller.get('/') });
    const counted = samples.filter(({ atMs }) => atMs >= settleMs);
    const good = counted.filter(({ error }) => error === undefined);
    const refused = counted.filter(({ error }) => isServiceError(error) && error.status === 503).length;
    measured[`goodput ${load}`] = good.length / ((forMs - settleMs) / 1_000) / Math.min(load * CAPACITY, CAPACITY);
    measured[`refused ${load}`] = refused / counted.length;
    measured[`late ${load}`] = 1 - (good.length + refused) / counted.length;
    measured[`p99 ${load}`] = quantile(
      good.map(({ tookMs }) => tookMs),
      0.99,
    );
  }
  await caller[Symbol.asyncDispose]();
  await server.close();
  return measured;
}

export async function limiterRows(): Promise<readonly Row[]> {
  const [shipped, fixed, none] = (await Promise.all(['shipped', 'fixed', 'none'].map((arm) => apart('limiter', arm)))) as [Arm, Arm, Arm];
  const row = (id: string, arm: Arm, key: string, unit: string, bar?: Pick<Row, 'op' | 'limit'>, peer?: Arm): Row => ({
    id: `limiter: ${id}`,
    unit,
    value: arm[key]!,
    ...bar,
    samples: { ours: [arm[key]!], peer: peer === undefined ? [] : [peer[key]!] },
  });
  return [
    ...[1.5, 3].flatMap((load) => [
      row(
        `goodput at ${load} × capacity (peer: a fixed limit of ${WELL_CHOSEN})`,
        shipped,
        `goodput ${load}`,
        'of capacity',
        { op: '>=', limit: 0.97 },
        fixed,
      ),
      row(`p99 at ${load} × capacity`, shipped, `p99 ${load}`, 'ms', { op: '<=', limit: 100 }, fixed),
      row(`admitted but late at ${load} × capacity`, shipped, `late ${load}`, 'of the calls', undefined, fixed),
    ]),
    row('refused at 0.7 × capacity', shipped, 'refused 0.7', 'of the calls', { op: '<=', limit: 0.002 }),
    row('goodput at 0.7 × capacity', shipped, 'goodput 0.7', 'of the offered', { op: '>=', limit: 0.97 }),
    row('control: goodput at 1.5 × capacity without a limit', none, 'goodput 1.5', 'of capacity', { op: '<=', limit: 0.2 }),
    row(
      'CPU of the busiest arm',
      [shipped, fixed, none].reduce((a, b) => (a.cpu > b.cpu ? a : b)),
      'cpu',
      'of a core',
    ),
  ];
}
