// What a pick costs: each balancer alone and through the shipped selector, at 10 to 10,000 endpoints, beside moleculer's EndpointList and a filter().
//
// Each of them has a process of its own, as an application has one balancer and not ten: with all in one, their common call sites know too many shapes
// to be compiled for any, and the endpoints of one are out of the cache when its turn comes. What is shared with other work on the machine only adds
// to a round, so that the least of many counts; all of them are in the JSON.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Call,
  adaptive,
  createSelector,
  leastPending,
  leastRequests,
  maglev,
  p2c,
  peakEwma,
  pickFirst,
  random,
  ringHash,
  roundRobin,
  weighted,
} from '@ferrule/core';
import type { Instance, Snapshot, SnapshotSource } from '@ferrule/core';
import { Endpoint, operation } from '@ferrule/core/adapter';
import type { Balancer, View } from '@ferrule/core/adapter';
import { report } from './harness.js';
import type { Row } from './harness.js';
import { peersManifest } from './peers.js';

const SIZES = [10, 100, 1_000, 10_000];
const ROUNDS = 60;
/** For what a bar holds for. */
const PROCESSES = 3;
const BATCH_MS = 2;
/** Long enough for the optimizing compiler, with all that it learns on the way. */
const WARM_UP_MS = 400;
const BYTES_ROUNDS = 10;
const BYTES_PICKS = 20_000;
const key = { header: 'x-user' };

const BALANCERS: Readonly<Record<string, () => Balancer>> = {
  'p2c()': () => p2c(),
  'p2c, peak-ewma': () => p2c({ load: peakEwma() }),
  'p2c, least-pending': () => p2c({ load: leastPending() }),
  'round-robin': () => roundRobin(),
  random: () => random(),
  weighted: () => weighted(),
  'least-requests': () => leastRequests(),
  'pick-first': () => pickFirst(),
  'ring-hash': () => ringHash({ key }),
  maglev: () => maglev({ key }),
  adaptive: () => adaptive(),
};
/** Bars hold for these; the others inform. */
const DEFAULT = 'p2c()';

const calls = Array.from(
  { length: 256 },
  (_, n) => new Call({ side: 'client', operation: operation('bench', 'GET', '/'), headers: { 'x-user': `user-${n}` } }),
);
let turn = 0;
const nextCall = (): Call => calls[(turn = (turn + 1) & 255)]!;

function instances(count: number): Instance[] {
  return Array.from({ length: count }, (_, index) => ({ id: `i${index}`, service: 'bench', host: '127.0.0.1', port: 1 + index }));
}

function picking(balancer: Balancer, count: number): () => void {
  const fleet = balancer.load?.fleet();
  const endpoints = instances(count).map((instance) => new Endpoint(instance, fleet));
  // Latencies from 1 to 4 ms, so that what is compared differs and some are slower than usual.
  const now = performance.now();
  for (const [index, { meter }] of endpoints.entries()) meter.observe(1 + (index % 7) / 2, 'ok', now);
  const view: View = { endpoints, version: 1, now };
  return () => void balancer.pick(view, nextCall());
}

/** Pick, start and end, with the two readings of the clock. */
function using(balancer: Balancer, count: number): () => void {
  const snapshot: Snapshot = { service: 'bench', state: 'bound', instances: instances(count), revision: 1, stale: false };
  const directory: SnapshotSource = { lookup: () => snapshot, subscribe: () => () => {} };
  const selector = createSelector({ service: 'bench', directory, balancer });
  const outcome = { kind: 'ok', status: 200 } as const;
  return () => {
    const lease = selector.select(nextCall());
    if ('then' in lease) throw new Error('the list should be known');
    lease.answered(200);
    lease.end(outcome);
  };
}

/** What is written at first: whoever is fit, in a new list for each pick. */
function filtering(count: number): () => void {
  const list = instances(count).map((instance) => new Endpoint(instance));
  let next = 0;
  return () => {
    const ready = list.filter((endpoint) => endpoint.passing && endpoint.health.state === 'ready');
    void ready[next++ % ready.length];
  };
}

/** Its list of endpoints with its round robin, without a broker: nothing is discovered, nothing listens. */
function moleculer(count: number): () => void {
  const folder = join(dirname(peersManifest()), 'node_modules/moleculer/src');
  const load = createRequire(join(folder, 'index.js'));
  const EndpointList = load('./registry/endpoint-list.js') as new (...parts: unknown[]) => {
    add(...parts: unknown[]): unknown;
    next(context: object): unknown;
  };
  const registry = { logger: {}, opts: { preferLocal: false } };
  const broker = { nodeID: 'bench', options: {} };
  const list = new EndpointList(
    registry,
    broker,
    'bench.list',
    undefined,
    load('./registry/endpoint-action.js'),
    load('./strategies/round-robin.js'),
    {},
  );
  for (let index = 0; index < count; index++) list.add({ id: `n${index}`, available: true }, { name: 'bench' }, { name: 'bench.list' });
  const context = {};
  return () => {
    if (list.next(context) === null) throw new Error('moleculer has no endpoint');
  };
}

/** What one process is asked to measure: `kind` at so many endpoints. */
type Kind = 'pick' | 'use' | 'filter' | 'moleculer';

interface Measured {
  /** Nanoseconds an operation, of each round. */
  readonly ns: readonly number[];
  /** Bytes of heap an operation, of each round. */
  readonly bytes: readonly number[];
}

function subject(kind: Kind, name: string, count: number): () => void {
  switch (kind) {
    case 'pick':
      return picking(BALANCERS[name]!(), count);
    case 'use':
      return using(BALANCERS[name]!(), count);
    case 'filter':
      return filtering(count);
    case 'moleculer':
      return moleculer(count);
  }
}

function nsPer(run: () => void, batch: number): number {
  const start = process.hrtime.bigint();
  for (let index = 0; index < batch; index++) run();
  return Number(process.hrtime.bigint() - start) / batch;
}

function measure(run: () => void): Measured {
  let batch = 16;
  while (nsPer(run, batch) * batch < BATCH_MS * 1e6) batch *= 2;
  for (const end = performance.now() + WARM_UP_MS; performance.now() < end;) nsPer(run, batch);
  const ns = Array.from({ length: ROUNDS }, () => nsPer(run, batch));
  const bytes = Array.from({ length: BYTES_ROUNDS }, () => {
    globalThis.gc!();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < BYTES_PICKS; index++) run();
    return Math.max(0, process.memoryUsage().heapUsed - before) / BYTES_PICKS;
  });
  return { ns, bytes };
}

/** The rounds of several processes, one after the other: what disturbs a machine lasts longer than one of them. */
function measuredOften(kind: Kind, name: string, count: number): Measured {
  const all = Array.from({ length: PROCESSES }, () => measured(kind, name, count));
  return { ns: all.flatMap(({ ns }) => ns), bytes: all.flatMap(({ bytes }) => bytes) };
}

/** In a process of its own. The young generation is large enough that no collection falls into a round of bytes. */
function measured(kind: Kind, name: string, count: number): Measured {
  const flags = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];
  const output = execFileSync(process.execPath, [...flags, fileURLToPath(import.meta.url), '--one', kind, name, String(count)], { encoding: 'utf8' });
  return JSON.parse(output) as Measured;
}

function row(id: string, unit: string, ours: readonly number[], limit?: number): Row {
  return { id, unit, value: Math.min(...ours), ...(limit !== undefined && { op: '<=' as const, limit }), samples: { ours, peer: [] } };
}

function ratio(id: string, ours: readonly number[], peer: readonly number[], bar?: Pick<Row, 'op' | 'limit'>): Row {
  return { id, unit: '× peer', value: Math.min(...ours) / Math.min(...peer), ...bar, samples: { ours, peer } };
}

const [flag, kind, name, count] = process.argv.slice(2);
if (flag === '--one') {
  process.stdout.write(JSON.stringify(measure(subject(kind as Kind, name!, Number(count)))));
} else {
  const rows: Row[] = [];
  const picked = new Map<string, Measured>();
  for (const balancer of Object.keys(BALANCERS)) {
    const isDefault = balancer === DEFAULT;
    const take = isDefault ? measuredOften : measured;
    for (const size of SIZES) {
      const pick = take('pick', balancer, size);
      picked.set(`${balancer} ${size}`, pick);
      rows.push(row(`${balancer}, pick, ${size}`, 'ns', pick.ns));
    }
    for (const size of SIZES) {
      const { ns } = take('use', balancer, size);
      rows.push(row(`${balancer}, pick + start + end, ${size}`, 'ns', ns, isDefault && size === 10_000 ? 250 : undefined));
    }
    const many = picked.get(`${balancer} 10000`)!;
    rows.push(row(`${balancer}, pick, 10000, heap`, 'B', many.bytes, isDefault ? 1 : undefined));
    const few = picked.get(`${balancer} 10`)!;
    rows.push(ratio(`${balancer}, pick, 10000 to 10`, many.ns, few.ns, isDefault ? { op: '<=', limit: 2.5 } : undefined));
  }
  const ours = picked.get(`${DEFAULT} 1000`)!;
  const theirs = measured('moleculer', '-', 1_000);
  rows.push(ratio(`${DEFAULT}, pick, 1000, to moleculer's EndpointList.next`, ours.ns, theirs.ns, { op: '<=', limit: 0.06 }));
  const filter = measured('filter', '-', 10_000);
  rows.push(ratio('control: filter() a pick, 10000, to p2c()', filter.ns, picked.get(`${DEFAULT} 10000`)!.ns, { op: '>=', limit: 100 }));
  report('balancers', rows);
}
