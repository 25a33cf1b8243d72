// From a registration in one file registry to a lookup in the directory of another.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDirectory, fileRegistry } from '@ferrule/core';
import { median, quantile } from '../harness.js';
import type { Row } from '../harness.js';

const CHANGES = 200;
const BAR_MS = 100;

export async function fileRows(): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ferrule-bench-'));
  const writer = fileRegistry({ directory: folder });
  const reader = fileRegistry({ directory: folder });
  const directory = createDirectory({ discovery: reader });
  const seen: number[] = [];
  try {
    await directory.ready('orders');
    for (let index = 0; index < CHANGES; index++) {
      const visible = new Promise<number>((resolve) => {
        const leave = directory.subscribe('orders', () => {
          if (!directory.lookup('orders').instances.some(({ id }) => id === `i${index}`)) return;
          leave();
          resolve(performance.now());
        });
      });
      const start = performance.now();
      const registration = await writer.register({ id: `i${index}`, service: 'orders', host: '127.0.0.1', port: 8_080 });
      seen.push((await visible) - start);
      await registration.deregister();
    }
  } finally {
    await directory[Symbol.asyncDispose]();
    await Promise.all([writer[Symbol.asyncDispose](), reader[Symbol.asyncDispose]()]);
    rmSync(folder, { recursive: true, force: true });
  }
  const samples = { ours: seen, peer: [] };
  return [
    { id: 'change in the file registry to lookup() elsewhere, p50', unit: 'ms', value: median(seen), op: '<=', limit: BAR_MS, samples },
    { id: 'change in the file registry to lookup() elsewhere, p95', unit: 'ms', value: quantile(seen, 0.95), samples },
  ];
}
