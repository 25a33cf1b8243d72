// One contestant, told by its parent what to measure. Whoever waits for its turn costs nothing.
import { PerformanceObserver } from 'node:perf_hooks';
import { CONTESTANTS } from './contestants.js';
import type { Contestant, Guarded } from './contestants.js';

/** What a parent asks for: `calls` are made one after the other. */
export interface Order {
  readonly measure: 'ns' | 'bytes' | 'growth';
  readonly calls: number;
}

const [, , name, peers] = process.argv;
let warnings = 0;
process.on('warning', () => warnings++);

async function run(guarded: Guarded, calls: number): Promise<void> {
  for (let call = 0; call < calls; call++) {
    try {
      await guarded();
    } catch {
      // A rejection is what some of them are about.
    }
  }
}

async function nsPerCall(guarded: Guarded, calls: number): Promise<number> {
  const start = process.hrtime.bigint();
  await run(guarded, calls);
  return Number(process.hrtime.bigint() - start) / calls;
}

/** By how much the heap grows when nothing is collected meanwhile; a sample in which something was is taken again. */
async function bytesPerCall(guarded: Guarded, calls: number): Promise<number> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
  observer.observe({ entryTypes: ['gc'] });
  for (;;) {
    globalThis.gc!();
    await new Promise((resolve) => setTimeout(resolve, 20)); // the observer hears of it
    const before = collections;
    const heap = process.memoryUsage().heapUsed;
    await run(guarded, calls);
    const bytes = (process.memoryUsage().heapUsed - heap) / calls;
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (collections > before) continue;
    observer.disconnect();
    return bytes;
  }
}

/** Bytes that are still there after all these calls and a collection, and NaN when Node has warned of something (listeners that pile up). */
async function growth(guarded: Guarded, calls: number): Promise<number> {
  globalThis.gc!();
  const heap = process.memoryUsage().heapUsed;
  await run(guarded, calls);
  await new Promise((resolve) => setTimeout(resolve, 1100)); // timers of the last calls
  globalThis.gc!();
  return warnings > 0 ? Number.NaN : process.memoryUsage().heapUsed - heap;
}

const guarded: Guarded = await CONTESTANTS[name as Contestant](peers!);
process.on('message', (order: Order) => {
  const measured = { ns: nsPerCall, bytes: bytesPerCall, growth }[order.measure];
  void measured(guarded, order.calls).then((value) => process.send!(value));
});
process.send!('ready');
