// Hedging: every hundredth piece of work takes fifty times as long, and a busy service that extra attempts would bring down.
import { client, staticRegistry } from '@ferrule/core';
import type { HedgeOptions, ServiceClient } from '@ferrule/core';
import { seededRandom } from '@ferrule/testing';
import { quantile } from '../harness.js';
import type { Row } from '../harness.js';
import { apart } from './apart.js';
import type { Arm, Measured } from './apart.js';
import { openLoop } from './open-loop.js';
import { Workers, bimodal, exponential, plainServer } from './served-work.js';
import type { ServiceTime } from './served-work.js';

/** A gateway: of few calls each, 5 % of the last 10 s are a few dozen, which chance uses up now and then. */
const CLIENTS = 1;
/** As long as a budget looks back on: before that its share is of fewer calls. */
const WARM_UP_MS = 10_000;
const FOR_MS = 26_000;
/** Of the scenario that the bars were measured in; ours is slower, so that the machine has little to do, and its bars are in means. */
const BAR_MEAN_MS = 10;

interface Scenario {
  readonly servers: number;
  readonly workers: number;
  readonly meanMs: number;
  readonly time: (meanMs: number) => ServiceTime;
  /** Without any extra attempts. */
  readonly load: number;
  readonly hedge: HedgeOptions | boolean;
}

const TAIL = { servers: 5, workers: 4, meanMs: 20, time: bimodal, load: 0.5 } as const;
const BUSY = { servers: 4, workers: 2, meanMs: 20, time: exponential, load: 0.8 } as const;

export const hedgingArms: Readonly<Record<string, () => Promise<Measured>>> = {
  'tail, none': () => run({ ...TAIL, hedge: false }),
  'tail, shipped': () => run({ ...TAIL, hedge: true }),
  'busy, none': () => run({ ...BUSY, hedge: false }),
  'busy, shipped': () => run({ ...BUSY, hedge: true }),
  'busy, no budget': () => run({ ...BUSY, hedge: { ratio: 1, budgets: [] } }),
};

async function run({ servers: count, workers, meanMs, time, load, hedge }: Scenario): Promise<Measured> {
  const servers = await Promise.all(
    Array.from({ length: count }, (_, index) => plainServer(new Workers(workers, time(meanMs), seededRandom(100 + index)))),
  );
  let attempts = 0;
  const clients = Array.from({ length: CLIENTS }, (_, index): ServiceClient =>
    client('work', {
      registry: staticRegistry({ work: servers.map(({ origin }) => origin) }),
      hedge,
      attemptWrappers: [
        (next) => (call) => {
          attempts++;
          return next(call);
        },
      ],
      random: seededRandom(200 + index),
    }),
  );
  let calls = 0;
  let before: { readonly attempts: number; readonly calls: number } | undefined;
  const beganAt = performance.now();
  const samples = await openLoop({
    perSecond: (load * count * workers * 1_000) / meanMs,
    forMs: FOR_MS,
    random: seededRandom(13),
    call: (index) => {
      if (before === undefined && performance.now() - beganAt >= WARM_UP_MS) before = { attempts, calls };
      calls++;
      return clients[index % CLIENTS]!.get('/');
    },
  });
  await Promise.all(clients.map((one) => one[Symbol.asyncDispose]()));
  await Promise.all(servers.map((one) => one.close()));
  const measured = samples.filter(({ atMs }) => atMs >= WARM_UP_MS);
  const tookMs = measured.map((sample) => sample.tookMs);
  return {
    p90: quantile(tookMs, 0.9),
    p99: quantile(tookMs, 0.99),
    p999: quantile(tookMs, 0.999),
    extra: (attempts - before!.attempts) / (calls - before!.calls) - 1,
    failed: measured.filter(({ error }) => error !== undefined).length,
    calls: measured.length,
  };
}

export async function hedgingRows(): Promise<readonly Row[]> {
  const [none, shipped, busyNone, busyShipped, unbudgeted] = (await Promise.all(Object.keys(hedgingArms).map((arm) => apart('hedging', arm)))) as [
    Arm,
    Arm,
    Arm,
    Arm,
    Arm,
  ];
  const row = (id: string, unit: string, ours: number, peer: readonly number[], bar?: Pick<Row, 'op' | 'limit'>): Row => ({
    id: `hedging: ${id}`,
    unit,
    value: unit === '× none' ? ours / peer[0]! : ours,
    ...bar,
    samples: { ours: [ours], peer },
  });
  return [
    row('p99.9, 1 % × 50 at load 50 % (peer: none)', 'ms', shipped['p999']!, [none['p999']!], {
      op: '<=',
      limit: (60 * TAIL.meanMs) / BAR_MEAN_MS,
    }),
    row('control: p99.9 without a hedge', 'ms', none['p999']!, [], { op: '>=', limit: (300 * TAIL.meanMs) / BAR_MEAN_MS }),
    row('extra attempts at load 50 %', 'of the calls', shipped['extra']!, [], { op: '<=', limit: 0.052 }),
    row('failed at load 50 %', 'calls', shipped['failed']!, [], { op: '<=', limit: 0 }),
    row('p99 at load 80 %', '× none', busyShipped['p99']!, [busyNone['p99']!]),
    row('extra attempts at load 80 %', 'of the calls', busyShipped['extra']!, [], { op: '<=', limit: 0.052 }),
    row('control: p90 at load 80 % without a budget', '× none', unbudgeted['p90']!, [busyNone['p90']!], { op: '>=', limit: 10 }),
    row('control: extra attempts without a budget', 'of the calls', unbudgeted['extra']!, [], { op: '>=', limit: 0.1 }),
    row('CPU of the busiest arm', 'of a core', Math.max(...[none, shipped, busyNone, busyShipped, unbudgeted].map(({ cpu }) => cpu)), []),
  ];
}
