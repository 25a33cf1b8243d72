// From a change in a real Consul to lookup(), what many services cost in connections and processor, and a minute without Consul.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createDirectory } from '@ferrule/core';
import type { Directory, Instance } from '@ferrule/core';
import { consulRegistry } from '@ferrule/consul';
import { median, quantile } from '../harness.js';
import type { Row } from '../harness.js';
import { benchAgent, fill, operationsOf, put } from './consul-agent.js';
import type { BenchAgent } from './consul-agent.js';
import { Watcher, now } from './consul-fleet.js';

const CHANGES = 200;
const P50_BAR_MS = 5;
const P95_BAR_MS = 25;

const PROCESSES = 4;
const SERVICES = 500;
const FLEET_CHANGES = 80;
const CHANGE_EVERY_MS = 250;
const SOCKETS_BAR = 16;
const VISIBLE_BAR_MS = 2_000;

const AWAY_MS = 60_000;
const RETURN_BAR_MS = 2_000;

const UPDATES = 8;

export async function consulRows(): Promise<readonly Row[]> {
  const agent = await benchAgent();
  if (agent === undefined) throw new Error('There is no Consul: npm run consul -- --fetch brings one into .cache.');
  try {
    return [
      ...(await singleChanges(agent)),
      ...(await onServer(async (server) => [...(await bigService(server, 1_000)), ...(await bigService(server, 5_000))])),
      ...(await onServer(fleet)),
    ];
  } finally {
    await agent.kill();
  }
}

/** As it is run: a server that writes to disk, and answers without the spaces that a dev agent puts into its JSON. */
async function onServer(measure: (server: BenchAgent) => Promise<readonly Row[]>): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ferrule-bench-'));
  const server = (await benchAgent(folder))!;
  try {
    return await measure(server);
  } finally {
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function row(id: string, unit: string, value: number, ours: readonly number[], limit?: number): Row {
  return { id, unit, value, ...(limit !== undefined && { op: '<=' as const, limit }), samples: { ours, peer: [] } };
}

/** The time when lookup() shows what fits. */
function visible(directory: Directory, service: string, fits: (list: readonly Instance[]) => boolean): Promise<number> {
  return new Promise((resolve) => {
    const leave = directory.subscribe(service, () => {
      if (!fits(directory.lookup(service).instances)) return;
      leave();
      resolve(now());
    });
  });
}

async function singleChanges(agent: BenchAgent): Promise<readonly Row[]> {
  const registry = consulRegistry({ address: agent.address });
  const directory = createDirectory({ discovery: registry });
  const latencies: number[] = [];
  try {
    await directory.ready('orders');
    for (let index = 0; index < CHANGES; index++) {
      // Single: a burst becomes ten lists a second.
      await wait(110);
      const seen = visible(directory, 'orders', ([one]) => one?.port === index + 1);
      const start = now();
      await put(agent.address, '/agent/service/register', { ID: 'orders-1', Name: 'orders', Address: '127.0.0.1', Port: index + 1 });
      latencies.push((await seen) - start);
    }
  } finally {
    await directory[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await put(agent.address, '/agent/service/deregister/orders-1', {});
  }
  return [
    row('change in Consul to lookup(), p50', 'ms', median(latencies), latencies, P50_BAR_MS),
    row('change in Consul to lookup(), p95', 'ms', quantile(latencies, 0.95), latencies, P95_BAR_MS),
  ];
}

/** One of so many instances changes its status. */
async function bigService(agent: BenchAgent, size: number): Promise<readonly Row[]> {
  const service = `big-${size}`;
  const entry = (index: number, status: 'passing' | 'warning') => ({ service, index, port: 80, check: { status } });
  await fill(
    agent.address,
    Array.from({ length: size }, (_, index) => entry(index, 'passing')),
  );
  const registry = consulRegistry({ address: agent.address });
  const directory = createDirectory({ discovery: registry });
  const latencies: number[] = [];
  const cpu: number[] = [];
  const kept: number[] = [];
  const heap: number[] = [];
  try {
    let before = (await directory.ready(service)).instances;
    for (let update = 0; update < UPDATES; update++) {
      await wait(size / 3 + 200);
      const id = `${service}-${update}`;
      const seen = visible(directory, service, (list) => list.some((one) => one.id === id && one.status === 'warn'));
      const [used, start] = [process.cpuUsage(), now()];
      await put(agent.address, '/txn', operationsOf(entry(update, 'warning')));
      latencies.push((await seen) - start);
      const { user, system } = process.cpuUsage(used);
      cpu.push((user + system) / 1_000);
      const { instances } = directory.lookup(service);
      const same = new Set<unknown>(before);
      kept.push(size - instances.filter((one) => same.has(one)).length);
      before = instances;
      heap.push(process.memoryUsage().heapUsed / 2 ** 20);
    }
  } finally {
    await directory[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  }
  const what = `1 of ${size} instances changes`;
  return [
    row(`${what}: to lookup()`, 'ms', median(latencies), latencies),
    row(`${what}: CPU of the process, fetch and parse included`, 'ms', median(cpu), cpu),
    row(`${what}: objects that are new`, 'instances', Math.max(...kept), kept, 1),
    row(`${what}: heap in use`, 'MiB', median(heap), heap),
  ];
}

async function fleet(agent: BenchAgent): Promise<readonly Row[]> {
  const upstream = createServer((_req, res) => res.end('{}'));
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port } = upstream.address() as AddressInfo;
  const of = (service: number, index: number) => ({ service: `svc-${service}`, index: service * 3 + index, port });
  const entries = Array.from({ length: SERVICES * 3 }, (_, at) => ({ ...of(Math.floor(at / 3), at % 3), check: { status: 'passing' as const } }));
  await fill(agent.address, entries);
  const watchers = Array.from({ length: PROCESSES }, () => new Watcher(agent.address, SERVICES));
  const told = (message?: Parameters<Watcher['tell']>[0]) => Promise.all(watchers.map((watcher) => watcher.tell(message)));
  try {
    await Promise.all(watchers.map((watcher) => watcher.ready()));
    await wait(3_000);
    const idle = await told();
    await wait(5_000);
    const quiet = await told();
    const idleCpu = quiet.map((counts, index) => (counts.cpuMs - idle[index]!.cpuMs) / 50);

    // Three of four with a new status too, one in Meta alone, which no check tells.
    const latencies: Record<'check' | 'plain', number[]> = { check: [], plain: [] };
    const begun: { readonly kind: 'check' | 'plain'; readonly at: number }[] = [];
    const from = await told();
    const since = now();
    for (let turn = 0; turn < FLEET_CHANGES; turn++) {
      await wait(CHANGE_EVERY_MS);
      const kind = turn % 4 === 3 ? 'plain' : 'check';
      const entry = { ...of((turn * 61) % SERVICES, turn % 3), meta: { turn: String(turn) } };
      begun.push({ kind, at: now() });
      await put(agent.address, '/txn', operationsOf(kind === 'plain' ? entry : { ...entry, check: { status: 'passing', output: `turn ${turn}` } }));
    }
    await wait(4_000);
    let missed = 0;
    for (const [turn, { kind, at }] of begun.entries()) {
      for (const { seen } of watchers) {
        if (seen.has(turn)) latencies[kind].push(seen.get(turn)! - at);
        else missed++;
      }
    }
    const busy = await told();
    const busyCpu = busy.map((counts, index) => (counts.cpuMs - from[index]!.cpuMs) / ((now() - since) / 100));

    await told({ type: 'away', on: true });
    await agent.kill('SIGKILL');
    await wait(1_000);
    const gone = await told();
    await wait(AWAY_MS);
    const still = await told();
    for (const watcher of watchers) watcher.fresh.length = 0;
    await agent.start();
    const back = now();
    await wait(5_000);
    const end = await told({ type: 'away', on: false });
    const attempts = still.map((counts, index) => (counts.attempts - gone[index]!.attempts) / (AWAY_MS / 1_000));
    // It may be asked a moment before it is known to be there.
    const after = (at: number | undefined): number => (at === undefined ? Number.POSITIVE_INFINITY : Math.max(0, at - back));
    const first = watchers.map(({ fresh }) => after(fresh[0]));
    const all = watchers.map(({ fresh }) => after(fresh[SERVICES - 1]));

    const name = `${PROCESSES} × ${SERVICES} services`;
    const errors = end.map((counts) => counts.errors);
    const both = [...latencies.check, ...latencies.plain];
    const socketsOf = end.map((counts) => counts.sockets);
    const failed = end.map((counts) => counts.failed);
    return [
      row(
        `${name}: errors, changes not seen`,
        '',
        errors.reduce((sum, one) => sum + one, missed),
        errors,
        0,
      ),
      row(`${name}: connections of a process`, '', Math.max(...socketsOf), socketsOf, SOCKETS_BAR),
      row(`${name}: change to lookup(), p99`, 'ms', quantile(both, 0.99), both, VISIBLE_BAR_MS),
      row(`${name}: change that a check tells, p99`, 'ms', quantile(latencies.check, 0.99), latencies.check),
      row(`${name}: change that no check tells, p99`, 'ms', quantile(latencies.plain, 0.99), latencies.plain),
      row(`${name}: CPU of a process, nothing changes`, '% of a core', median(idleCpu), idleCpu),
      row(`${name}: CPU of a process, ${1_000 / CHANGE_EVERY_MS} changes a second`, '% of a core', median(busyCpu), busyCpu),
      row(
        `Consul away for ${AWAY_MS / 1_000} s: failed calls`,
        `of ${end.reduce((sum, { calls }) => sum + calls, 0)}`,
        Math.max(...failed),
        failed,
        0,
      ),
      row('Consul away: attempts a second of a process', '/s', Math.max(...attempts), attempts, 1),
      row('Consul is back: first fresh list', 'ms', Math.max(...first), first, RETURN_BAR_MS),
      row('Consul is back: all lists fresh', 'ms', Math.max(...all), all),
    ];
  } finally {
    await Promise.all(watchers.map((watcher) => watcher.end()));
    upstream.closeAllConnections();
    upstream.close();
  }
}
