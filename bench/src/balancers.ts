// What a pick costs: each balancer alone and through the shipped selector, at 10 to 10,000 endpoints, beside moleculer's EndpointList and a filter().
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  Call,
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
import { ratioRow, report } from './harness.js';
import type { Row } from './harness.js';
import { peersManifest } from './peers.js';

const SIZES = [10, 100, 1_000, 10_000];
const ROUNDS = 7;
const BATCH_MS = 15;
const BYTES_PICKS = 50_000;
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
};
/** Bars hold for these; the others inform. */
const DEFAULT = 'p2c()';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

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
  const view: View = { endpoints: instances(count).map((instance) => new Endpoint(instance, fleet)), version: 1, now: 0 };
  return () => void balancer.pick(view, nextCall());
}

/** Pick, start and end, with the two readings of the clock. */
function using(balancer: Balancer, count: number): () => void {
  const snapshot: Snapshot = { service: 'bench', state: 'bound', instances: instances(count), revision: 1, stale: false };
  const directory: SnapshotSource = { lookup: () => snapshot, subscribe: () => () => {} };
  const selector = createSelector({ service: 'bench', directory, balancer });
  return () => {
    const lease = selector.select(nextCall());
    if ('then' in lease) throw new Error('the list should be known');
    lease.answered(200);
    lease.end({ kind: 'ok' });
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

/** A batch that takes some milliseconds, whatever one costs. */
function batchOf(run: () => void): number {
  for (let batch = 16; ; batch *= 2) if (nsPer(run, batch) * batch > BATCH_MS * 1e6) return batch;
}

function nsPer(run: () => void, batch: number): number {
  const start = process.hrtime.bigint();
  for (let index = 0; index < batch; index++) run();
  return Number(process.hrtime.bigint() - start) / batch;
}

/** Several by turns, so that a drift of the machine meets all of them. */
function nsOf(runs: readonly (() => void)[]): number[][] {
  const batches = runs.map(batchOf);
  const samples = runs.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) for (const [index, run] of runs.entries()) samples[index]!.push(nsPer(run, batches[index]!));
  return samples;
}

/** The least of some rounds: whatever else allocates adds to it. */
function bytesPer(run: () => void): number[] {
  // Long enough for the optimizing compiler: before it, each random number is an object.
  for (let index = 0; index < 20 * BYTES_PICKS; index++) run();
  return Array.from({ length: ROUNDS }, () => {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < BYTES_PICKS; index++) run();
    return Math.max(0, process.memoryUsage().heapUsed - before) / BYTES_PICKS;
  });
}

function row(id: string, unit: string, ours: readonly number[], limit?: number): Row {
  const value = unit === 'B' ? Math.min(...ours) : ours.toSorted((a, b) => a - b)[ours.length >> 1]!;
  return { id, unit, value, ...(limit !== undefined && { op: '<=' as const, limit }), samples: { ours, peer: [] } };
}

const rows: Row[] = [];
for (const [name, make] of Object.entries(BALANCERS)) {
  const isDefault = name === DEFAULT;
  const picks = nsOf(SIZES.map((count) => picking(make(), count)));
  for (const [index, count] of SIZES.entries()) rows.push(row(`${name}, pick, ${count}`, 'ns', picks[index]!));
  const uses = nsOf(SIZES.map((count) => using(make(), count)));
  for (const [index, count] of SIZES.entries())
    rows.push(row(`${name}, pick + start + end, ${count}`, 'ns', uses[index]!, isDefault && count === 10_000 ? 250 : undefined));
  rows.push(row(`${name}, pick, 10000, heap`, 'B', bytesPer(picking(make(), 10_000)), isDefault ? 1 : undefined));
  rows.push(ratioRow(`${name}, pick, 10000 to 10`, picks[3]!, picks[0]!, isDefault ? 2.5 : undefined));
}
const [ours, theirs] = nsOf([picking(p2c(), 1_000), moleculer(1_000)]);
rows.push(ratioRow(`${DEFAULT}, pick, 1000, to moleculer's EndpointList.next`, ours!, theirs!, 0.06));
const [pick, filter] = nsOf([picking(p2c(), 10_000), filtering(10_000)]);
rows.push({ ...ratioRow('control: filter() a pick, 10000, to p2c()', filter!, pick!), op: '>=', limit: 100 });
report('balancers', rows);
