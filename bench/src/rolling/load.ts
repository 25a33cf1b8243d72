// Constant load that never retries: `node load.js <ferrule|undici> <registry> <requests a second>`. Says `ready` when it knows the instances and
// sends from then on, whatever comes of it, until it is told to stop; then says what came of it.
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { client, silentLogger } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import { originOf } from '@ferrule/core/adapter';
import { Pool } from 'undici';
import { registryAt } from './registry-at.js';

/** What the load came to. */
export interface LoadResult {
  readonly sent: number;
  readonly failed: number;
  /** The first twenty, for people. */
  readonly failures: readonly string[];
  readonly seconds: number;
  /** The longest that a request took, and that the process itself was held up, ms. */
  readonly slowestMs: number;
  readonly stalledMs: number;
  /** Instances that answered, over time. */
  readonly pids: number;
}

type Ask = (id: string) => Promise<{ readonly id: string; readonly pid: number }>;

const EXPECTED = 4;
const TICK_MS = 10;
const MOST_MISSED_MS = 100;
const [kind, where, perSecond] = process.argv.slice(2) as ['ferrule' | 'undici', string, string];
const registry = registryAt(where);

/** Our client, with everything that it does by itself but retries. */
function ferrule(): Ask {
  const orders = client('orders', { registry, retry: false, logger: silentLogger });
  return (id) => orders.get('/orders/:id', { params: { id } });
}

/** What a program without Ferrule's client does: it keeps a pool for each instance that the registry lists, and takes them in turn. */
function undici(): Ask {
  const pools = new Map<string, Pool>();
  let listed: readonly Instance[] = [];
  let turn = 0;
  void (async () => {
    for await (const list of registry.watch('orders', new AbortController().signal)) {
      listed = list.filter((one) => one.status !== 'fail');
      for (const one of listed) if (!pools.has(one.id)) pools.set(one.id, new Pool(originOf(one), { connections: 64 }));
      for (const [id, pool] of pools) {
        if (list.some((one) => one.id === id)) continue;
        pools.delete(id);
        void pool.close(); // ends what is under way first
      }
    }
  })();
  return async (id) => {
    const one = listed[turn++ % listed.length];
    if (one === undefined) throw new Error('the registry lists nobody');
    const { statusCode, body } = await pools.get(one.id)!.request({ method: 'GET', path: `/orders/${id}` });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${statusCode} ${text}`);
    return JSON.parse(text) as { id: string; pid: number };
  };
}

const ask = kind === 'ferrule' ? ferrule() : undici();
const known = new AbortController();
for await (const list of registry.watch('orders', known.signal)) if (list.length >= EXPECTED) known.abort();
await ask('0');

const pids = new Set<number>();
const failures: string[] = [];
const open = new Set<Promise<void>>();
let sent = 0;
let failed = 0;
let slowestMs = 0;
const stalls = monitorEventLoopDelay({ resolution: 10 });
stalls.enable();
const begun = performance.now();
const send = (): void => {
  const id = String(++sent);
  const from = performance.now();
  const one = ask(id)
    .then((answer) => {
      if (answer.id !== id) throw new Error(`asked for ${id}, got ${answer.id}`);
      pids.add(answer.pid);
    })
    .catch((error: unknown) => {
      failed++;
      const { cause } = error as { cause?: unknown };
      if (failures.length < 20)
        failures.push(`${Math.round(performance.now() - begun)} ms: ${String(error)}${cause === undefined ? '' : ` (${String(cause)})`}`);
    })
    .finally(() => {
      slowestMs = Math.max(slowestMs, performance.now() - from);
      open.delete(one);
    });
  open.add(one);
};
// As many as are due by now, so that the rate does not fall with the answers. What a stall of this process itself has missed beyond a tenth of a
// second is not sent in one burst, which no constant load is; the rate that is reported shows it.
const perMs = Number(perSecond) / 1_000;
let due = 0;
let last = begun;
const timer = setInterval(() => {
  const now = performance.now();
  due = Math.min(due + (now - last) * perMs, MOST_MISSED_MS * perMs);
  last = now;
  for (; due >= 1; due--) send();
}, TICK_MS);
process.on('disconnect', () => process.exit());
process.send!('ready');
await once(process, 'message');
clearInterval(timer);
const seconds = (performance.now() - begun) / 1_000;
await Promise.all(open);
process.send!({ sent, failed, failures, seconds, slowestMs, stalledMs: stalls.max / 1e6, pids: pids.size } satisfies LoadResult);
process.disconnect(); // when that is sent
