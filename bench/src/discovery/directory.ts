// What the Directory itself costs: a lookup of what is known, and taking over a list in which one of many has changed.
import { Call, createDirectory, createSelector } from '@ferrule/core';
import type { Discovery, Instance } from '@ferrule/core';
import { checkInstance, newest, operation } from '@ferrule/core/adapter';
import type { Sink } from '@ferrule/core/adapter';
import { median } from '../harness.js';
import type { Row } from '../harness.js';

const ROUNDS = 15;
const LOOKUPS = 1_000_000;
const INSTANCES = 5_000;
const UPDATES = 40;
const NS_BAR = 100;
const CPU_BAR_MS = 5;

/** A registry of one service that says what it is told to. */
function scripted(list: readonly Instance[]): { discovery: Discovery; push(next: readonly Instance[]): void } {
  let sink: Sink<readonly Instance[]> | undefined;
  return {
    push: (next) => sink!.push(next),
    discovery: {
      services: async () => [],
      watch: (_service, signal) =>
        newest(signal, (given) => {
          sink = given;
          sink.push(list);
          return () => {};
        }),
    },
  };
}

/** As Consul tells them: tags, metadata, a status. */
function fleet(size: number): Instance[] {
  return Array.from({ length: size }, (_, index) =>
    checkInstance({
      id: `orders-${String(index).padStart(5, '0')}`,
      service: 'orders',
      version: '1.4.2',
      host: `10.0.${index >> 8}.${index & 255}`,
      port: 8_080,
      zone: `zone-${index % 3}`,
      tags: ['http', 'v1'],
      metadata: { commit: 'b4f3c1d', owner: 'team-a' },
      status: 'pass',
    }),
  );
}

async function lookup(): Promise<readonly Row[]> {
  const { discovery } = scripted(fleet(3));
  const directory = createDirectory({ discovery });
  await directory.ready('orders');
  let sum = 0;
  const run = (times: number): void => {
    for (let index = 0; index < times; index++) sum += directory.lookup('orders').revision;
  };
  const ns: number[] = [];
  const bytes: number[] = [];
  run(3 * LOOKUPS);
  for (let round = 0; round < ROUNDS; round++) {
    const heap = process.memoryUsage().heapUsed;
    const start = process.hrtime.bigint();
    run(LOOKUPS);
    ns.push(Number(process.hrtime.bigint() - start) / LOOKUPS);
    // Without a collection in between. What is left are the bench's own bigint and objects, a few hundred bytes in a million lookups.
    bytes.push(Math.max(0, Math.round((100 * (process.memoryUsage().heapUsed - heap)) / LOOKUPS) / 100));
  }
  if (sum === 0) throw new Error('Nothing was looked up');
  await directory[Symbol.asyncDispose]();
  return [
    { id: 'lookup of a known service', unit: 'ns', value: median(ns), op: '<=', limit: NS_BAR, samples: { ours: ns, peer: [] } },
    { id: 'lookup of a known service, allocated', unit: 'bytes', value: median(bytes), op: '<=', limit: 0, samples: { ours: bytes, peer: [] } },
  ];
}

/** `again`: every object is a new one, as from a registry that keeps no identity. */
async function update(again: boolean): Promise<{ readonly cpu: number[]; readonly changed: number[] }> {
  let list = fleet(INSTANCES);
  const { discovery, push } = scripted(list);
  const directory = createDirectory({ discovery });
  let before = (await directory.ready('orders')).instances;
  const cpu: number[] = [];
  const changed: number[] = [];
  for (let round = -5; round < UPDATES; round++) {
    const at = (round + 5) * 111;
    list = list.map((one, index) => (index === at ? checkInstance({ ...one, weight: round + 10 }) : again ? checkInstance(one) : one));
    const told = new Promise<readonly Instance[]>((resolve) => {
      const leave = directory.subscribe('orders', ({ instances }) => {
        leave();
        resolve(instances);
      });
    });
    const start = process.cpuUsage();
    push(list);
    const now = await told;
    const { user, system } = process.cpuUsage(start);
    const others = now.filter((one, index) => one !== before[index]).length;
    before = now;
    if (round < 0) continue;
    cpu.push((user + system) / 1_000);
    changed.push(others);
  }
  await directory[Symbol.asyncDispose]();
  return { cpu, changed };
}

/** How many endpoints of a selector are others after one of 5,000 instances has changed, that one included: it keeps its endpoint too. */
async function endpoints(): Promise<number> {
  const list = fleet(INSTANCES);
  const { discovery, push } = scripted(list);
  const directory = createDirectory({ discovery });
  await directory.ready('orders');
  let arrivals = 0;
  const selector = createSelector({ service: 'orders', directory, onArrival: () => void arrivals++ });
  await selector.select(new Call({ side: 'client', operation: operation('orders', 'GET', '/') }));
  const first = arrivals;
  const told = new Promise<void>((resolve) => directory.subscribe('orders', () => resolve()));
  push(list.map((one, index) => (index === 2_500 ? checkInstance({ ...one, weight: 2 }) : one)));
  await told;
  if (first !== INSTANCES) throw new Error(`The selector has ${first} endpoints`);
  selector.close();
  await directory[Symbol.asyncDispose]();
  return arrivals - first;
}

async function updates(): Promise<readonly Row[]> {
  const kept = await update(false);
  const anew = await update(true);
  const lost = await endpoints();
  return [
    {
      id: `1 of ${INSTANCES} instances changed, the Directory's CPU`,
      unit: 'ms',
      value: median(kept.cpu),
      op: '<=',
      limit: CPU_BAR_MS,
      samples: { ours: kept.cpu, peer: [] },
    },
    { id: 'the same, every object a new one (checks and compares all)', unit: 'ms', value: median(anew.cpu), samples: { ours: anew.cpu, peer: [] } },
    {
      id: 'the same, instances that are another object after it',
      unit: '',
      value: Math.max(...kept.changed, ...anew.changed),
      op: '<=',
      limit: 1,
      samples: { ours: [...kept.changed, ...anew.changed], peer: [] },
    },
    { id: 'the same, endpoints of a selector made anew', unit: '', value: lost, op: '<=', limit: 0, samples: { ours: [lost], peer: [] } },
  ];
}

export async function directoryRows(): Promise<readonly Row[]> {
  return [...(await lookup()), ...(await updates())];
}
