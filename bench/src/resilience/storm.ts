// A retry storm: every server at 30 % of its speed for some seconds, then well again (facts of the simulator: a retry without a budget never recovers).
import { setTimeout as wait } from 'node:timers/promises';
import { backoff, client, leastPending, p2c, staticRegistry } from '@ferrule/core';
import type { ServiceClient } from '@ferrule/core';
import { seededRandom } from '@ferrule/testing';
import type { Row } from '../harness.js';
import { apart } from './apart.js';
import type { Arm, Measured } from './apart.js';
import { goodShare, openLoop } from './open-loop.js';
import type { Sample } from './open-loop.js';
import { Workers, deadlineServer, exponential, plainServer } from './served-work.js';

const SERVERS = 4;
const WORKERS = 2;
const MEAN_MS = 25;
const CAPACITY = (SERVERS * WORKERS * 1_000) / MEAN_MS;
const CLIENTS = 5;
const PATIENCE = '200ms';
const WARM_UP_MS = 3_000;
const SLOW_MS = 4_000;
const SLOW_SPEED = 0.3;
/** What of the time after it is looked at for the control. */
const LAST_MS = 3_000;

interface Scenario {
  readonly load: number;
  /** How long is watched after the servers are well. */
  readonly watchMs: number;
  readonly serve: typeof plainServer;
  readonly retry: boolean | 'without a budget';
  /** Whether balancer and ejector are the client's defaults. Else what the bars were found with: waiting calls alone, nobody ejected. */
  readonly defaults?: true;
}

export const stormArms: Readonly<Record<string, () => Promise<Measured>>> = {
  shipped: () => run({ load: 0.7, watchMs: 20_000, serve: plainServer, retry: true }),
  'no retry': () => run({ load: 0.7, watchMs: 20_000, serve: plainServer, retry: false }),
  'shipped, 85 %': () => run({ load: 0.85, watchMs: 25_000, serve: plainServer, retry: true }),
  deadlines: () => run({ load: 0.7, watchMs: 20_000, serve: (workers) => deadlineServer(workers, WORKERS), retry: true }),
  defaults: () => run({ load: 0.7, watchMs: 20_000, serve: plainServer, retry: true, defaults: true }),
  'no budget': () => run({ load: 0.7, watchMs: 20_000, serve: plainServer, retry: 'without a budget' }),
};

async function run({ load, watchMs, serve, retry, defaults }: Scenario): Promise<Measured> {
  const random = seededRandom(11);
  const workers = Array.from({ length: SERVERS }, (_, index) => new Workers(WORKERS, exponential(MEAN_MS), seededRandom(100 + index)));
  const servers = await Promise.all(workers.map((one) => serve(one)));
  let attempts = 0;
  const clients = Array.from({ length: CLIENTS }, (_, index): ServiceClient =>
    client('work', {
      registry: staticRegistry({ work: servers.map(({ origin }) => origin) }),
      attemptTimeout: PATIENCE,
      ...(defaults === undefined && { balancer: p2c({ load: leastPending() }), ejector: false }),
      retry: typeof retry === 'boolean' ? retry : { retries: 3, backoff: backoff.fixed(0), budgets: [] },
      attemptWrappers: [
        (next) => (call) => {
          attempts++;
          return next(call);
        },
      ],
      random: seededRandom(200 + index),
    }),
  );

  const wellAtMs = WARM_UP_MS + SLOW_MS;
  let calls = 0;
  const loop = openLoop({
    perSecond: load * CAPACITY,
    forMs: wellAtMs + watchMs,
    random,
    call: (index) => {
      calls++;
      return clients[index % CLIENTS]!.get('/');
    },
  });
  await wait(WARM_UP_MS);
  const before = { attempts, calls };
  for (const one of workers) one.speed = SLOW_SPEED;
  await wait(SLOW_MS);
  for (const one of workers) one.speed = 1;
  const samples = await loop;
  await Promise.all(clients.map((one) => one[Symbol.asyncDispose]()));
  await Promise.all(servers.map((one) => one.close()));
  return {
    recoveryS: recoveryS(samples, wellAtMs, wellAtMs + watchMs),
    attemptsPerCall: (attempts - before.attempts) / (calls - before.calls),
    goodBefore: goodShare(samples, 0, WARM_UP_MS),
    goodWhileSlow: goodShare(samples, WARM_UP_MS, wellAtMs),
    goodAtEnd: goodShare(samples, wellAtMs + watchMs - LAST_MS, wellAtMs + watchMs),
  };
}

/** Until the first second in which more than 99 % of the calls that began in it succeeded; NaN, which misses every bar, for never. */
function recoveryS(samples: readonly Sample[], fromMs: number, toMs: number): number {
  for (let atMs = fromMs; atMs + 1_000 <= toMs; atMs += 250) if (goodShare(samples, atMs, atMs + 1_000) > 0.99) return (atMs - fromMs) / 1_000;
  return Number.NaN;
}

export async function stormRows(): Promise<readonly Row[]> {
  const names = ['shipped', 'no retry', 'shipped, 85 %', 'deadlines', 'defaults', 'no budget'];
  const [shipped, none, busy, deadlines, defaults, unbudgeted] = (await Promise.all(names.map((arm) => apart('storm', arm)))) as [
    Arm,
    Arm,
    Arm,
    Arm,
    Arm,
    Arm,
  ];
  const row = (id: string, arm: Arm, key: string, unit: string, bar?: Pick<Row, 'op' | 'limit'>): Row => ({
    id: `storm: ${id}`,
    unit,
    value: arm[key]!,
    ...bar,
    samples: { ours: [arm[key]!], peer: [] },
  });
  return [
    row('recovery, retry as shipped', shipped, 'recoveryS', 's', { op: '<=', limit: 10 }),
    row('recovery without a retry', none, 'recoveryS', 's'),
    row('recovery, balancer and ejector as shipped too', defaults, 'recoveryS', 's'),
    row('attempts per call, retry as shipped', shipped, 'attemptsPerCall', 'attempts', { op: '<=', limit: 1.15 }),
    row('recovery, retry as shipped, load 85 %', busy, 'recoveryS', 's', { op: '<=', limit: 25 }),
    row('attempts per call, retry as shipped, load 85 %', busy, 'attemptsPerCall', 'attempts', { op: '<=', limit: 1.15 }),
    row('recovery, servers that drop what is past its deadline', deadlines, 'recoveryS', 's', { op: '<=', limit: 3 }),
    row('attempts per call, servers that drop what is past its deadline', deadlines, 'attemptsPerCall', 'attempts', { op: '<=', limit: 1.15 }),
    row('control: goodput at the end, three retries without a budget', unbudgeted, 'goodAtEnd', 'of the calls', { op: '<=', limit: 0.2 }),
    row('control: attempts per call without a budget', unbudgeted, 'attemptsPerCall', 'attempts', { op: '>=', limit: 2.5 }),
    row('goodput before it, retry as shipped', shipped, 'goodBefore', 'of the calls', { op: '>=', limit: 0.99 }),
    row('goodput before it, without a budget', unbudgeted, 'goodBefore', 'of the calls', { op: '>=', limit: 0.99 }),
    row('goodput while slow, retry as shipped', shipped, 'goodWhileSlow', 'of the calls'),
    row('CPU of the busiest arm', unbudgeted, 'cpu', 'of a core'),
  ];
}
